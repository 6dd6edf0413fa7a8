"""``embedkit classify predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.answering import answering_options, classifier_option
from embedkit_cli.classifiers import choose_classifier
from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import complete_collection, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.types import Prediction

FILES = ("text", "output", "prefix", "form")
RECORDS = ("column", "where")
"""Options that are for files, and for collections."""
COVERAGE = 0.9


@click.command(
    cls=Command,
    example='embedkit classify predict --query "how do I get my money back?"\n'
    "embedkit classify predict questions.csv --text question -o -",
)
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option("-q", "--query", metavar="TEXT", multiple=True, help="A text in place of a SOURCE.")
@click.option(
    "-c",
    "--collection",
    metavar="NAME",
    shell_complete=complete_collection,
    help="Label its records, in place of a SOURCE.",
)
@click.option("--column", metavar="COLUMN", help="Of the labels in it.  [default: label]")
@click.option("--where", metavar="SQL", help="Label some of its records: \"lang = 'en'\".")
@classifier_option
@click.option("--text", metavar="COLUMN", help="Column of the text.  [default: as it was trained]")
@click.option("-o", "--output", metavar="OUT", help="File to write; - for stdout.  [default: -]")
@click.option("--sets", is_flag=True, help="Add the set of labels that holds the true one.")
@answering_options(
    abstain_below="Give no label that is less probable.",
    precision="Abstain as often as it takes for this share of the labels to be right: 0.95.",
    scope="Give no label to texts less typical of those trained on: 0.05.",
    coverage="How often a set holds the true label.  [default: 0.9]",
)
@click.option(
    "--labels",
    "top",
    type=click.IntRange(min=1),
    metavar="K",
    help="Tell so many labels, the best first.  [default: 1]",
)
@click.option("--prefix", metavar="TEXT", help="Begin the names of the added columns with it.")
@click.option(
    "--to",
    "form",
    type=click.Choice(["csv", "tsv", "jsonl", "parquet"]),
    help="Format of OUT.  [default: by its suffix; as SOURCE for -]",
)
@click.option("--force", is_flag=True, help="Write over a file, or a column, that is there.")
@printing()
@pass_session
def predict(
    session: Session,
    /,
    source: str | None,
    query: tuple[str, ...],
    collection: str | None,
    name: str | None,
    sets: bool,
    coverage: float | None,
    top: int | None,
    **options: Any,
) -> int:
    """Label the rows of SOURCE, single texts with --query, or the records of a collection.

    SOURCE is whatever `embedkit index` reads, - for stdin. Its rows are copied to OUT with the
    columns label, probability and abstained added, in bounded memory; OUT appears when all is done.
    Rows that cannot be labelled are listed, and the others go on. Labels of a collection become
    metadata, by which `embedkit search --where` can filter.
    """
    if [source is not None, bool(query), collection is not None].count(True) != 1:
        raise click.UsageError(
            "expected one of a SOURCE, a text with --query TEXT, and a collection with -c NAME"
        )
    chosen = choose_classifier(session, name)
    asked = {
        "abstain_below": options["abstain_below"] or 0.0,
        "precision": options["precision"],
        "scope_level": options["scope_level"] or 0.0,
        "coverage": coverage or (COVERAGE if sets else None),
        "top": top or 1,
    }
    if query:
        _refuse(options, FILES + RECORDS + ("force",), "--query prints its labels")
        return _texts(session, chosen, query, asked)
    if collection is not None:
        _refuse(options, FILES, "a collection's records are labelled where they are")
        if asked.pop("top") > 1 or asked.pop("coverage"):
            raise click.UsageError("--labels and --sets are for files: a record gets one label")
        return _records(session, chosen, collection, options, asked)
    _refuse(options, RECORDS, "a SOURCE is no collection")
    assert source is not None
    return _rows(session, chosen, source, options, asked)


def _refuse(options: dict[str, Any], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if options[name]:
            option = {"form": "to"}.get(name, name)
            raise click.UsageError(f"{why}: leave --{option} out")


def _records(
    session: Session, name: str, collection: str, options: dict[str, Any], asked: dict[str, Any]
) -> int:
    """Label the records of a collection."""
    import embedkit
    from embedkit_cli.choose import choose
    from embedkit_cli.classifiers import describe_labelling
    from embedkit_cli.output import emit

    column = options["column"] or "label"
    chosen = choose(session, collection)
    with embedkit.open(chosen, home=session.home) as opened, Progress("records") as progress:
        done = opened.classify(
            name,
            column=column,
            where=options["where"],
            force=options["force"],
            progress=progress.show,
            **asked,
        )
    emit(session.format, done.to_dict(), lambda: describe_labelling(done))
    if done.counts and session.format == "table":
        label = next(iter(done.counts)).replace("'", "''")
        quoted = column if column.isidentifier() else f'"{column}"'
        where = f"{quoted} = '{label}'"
        say(
            "to search among those of a label:\n"
            + session.again("search", "QUERY", "-c", chosen, "--where", where)
        )
    return 1 if done.failed else 0


def _rows(
    session: Session, name: str, source: str, options: dict[str, Any], asked: dict[str, Any]
) -> int:
    import embedkit
    from embedkit_cli.classifiers import describe_labelling

    if session.given_format is not None:
        raise click.UsageError("--format is for --query and -c; the format of OUT is --to")
    if source == "-":
        say_waiting()
    elif " " in source.strip() and not _there(source):
        raise click.UsageError(f"found no file {source!r}; to label that text itself: --query")
    with Progress() as progress:
        done = embedkit.classify(
            source,
            options["output"] or "-",
            name,
            text=options["text"],
            prefix=options["prefix"],
            format=options["form"],
            force=options["force"],
            home=session.home,
            progress=progress.show,
            **asked,
        )
    say(describe_labelling(done))
    return 1 if done.failed else 0


def _there(source: str) -> bool:
    """Whether a source may be meant that is there, or a spec of one."""
    try:
        return Path(source).expanduser().exists() or ":" in source
    except (OSError, RuntimeError, ValueError):
        return False


def _texts(session: Session, name: str, texts: tuple[str, ...], asked: dict[str, Any]) -> int:
    import embedkit
    from embedkit.classification.asking import Asking, Wishes
    from embedkit_cli.output import emit

    if not all(text.strip() for text in texts):
        raise click.UsageError("expected a text, got nothing")
    asking = Asking(embedkit.classifier(name, home=session.home), Wishes(**asked))
    found = list(zip(texts, asking.ask(texts), strict=True))
    rows = [_row(text, prediction, asked["top"]) for text, prediction in found]
    emit(session.format, rows[0] if len(rows) == 1 else rows, lambda: _table(rows))
    for note in asking.notes:
        say(note)
    return 0


def _row(text: str, prediction: Prediction, top: int) -> dict[str, Any]:
    label = prediction.label
    row: dict[str, Any] = {
        "text": text,
        "label": list(label) if isinstance(label, tuple) else label,
        "probability": round(prediction.probability, 6),
        "abstained": prediction.abstained,
    }
    if prediction.abstained:
        best = prediction.best
        row |= {"best": list(best) if isinstance(best, tuple) else best, "why": prediction.why}
    if prediction.typicality is not None:
        row["typicality"] = round(prediction.typicality, 6)
    if prediction.labels:
        row["label_set"] = list(prediction.labels)
    if top > 1:
        ranked = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
        row["labels"] = [
            {"label": label, "probability": round(share, 6)} for label, share in ranked[:top]
        ]
    return row


def _table(rows: list[dict[str, Any]]) -> str:
    from embedkit_cli.table import Column, render

    columns = [
        Column("label", [_shown(row) for row in rows], widest=40),
        Column("probability", [f"{row['probability']:.4f}" for row in rows], right=True),
    ]
    if any("typicality" in row for row in rows):
        columns.append(Column("typicality", [f"{row['typicality']:.3f}" for row in rows], True))
    if any("labels" in row for row in rows):
        others = [
            ", ".join(f"{one['label']} {one['probability']:.3f}" for one in row["labels"][1:])
            for row in rows
        ]
        columns.append(Column("then", others, widest=40))
    if any("label_set" in row for row in rows):
        sets = [", ".join(map(str, row.get("label_set", ()))) for row in rows]
        columns.append(Column("label set", sets, widest=40))
    return render([*columns, Column("text", [row["text"] for row in rows], stretch=True)])


def _shown(row: dict[str, Any]) -> str:
    label = row["label"] if not row["abstained"] else row["best"]
    shown = ", ".join(map(str, label)) if isinstance(label, list) else str(label)
    return f"abstained ({shown}?)" if row["abstained"] else shown
