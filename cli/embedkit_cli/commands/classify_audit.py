"""``embedkit classify audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit import Audit

TABLES = (
    "errors",
    "conflicts",
    "duplicates",
    "leaks",
    "classes",
    "confusions",
    "spellings",
    "suggestions",
)


@click.command(cls=Command, example="embedkit classify audit questions.csv --label topic -o audit")
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option("-c", "--collection", metavar="NAME", help="Look at its records instead of SOURCE.")
@click.option("--text", metavar="COLUMN", help="Column to classify; several as title,body.")
@click.option("--label", metavar="COLUMN", help="Column of the labels.")
@click.option("--id", "id_column", metavar="COLUMN", help="Column of ids, to name rows by.")
@click.option("--test", metavar="FILE", help="Test rows: are they among the training rows?")
@click.option(
    "--unlabelled",
    metavar="FILE",
    help="Rows to choose from what to label next; a collection of that name, else a file.",
)
@click.option(
    "--next",
    "wanted",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many rows of --unlabelled to choose.",
)
@click.option("-o", "--output", metavar="FOLDER", help="Write each table to a CSV file there.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option(
    "--table",
    "only",
    type=click.Choice(TABLES),
    metavar="TABLE",
    help=f"Print one table whole: {', '.join(TABLES)}.",
)
@click.option(
    "--near",
    type=Number(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    help="Least cosine of texts that are nearly equal.",
)
@click.option("--head", metavar="SPEC", help="What is cross-validated.  [default: auto]")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=10,
    show_default=True,
    help="Of cross-validation.",
)
@click.option("--embedder", metavar="SPEC", help="What embeds the texts.  [default: minilm]")
@click.option(
    "--errors",
    metavar="N",
    type=click.IntRange(min=1),
    help="Tell the N likeliest label errors.  [default: as many as are likely]",
)
@click.option(
    "--max-errors",
    metavar="N",
    type=click.IntRange(min=0),
    help="Fail (exit code 1) where more labels are likely wrong, or texts in conflict.",
)
@printing()
@pass_session
def audit(
    session: Session,
    source: str | None,
    collection: str | None,
    text: str | None,
    label: str | None,
    id_column: str | None,
    test: str | None,
    unlabelled: str | None,
    wanted: int,
    output: str | None,
    force: bool,
    only: str | None,
    near: float,
    head: str | None,
    folds: int,
    embedder: str | None,
    errors: int | None,
    max_errors: int | None,
) -> int:
    """Find what is wrong with labelled rows, before a classifier learns it.

    Likely label errors, by a classifier that had not seen the row; texts that come twice, with
    different labels or the same; test rows that are among the training rows; rare labels, labels
    often confused, labels spelled in two ways; and what to label next. Nothing is changed.

    The files of -o are UTF-8 with a byte-order mark, as Excel wants it; a text that a spreadsheet
    would run as a formula has an apostrophe before it. What is printed has none.
    """
    import embedkit
    from embedkit.classification.audit.sheets import check_folder
    from embedkit_cli.audits import emit_audit

    if (source is None) == (collection is None):
        raise click.UsageError("expected either SOURCE or a collection with -c")
    if output is not None:
        check_folder(Path(output), force=force)
    if source == "-":
        say_waiting()
    looked_at: Any = source
    if collection is not None:
        looked_at = embedkit.open(collection, home=session.home)
    with Progress() as progress:
        found = embedkit.audit_labels(
            looked_at,
            text=text,
            label=label,
            id=id_column,
            test=test,
            unlabelled=_candidates(session, unlabelled),
            embedder=embedder or session.settings.embedder or "minilm",
            near=near,
            next=wanted,
            folds=folds,
            errors=errors,
            home=session.home,
            progress=progress.show,
            **({} if head is None else {"head": head}),
        )
    if output is not None:
        written = found.write(output, force=force)
        say(f"wrote {', '.join(path.name for path in written)} to {output}")
    emit_audit(session.format, found, only)
    return _verdict(found, max_errors)


def _candidates(session: Session, unlabelled: str | None) -> Any:
    """Return the collection of that name where there is one, else the name of a source."""
    if unlabelled is None:
        return None
    import embedkit
    from embedkit import catalog

    if unlabelled in catalog.names(session.home):
        return embedkit.open(unlabelled, home=session.home)
    return unlabelled


def _verdict(found: Audit, most: int | None) -> int:
    wrong = len(found.errors) + len(found.conflicts)
    if most is None or wrong <= most:
        return 0
    say(f"{wrong:,} likely label errors and conflicts, more than --max-errors {most:,}")
    return 1
