"""``embedkit index``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import remember
from embedkit_cli.failure import InterruptedWorkError, say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, complete_collection, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.types import Report


@click.command(cls=Command, example="embedkit index questions.csv --text question --id id")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "-c",
    "--collection",
    metavar="NAME",
    shell_complete=complete_collection,
    help="Collection to fill.  [default: named after the source]",
)
@click.option("--text", metavar="COLUMN", help="Column to embed; several as title,body.")
@click.option("--id", "id_column", metavar="COLUMN", help="Column that identifies a record.")
@click.option("--embedder", metavar="SPEC", help="What embeds a new collection.  [default: minilm]")
@click.option("--index", "index_spec", metavar="SPEC", help="What searches it.  [default: auto]")
@click.option("--recall", type=float, metavar="R", help="What it promises.  [default: 0.99]")
@click.option("--chunk", metavar="tokens=N,overlap=N", help="Cut long texts into passages.")
@click.option("--sync", is_flag=True, help="Remove the records that are gone from the source.")
@click.option("--dry-run", is_flag=True, help="Print what would be done and cost, and do nothing.")
@click.option("--max-cost", type=Number(min=0), metavar="USD", help="Stop before it.")
@click.option("--max-texts", type=click.IntRange(min=0), metavar="N", help="Send so many at most.")
@click.option("--retry-failed", is_flag=True, help="Send again what the model refused before.")
@printing()
@pass_session
def index(
    session: Session,
    sources: tuple[str, ...],
    collection: str | None,
    text: str | None,
    id_column: str | None,
    embedder: str | None,
    index_spec: str | None,
    recall: float | None,
    chunk: str | None,
    sync: bool,
    dry_run: bool,
    max_cost: float | None,
    max_texts: int | None,
    retry_failed: bool,
) -> int:
    """Fill a collection from files, or bring it up to date with them.

    A SOURCE is a CSV, TSV, JSON Lines, Parquet or text file (also gzip), a folder of text files, or
    - for stdin. Rows that are already there cost nothing; a bad row is set aside and listed by
    `embedkit runs`. Whatever ends a run, the same command again goes on where it stopped.
    """
    columns = {"text": text, "id": id_column}
    specs = {"embedder": embedder, "index": index_spec, "recall": recall, "chunk": chunk}
    flags = {"sync": sync, "dry_run": dry_run, "retry_failed": retry_failed}
    limits = {"max_cost": max_cost, "max_texts": max_texts}
    job = Job(session, collection, specs, {**columns, **flags, **limits})
    alone = len(sources) == 1
    try:
        for source in sources:
            job.run(source, alone=alone)
    except KeyboardInterrupt:
        job.print(alone=alone)
        raise InterruptedWorkError(
            "interrupted; what was finished is kept: run the same command again to go on"
        ) from None
    job.print(alone=alone)
    return job.exit_code


class Job:
    """The sources of one command line, one after the other."""

    def __init__(
        self,
        session: Session,
        collection: str | None,
        specs: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self.session = session
        self.collection = collection
        self.options = options
        self.specs = specs
        self.reports: list[Report] = []
        self.exit_code = 0

    def run(self, source: str, *, alone: bool) -> None:
        """Index one source. Where there are several, one that fails does not stop the others."""
        from embedkit.errors import EmbedkitError

        try:
            self.reports.append(self._index(source))
        except EmbedkitError as error:
            if alone:
                raise
            say(f"{source}: {error}")
            self.exit_code = max(self.exit_code, error.exit_code)
            return
        if self.reports[-1].status == "interrupted":
            raise KeyboardInterrupt
        if self.reports[-1].failed:
            self.exit_code = max(self.exit_code, 1)

    def _index(self, source: str) -> Report:
        import embedkit

        home = self.session.home
        opened = self._open(source)
        name = self.collection or _name_after(opened.stem)
        with (
            embedkit.open(name, home=home, **self._specs(name)) as collection,
            Progress() as progress,
        ):
            report = collection.index(opened, progress=progress.show, **self.options)
        if report.run is not None:
            remember(home, name)
        return report

    def _open(self, source: str) -> Any:
        """Open a source; a key that is missing or refused is told before what is wrong with it."""
        from embedkit.errors import SourceError
        from embedkit_connectors import open_source

        if source == "-":
            self._check_key(source)
            say_waiting()
        try:
            return open_source(source)
        except SourceError:
            self._check_key(source)
            raise

    def _check_key(self, source: str) -> None:
        import embedkit
        from embedkit_connectors.inputs import Input

        name = self.collection or _name_after(Input(source).stem)
        with embedkit.open(name, home=self.session.home, **self._specs(name)) as collection:
            collection.check_access()

    def _specs(self, name: str) -> dict[str, Any]:
        """Return what the collection is opened with."""
        from embedkit.catalog import names

        specs = dict(self.specs)
        if name not in names(self.session.home):
            # Settings speak of new collections: an existing one knows what it was filled with.
            settings = self.session.settings
            specs["embedder"] = specs["embedder"] or settings.embedder
            specs["index"] = specs["index"] or settings.index
        return specs

    def print(self, *, alone: bool) -> None:
        """Print what was done."""
        from embedkit_cli.output import emit
        from embedkit_cli.reports import advise, describe

        reports = [report.to_dict() for report in self.reports]
        form = self.session.format
        if reports or not alone:
            emit(
                form,
                reports[0] if alone else reports,
                lambda: "\n".join(map(describe, self.reports)),
            )
        for report in self.reports:
            advise(self.session, report, next_step=form == "table")


def _name_after(stem: str) -> str:
    import re

    return re.sub(r"[^\w.-]+", "-", stem).strip("-._")[:100].rstrip(".") or "collection"
