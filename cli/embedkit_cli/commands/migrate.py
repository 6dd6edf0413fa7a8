"""``embedkit migrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.failure import InterruptedWorkError, say
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, complete_collection, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedkit.types import Estimate, KeptVectors, MigrationReport


@click.command(cls=Command, example='embedkit migrate questions --to "hashing?dim=512"')
@click.argument("name", required=False, shell_complete=complete_collection)
@click.option("--to", metavar="SPEC", help="The model to change to.")
@click.option("--back", is_flag=True, help="Change back to the model that was used before.")
@click.option("--drop-old", is_flag=True, help="Delete the vectors of the models not in use.")
@click.option("--queries", metavar="FILE", help="Compare the models by these queries.")
@click.option("--qrels", metavar="FILE", help="Judgements of them, TREC or CSV: adds nDCG@10.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--compare-only", is_flag=True, help="Embed and compare, but do not switch.")
@click.option("--max-texts", type=click.IntRange(min=0), help="Embed at most so many texts now.")
@click.option("--max-cost", type=Number(min=0), metavar="USD", help="Stop before it.")
@printing()
@pass_session
def migrate(
    session: Session,
    /,
    name: str | None,
    to: str | None,
    back: bool,
    drop_old: bool,
    queries: str | None,
    qrels: str | None,
    **options: Any,
) -> int:
    """Change the model of a collection, without a pause in searching.

    Every text is embedded by the new model, beside the old vectors; then the two are compared by
    the ten nearest records they find, and the collection switches. The old vectors stay until
    --drop-old. Stopped at any moment, the same command goes on where it stopped.
    """
    if (to is not None) + back + drop_old != 1:
        raise click.UsageError("say one of --to SPEC, --back and --drop-old")
    if drop_old and (
        queries or qrels or any(value not in (None, False) for value in options.values())
    ):
        raise click.UsageError("--drop-old takes no other options")
    if qrels and not queries:
        raise click.UsageError("--qrels needs the queries that were judged: --queries FILE")
    name = choose(session, name)
    if drop_old:
        return _drop(session, name)
    options["queries"], left_out = _read_queries(queries)
    options["qrels"] = _read_qrels(qrels)
    return max(left_out, _migrate(session, name, to, options))


def _migrate(session: Session, name: str, to: str | None, options: dict[str, Any]) -> int:
    import embedkit
    from embedkit_cli.output import emit

    try:
        with (
            embedkit.open(name, home=session.home) as collection,
            Progress("texts") as progress,
        ):
            options["progress"] = progress.show
            report = (
                collection.migrate_back(**options)
                if to is None
                else collection.migrate(to, **options)
            )
    except KeyboardInterrupt:
        raise InterruptedWorkError(
            "interrupted; what was embedded is kept: run the same command again to go on"
        ) from None
    emit(session.format, report.to_dict(), lambda: describe(report))
    _advise(session, report)
    return 1 if report.status == "failed" else 0


def _read_queries(path: str | None) -> tuple[dict[str, str] | None, int]:
    """Return the queries by id, and the exit code that rows without one ask for."""
    if path is None:
        return None, 0
    from embedkit_cli.many import read_asked

    return read_asked(path)


def _read_qrels(path: str | None) -> dict[str, dict[str, float]] | None:
    if path is None:
        return None
    from embedkit.evaluation.judgements import read_qrels

    return read_qrels(path)


def _drop(session: Session, name: str) -> int:
    import embedkit
    from embedkit_cli.output import emit

    with embedkit.open(name, home=session.home) as collection:
        dropped = collection.drop_old()
    rows = [
        {"embedder": kept.embedder, "vectors": kept.vectors, "bytes": kept.bytes}
        for kept in dropped
    ]
    if not dropped:
        say(f"{name} keeps no vectors but those in use")
    emit(session.format, rows, lambda: "\n".join(map(_dropped, dropped)))
    return 0


def _dropped(kept: KeptVectors) -> str:
    from embedkit_cli.text import clean, count, size

    return f"deleted {count(kept.vectors, 'vector')} of {clean(kept.embedder)}, {size(kept.bytes)}"


def describe(report: MigrationReport) -> str:
    """Return a report in a few lines."""
    from embedkit_cli.reports import cached, costs, planned_costs
    from embedkit_cli.text import clean, count

    name = click.style(clean(report.collection), bold=True)
    if not report.run and report.status != "planned":
        return "\n".join(map(clean, report.notes))
    texts = count(report.texts, "text")
    if report.status == "planned":
        lines = [
            f"{name}: {clean(report.old)} -> {clean(report.new)}; a dry run, nothing was written",
            f"  {texts}: {report.embedded:,} to embed, {report.reused:,} there already"
            + cached(report),
            *planned_costs(report),
        ]
    else:
        done = "switched" if report.switched else f"not switched, {report.status}"
        lines = [
            f"{name}: {clean(report.old)} -> {clean(report.new)}, {done}",
            f"  {texts}: {report.embedded:,} embedded, {report.reused:,} there already, "
            f"{report.failed:,} failed, {report.missing:,} missing{cached(report)}",
            *costs(report),
        ]
    lines += _measured(report)
    return "\n".join([*lines, *(f"  {clean(note)}" for note in report.notes)])


def _measured(report: MigrationReport) -> Sequence[str]:
    lines = []
    if report.overlap_at_10 is not None:
        mean = _estimate(report.overlap_at_10)
        lines.append(f"  of the ten nearest, both models share {mean}, by {report.compared}")
    if report.ndcg_at_10_old is not None and report.ndcg_at_10_new is not None:
        lines.append(f"  nDCG@10 was {_estimate(report.ndcg_at_10_old)}")
        lines.append(f"  nDCG@10 is  {_estimate(report.ndcg_at_10_new)}")
    return lines


def _estimate(value: Estimate) -> str:
    return f"{value.mean:.3f} ({value.low:.3f} to {value.high:.3f} at 95 %, n = {value.n:,})"


def _advise(session: Session, report: MigrationReport) -> None:
    from embedkit_cli.text import count

    name = report.collection
    if report.failed:
        listing = session.again("runs", "show", str(report.run), "-c", name)
        say(f"{name}: {count(report.failed, 'text')} failed; list them with: {listing}")
    if report.switched:
        back = session.again("migrate", name, "--back")
        drop = session.again("migrate", name, "--drop-old")
        say(f"the vectors of {report.old} are kept; go back with: {back}; delete them with: {drop}")
