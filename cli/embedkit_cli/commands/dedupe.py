"""``embedkit dedupe``."""

from __future__ import annotations

import click

from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, standing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session


@click.command(cls=Command, example="embedkit dedupe questions.csv -o - --text question")
@click.argument("source", metavar="SOURCE")
@click.option("-o", "--output", metavar="OUT", required=True, help="File to write; - for stdout.")
@click.option("--text", metavar="COLUMN", help="Column to compare; several as title,body.")
@click.option(
    "--threshold",
    type=Number(0, 1, min_open=True),
    help="Least cosine of near-duplicates.  [default: 0.9]",
)
@click.option("--exact", is_flag=True, help="Only equal texts; no model is asked.")
@click.option("--normalize", is_flag=True, help="Case and white space make no difference.")
@click.option(
    "--keep",
    type=click.Choice(["first", "last", "longest"]),
    default="first",
    show_default=True,
    help="Which row of a group to keep.",
)
@click.option("--embedder", metavar="SPEC", help="What embeds the texts.  [default: minilm]")
@click.option("--report", metavar="FILE", help="Say of each dropped row which was kept for it.")
@click.option(
    "--to",
    "form",
    type=click.Choice(["csv", "tsv", "jsonl", "parquet", "text"]),
    help="Format of OUT.  [default: by its suffix; as SOURCE for -]",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@standing
@pass_session
def dedupe(
    session: Session,
    source: str,
    output: str,
    text: str | None,
    threshold: float | None,
    exact: bool,
    normalize: bool,
    keep: str,
    embedder: str | None,
    report: str | None,
    form: str | None,
    force: bool,
) -> int:
    """Copy SOURCE to OUT without its duplicates and near-duplicates.

    SOURCE is whatever `embedkit index` reads. Each row that is dropped has at least the threshold's
    cosine with the row kept for it, and no two rows that are kept have it with each other. Rows
    without a text are kept. OUT is CSV, TSV, JSON Lines, Parquet or text, and appears when all is
    done; the columns are those of SOURCE, in their order.
    """
    import embedkit
    from embedkit_cli.duplicates import THRESHOLD, describe_dedupe

    if exact and (threshold is not None or embedder is not None):
        raise click.UsageError("--exact asks no model: leave --threshold and --embedder out")
    if source == "-":
        say_waiting()
    with Progress() as progress:
        done = embedkit.dedupe(
            source,
            output,
            text=text,
            threshold=None if exact else threshold or THRESHOLD,
            keep=keep,  # type: ignore[arg-type]
            normalize=normalize,
            embedder=embedder or session.settings.embedder or "minilm",
            report=report,
            format=form,
            force=force,
            home=session.home,
            progress=progress.show,
        )
    say(describe_dedupe(done))
    return 1 if done.failed else 0
