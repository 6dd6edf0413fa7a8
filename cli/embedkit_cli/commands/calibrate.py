"""``embedkit calibrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.failure import say
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.retrieval.calibration import Calibration

CHANCES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


@click.command(cls=Command, example="embedkit calibrate")
@collection_option
@click.option("--queries", metavar="FILE", help="CSV or JSON Lines with id and text.")
@click.option(
    "--qrels", metavar="FILE", help="Judgements: TREC, or CSV with query_id, doc_id, relevance."
)
@click.option("--dry-run", is_flag=True, help="Print what judgements tell; keep nothing.")
@click.option("--forget", is_flag=True, help="Delete what judgements told.")
@printing()
@pass_session
def calibrate(
    session: Session,
    /,
    collection: str | None,
    queries: str | None,
    qrels: str | None,
    dry_run: bool,
    forget: bool,
) -> int:
    """Show which score has which confidence, for --min-confidence; learn it from judgements.

    Without judgements the collection's own texts tell: how near unrelated queries come to it, and
    how near its records are to their relatives.
    """
    if (queries is None) != (qrels is None):
        raise click.UsageError("judgements need both: --queries FILE and --qrels FILE")
    if forget and (queries or dry_run):
        raise click.UsageError("--forget takes no other options")
    if dry_run and queries is None:
        raise click.UsageError("--dry-run is for --queries FILE and --qrels FILE")
    import embedkit
    from embedkit_cli.output import emit

    name = choose(session, collection)
    code = 0
    with embedkit.open(name, home=session.home) as opened:
        if queries is not None and qrels is not None:
            from embedkit.evaluation.judgements import read_qrels
            from embedkit_cli.many import read_asked

            asked, code = read_asked(queries)
            found = embedkit.calibrate(opened, asked, read_qrels(qrels), keep=not dry_run)
        else:
            if forget:
                from embedkit.retrieval.confidence import forget as forget_labels

                if not forget_labels(opened.path):
                    say(f"{name} was not calibrated by judgements: there is nothing to forget")
            found = opened.calibration()
    rows = [{"confidence": chance, "score": found.score(chance)} for chance in CHANCES]
    value: Any = {"collection": name, **found.to_dict(), "scores": rows}
    if session.format == "csv":
        value = rows
    emit(session.format, value, lambda: describe(name, found, kept=not dry_run))
    return code


def describe(name: str, found: Calibration, *, kept: bool) -> str:
    """Return a calibration as a person reads it."""
    from embedkit_cli.table import Column, render
    from embedkit_cli.text import clean, count

    measured = found.measured or {}
    heading = click.style(clean(name), bold=True)
    if found.kind == "corpus":
        lines = [
            f"{heading}: confidence from its own {count(found.n, 'text')}, without judgements",
            f"  unrelated queries reach {measured['unrelated']:.3f}, "
            f"related texts {measured['related']:.3f}",
        ]
    else:
        told = "" if kept else "; a dry run, it is not kept"
        lines = [
            f"{heading}: confidence from {count(found.n, 'judged hit')}, "
            f"{measured.get('share', 0):.0%} relevant{told}"
        ]
        if "auroc" in measured:
            lines.append(
                f"  on queries left out: AUROC {measured['auroc']:.3f}, "
                f"Brier score {measured['brier']:.3f}"
            )
    table = render(
        [
            Column("confidence", [f"{chance:.2f}" for chance in CHANCES], right=True),
            Column("score", [f"{found.score(chance):.3f}" for chance in CHANCES], right=True),
        ]
    )
    return "\n".join([*lines, "", table])
