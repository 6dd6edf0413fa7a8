"""``embedkit classify train``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, complete_collection, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.classification.labelled import How, LabelledRows
    from embedkit.types import ClassifierInfo


@click.command(
    cls=Command, example="embedkit classify train questions.csv --text question --label topic"
)
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option(
    "-c",
    "--collection",
    metavar="NAME",
    shell_complete=complete_collection,
    help="Learn from its records, in place of a SOURCE.",
)
@click.option("--text", metavar="COLUMN", help="Column of the text; several as title,body.")
@click.option("--label", metavar="COLUMN", help="Column of the label.")
@click.option("--name", metavar="NAME", help="Name to keep it under.  [default: as the source]")
@click.option("--where", metavar="SQL", help="Learn from some records: \"lang = 'en'\".")
@click.option("--embedder", metavar="SPEC", help="What embeds the texts.  [default: minilm]")
@click.option("--head", metavar="SPEC", help="What decides between labels.  [default: auto]")
@click.option("--multi-label", is_flag=True, help="A row may have several labels.")
@click.option("--separator", metavar="TEXT", help="What stands between them.  [default: ;]")
@click.option("--ordered", metavar="LOW,...,HIGH", help="The labels in their order.")
@click.option("--balanced", is_flag=True, help="Rare labels count as much as frequent ones.")
@click.option(
    "--budget",
    type=Number(min=0),
    metavar="SECONDS",
    help="For choosing a head.  [default: 15]",
)
@click.option(
    "--out-of-scope",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Texts that no label is for, one a line.",
)
@click.option("--force", is_flag=True, help="Replace one that was trained on something else.")
@printing()
@pass_session
def train(
    session: Session,
    /,
    source: str | None,
    collection: str | None,
    name: str | None,
    where: str | None,
    out_of_scope: Path | None,
    force: bool,
    **options: Any,
) -> int:
    """Train a classifier on labelled rows, and keep it under a name.

    SOURCE is whatever `embedkit index` reads; rows without a label are set aside. Several heads are
    tried by cross-validation, beside a baseline that reads words alone and one that always says the
    most frequent label. Vectors stay in the home's cache: training again embeds nothing.

    What is in scope is learned too: `predict` tells texts that are unlike all of SOURCE. Examples
    of such texts (--out-of-scope) make that sharper.
    """
    from embedkit.classification import library
    from embedkit.classification.api import train_rows
    from embedkit_cli.classifiers import describe_training
    from embedkit_cli.files import lines_of
    from embedkit_cli.output import emit

    if (source is None) == (collection is None):
        raise click.UsageError("expected a SOURCE, or a collection with -c NAME")
    if where is not None and collection is None:
        raise click.UsageError("--where is for a collection: give -c NAME")
    if source == "-":
        say_waiting()
    named = library.check_name(name) if name is not None else None
    foreign = None if out_of_scope is None else lines_of(out_of_scope)
    with Progress() as progress:
        read = _read(session, source, collection, where, options, progress)
        rows, kept = read.rows, named or read.name
        kind = "file" if collection is None else "collection"
        _check_free(session, kept, rows, kind, force=force)
        before = _replaced(session, kept)
        info = train_rows(
            rows,
            kept,
            session.home,
            kind=kind,
            out_of_scope=foreign,
            progress=progress.show,
            embedder=read.embedder,
            **_choices(options),
        )
    for told in (*rows.set_aside(), *rows.notes):
        say(told)
    if before is not None:
        say(f"{kept} was there, and is replaced: {_in_short(before)} before, {_in_short(info)} now")
    emit(session.format, info.to_dict(), lambda: describe_training(info))
    _next_steps(session, info, rows)
    return 1 if rows.failed else 0


@dataclass(slots=True)
class _Read:
    """Labelled rows, the name that their classifier has by default, and what is to embed them."""

    rows: LabelledRows
    name: str
    embedder: Any


def _read(
    session: Session,
    source: str | None,
    collection: str | None,
    where: str | None,
    options: dict[str, Any],
    progress: Progress,
) -> _Read:
    from embedkit.classification.labelled import read_labelled
    from embedkit_connectors import open_source

    text, label, how = options.pop("text"), options.pop("label"), _how(options)
    embedder = options.pop("embedder")
    if collection is not None:
        if text is not None:
            raise click.UsageError("a collection has its texts already: leave --text out")
        if label is None:
            raise click.UsageError("expected --label COLUMN: which metadata is the label?")
        return _read_records(session, collection, label, where, how, embedder)
    opened = open_source(source)
    rows = read_labelled(opened, text=text, label=label, how=how, progress=progress.show)
    stem = re.sub(r"[^\w.-]+", "-", opened.stem).strip("-._")[:100].rstrip(".")
    chosen = embedder or session.settings.embedder or "minilm"
    return _Read(rows, stem or "classifier", chosen)


def _read_records(
    session: Session, collection: str, label: str, where: str | None, how: How, embedder: str | None
) -> _Read:
    """Read records; their vectors serve, where they are of the same model."""
    import embedkit
    from embedkit.classification.labelled import read_labelled_records
    from embedkit_cli.choose import choose

    with embedkit.open(choose(session, collection), home=session.home) as opened:
        rows = read_labelled_records(opened, label, where=where, how=how)
        chosen = embedder or opened.spec
        if isinstance(chosen, str):
            opened.share_vectors(rows.texts, chosen)
        return _Read(rows, opened.name, chosen)


def _how(options: dict[str, Any]) -> How:
    from embedkit.classification.labelled import SEPARATOR, How

    multi, separator = options.pop("multi_label"), options.pop("separator")
    if separator is not None and not multi:
        raise click.UsageError("--separator is for --multi-label")
    if separator == "":
        raise click.UsageError("expected a separator, got nothing")
    if multi and options["ordered"]:
        raise click.UsageError("--multi-label and --ordered exclude each other")
    return How(multi, separator or SEPARATOR, _order(options))


def _order(options: dict[str, Any]) -> tuple[str, ...]:
    named = (label.strip() for label in (options["ordered"] or "").split(","))
    return tuple(label for label in named if label)


def _choices(options: dict[str, Any]) -> dict[str, Any]:
    """Return the rest of the options as the estimator takes them."""
    made: dict[str, Any] = {"head": options["head"] or "auto"}
    if order := _order(options):
        made["order"] = list(order)
    if options["balanced"]:
        made["class_weight"] = "balanced"
    if options["budget"] is not None:
        made["budget"] = options["budget"]
    return made


def _check_free(session: Session, name: str, rows: LabelledRows, kind: str, *, force: bool) -> None:
    """Refuse to replace a classifier that learned something else, unless that is wanted."""
    from embedkit.classification import library
    from embedkit.errors import InvalidInputError

    if force or name not in library.names(session.home):
        return
    origin = library.read_origin(library.find(session.home, name))
    if origin is not None and (origin.kind, origin.source, origin.label) == (
        kind,
        rows.source,
        rows.label,
    ):
        return
    what = f"column {origin.label!r} of {origin.source}" if origin else "something else"
    raise InvalidInputError(
        f"there is a classifier {name!r} already, trained on {what}",
        do="replace it with --force, or choose another --name",
    )


def _replaced(session: Session, name: str) -> ClassifierInfo | None:
    """Return what has the name, None where nothing does, or what does is damaged."""
    from embedkit.classification import library
    from embedkit.classification.api import describe
    from embedkit.errors import StorageError

    if name not in library.names(session.home):
        return None
    try:
        return describe(session.home, name)
    except StorageError:
        return None


def _in_short(info: ClassifierInfo) -> str:
    accuracy = info.report.measures.get("accuracy")
    right = "" if accuracy is None else f", {accuracy.mean:.4f} right"
    return f"{info.head} on {info.embedder or 'words'}{right}"


def _next_steps(session: Session, info: ClassifierInfo, rows: LabelledRows) -> None:
    """Say what a person may want to do now."""
    if session.format != "table":
        return
    source = rows.source if rows.unlabelled and rows.source not in ("-", "memory") else "FILE"
    why = f", also of the {rows.unlabelled:,} without one" if source != "FILE" else ""
    say(
        f"to label rows{why}:\n"
        + session.again("classify", "predict", source, "--name", info.name, "-o", "labelled.csv")
    )
