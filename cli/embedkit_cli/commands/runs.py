"""``embedkit runs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import LazyGroup
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.types import RunInfo


@click.group(cls=LazyGroup, invoke_without_command=True, example="embedkit runs")
@collection_option
@printing()
@pass_session
@click.pass_context
def runs(ctx: click.Context, session: Session, collection: str | None) -> int | None:
    """What earlier runs did; alone, it lists them, the newest first."""
    ctx.meta["embedkit.collection"] = collection
    return None if ctx.invoked_subcommand else _list(session, collection)


@runs.command("list", short_help="List the runs, the newest first.", example="embedkit runs list")
@collection_option
@printing()
@pass_session
@click.pass_context
def list_(ctx: click.Context, session: Session, collection: str | None) -> int:
    """List the runs of a collection, the newest first."""
    return _list(session, collection or ctx.meta["embedkit.collection"])


@runs.command(short_help="Show one run, and each row that failed.", example="embedkit runs show 1")
@click.argument("number", type=click.IntRange(min=1), required=False)
@collection_option
@printing()
@pass_session
@click.pass_context
def show(ctx: click.Context, session: Session, number: int | None, collection: str | None) -> int:
    """Show the run NUMBER (the last one, if left out), with each row that failed and why."""
    import embedkit
    from embedkit.errors import RecordNotFoundError
    from embedkit_cli.output import emit
    from embedkit_cli.reports import describe_run

    name = choose(session, collection or ctx.meta["embedkit.collection"])
    with embedkit.open(name, home=session.home) as opened:
        if number is None:
            last = opened.runs()[:1]
            if not last:
                raise RecordNotFoundError(f"{name} has no runs yet")
            number = last[0].run
        run = opened.run(number)
    if session.format == "csv":
        failures = run.to_dict()["failures"]
        emit("csv", failures, str)
    else:
        emit(session.format, run.to_dict(), lambda: describe_run(run))
    return 0


def _list(session: Session, collection: str | None) -> int:
    import embedkit
    from embedkit_cli.output import emit

    with embedkit.open(choose(session, collection), home=session.home) as opened:
        found = opened.runs()
    rows = [run.to_dict() for run in found]
    for row in rows:
        # The failures of a run are listed by `runs show` alone.
        del row["failures"]
    if session.format == "csv":
        rows = [{**row, **row.pop("counts")} for row in rows]
    emit(session.format, rows, lambda: _table(found))
    return 0


def _table(found: list[RunInfo]) -> str:
    from embedkit_cli.table import Column, render

    if not found:
        return ""
    counts = [
        Column(
            kind,
            [run.counts.get(kind, 0) for run in found],
            right=True,
            optional=kind not in ("new", "failed"),
        )
        for kind in ("new", "changed", "unchanged", "removed", "failed")
    ]
    return render(
        [
            Column("run", [run.run for run in found], right=True),
            Column("started (UTC)", [f"{run.started:%Y-%m-%d %H:%M}" for run in found]),
            Column("status", [run.status for run in found]),
            *counts,
            Column("source", [run.source for run in found], stretch=True, comfortable=20),
        ]
    )
