"""``embedkit classify adapt``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit import SavedAdapter
    from embedkit.classification.labelled import LabelledRows
    from embedkit.protocols import Source

WORDS = {
    "nearest": "right by the ten nearest rows",
    "head": "right by logistic regression",
    "ndcg@10": "nDCG@10 of finding the partner",
    "auc": "AUC of telling pairs by cosine",
}


@click.command(
    cls=Command, example="embedkit classify adapt questions.csv --text question --label topic"
)
@click.argument("source", metavar="SOURCE")
@click.option("--name", metavar="NAME", help="Name to keep it under.  [default: as the source]")
@click.option("--text", metavar="COLUMN", help="Column of the text; several as title,body.")
@click.option("--label", metavar="COLUMN", help="Column of the label.")
@click.option(
    "--pairs",
    metavar="LEFT,RIGHT",
    help="Learn from pairs: the columns of two texts that mean the same, or, with --label, do not"
    " where that is 0.",
)
@click.option("--embedder", metavar="SPEC", help="The model to adapt.  [default: minilm]")
@click.option(
    "--keep",
    type=Number(min=0),
    help="Hold vectors where they were: more changes other searches less.  [default: 1]",
)
@click.option(
    "--input-type",
    type=click.Choice(["document", "query", "classification", "clustering"]),
    help="What a managed model takes the texts for.  [default: classification; document for pairs]",
)
@click.option("--dry-run", is_flag=True, help="Tell whether it would help; keep nothing.")
@click.option("--force", is_flag=True, help="Replace an adapter of that name.")
@printing()
@pass_session
def adapt(
    session: Session,
    /,
    source: str,
    name: str | None,
    pairs: str | None,
    dry_run: bool,
    **options: Any,
) -> int:
    """Learn a small map on top of an embedder's vectors, so that labels or pairs come out better.

    The model stays as it is, so this works for managed models too, and no text is embedded twice.
    Held-out rows tell whether it helps. Use it wherever an embedder is named: `embedkit index FILE
    --embedder adapter:NAME`, or `embedkit migrate COLLECTION --to adapter:NAME`.
    """
    from embedkit.adapters.files import ADAPTER, refuse_taken
    from embedkit_cli.output import emit
    from embedkit_connectors import open_source

    if name is not None and dry_run:
        raise click.UsageError("--dry-run keeps nothing: leave --name out")
    if pairs is not None and options["text"] is not None:
        raise click.UsageError("--pairs names the columns of the texts: leave --text out")
    named = None if name is None else ADAPTER.check_name(name)
    if source == "-":
        say_waiting()
    with Progress() as progress:
        opened = open_source(source)
        if not dry_run:
            named = named or _named_after(opened)
            refuse_taken(session.home, named, force=options["force"])
        rows, wishes = _read(opened, pairs, options, progress)
        learned = _learn(session, named, wishes, options, progress)
    for told in [] if rows is None else [*rows.set_aside(), *rows.notes]:
        say(told)
    value = {"name": named, "embedder": learned.model.spec, **learned.report.to_dict()}
    emit(session.format, value, lambda: describe(learned))
    _advise(session, learned)
    return 1 if rows is not None and rows.failed else 0


def _named_after(source: Source) -> str:
    stem = re.sub(r"[^\w.-]+", "-", source.stem).strip("-._")[:100].rstrip(".")
    return stem or "adapter"


def _read(
    source: Source, pairs: str | None, options: dict[str, Any], progress: Progress
) -> tuple[LabelledRows | None, dict[str, Any]]:
    """Return what there is to learn from, and of labelled rows what was left out."""
    if pairs is None:
        from embedkit.classification.labelled import read_labelled

        rows = read_labelled(
            source, text=options["text"], label=options["label"], progress=progress.show
        )
        return rows, {"texts": rows.texts, "labels": rows.labels}
    from embedkit.pairs.labels import read_labels

    left, comma, right = (part.strip() for part in pairs.partition(","))
    if not left or not comma or not right:
        raise click.UsageError(f"expected two columns, as text1,text2, got {pairs!r}")
    found = read_labels(source, (left, right), options["label"])
    if not found.left:
        raise click.UsageError(f"{source.label} has no pairs")
    return None, {
        "pairs": list(zip(found.left, found.right, strict=True)),
        "same": found.labels,
    }


def _learn(
    session: Session,
    name: str | None,
    wishes: dict[str, Any],
    options: dict[str, Any],
    progress: Progress,
) -> SavedAdapter:
    import embedkit

    if options["keep"] is not None:
        wishes["keep"] = options["keep"]
    if options["input_type"] is not None:
        wishes["input_type"] = options["input_type"]
    return embedkit.fit_adapter(
        **wishes,
        name=name,
        embedder=options["embedder"] or session.settings.embedder or "minilm",
        home=session.home,
        force=options["force"],
        progress=progress.show,
    )


def describe(learned: SavedAdapter) -> str:
    """Return what was learned, and whether it helps, as a person reads it."""
    from embedkit_cli.table import Column, render
    from embedkit_cli.text import clean, count

    report = learned.report
    name = click.style(clean(f"adapter:{learned.name}" if learned.name else "adapter"), bold=True)
    kind = "pair" if report.learned_from == "pairs" else "row"
    of = f" of {count(report.classes, 'label')}" if report.classes else ""
    lines = [
        f"{name}: learned on {clean(learned.model.spec)} from {count(report.rows, kind)}{of} in "
        f"{report.seconds:.1f} CPU s",
        *(f"  {clean(note)}" for note in report.notes),
    ]
    if not report.measures:
        return "\n".join(lines)
    measures = report.measures
    table = render(
        [
            Column("held out", [WORDS[one.name] for one in measures]),
            Column("before", [f"{one.before:.3f}" for one in measures], right=True),
            Column("after", [f"{one.after:.3f}" for one in measures], right=True),
            Column("change", [f"{one.difference.mean:+.3f}" for one in measures], right=True),
            Column(
                "95 % interval",
                [f"{one.difference.low:+.3f} to {one.difference.high:+.3f}" for one in measures],
            ),
        ]
    )
    verdict = {
        "yes": "it helps",
        "mixed": "it helps in one thing and hurts in another",
        "no": "it does not help, as far as can be told",
    }[report.helped]
    return "\n".join([*lines, "", table, "", f"{verdict}, by {report.held_out:,} {kind}s held out"])


def _advise(session: Session, learned: SavedAdapter) -> None:
    """Say what a person may want to do now."""
    report = learned.report
    if not report.measures:
        say("nothing was measured: compare searches with and without it before you rely on it")
    elif report.helped == "no":
        say("better not to use it: the model alone does as well")
    elif learned.name and session.format == "table":
        again = session.again("migrate", "COLLECTION", "--to", f"adapter:{learned.name}")
        say(f"to search by it: {again}")
