"""``embedkit evaluate index``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embedkit_cli.choose import choose
from embedkit_cli.commands.evaluate_search import check_floors, read_floors
from embedkit_cli.failure import say
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.evaluation.index_recall import IndexEvaluation


@click.command(cls=Command, example="embedkit evaluate index --plot indexes.png")
@collection_option
@click.option(
    "--index",
    "indexes",
    multiple=True,
    metavar="SPEC",
    help="Measure this one; may be repeated.  [default: all installed]",
)
@click.option(
    "-k", type=click.IntRange(min=1), default=10, help="Neighbours to compare.  [default: 10]"
)
@click.option("--queries", metavar="FILE", help="Ask these, from a CSV or JSON Lines with text.")
@click.option(
    "--sample",
    type=click.IntRange(min=20),
    help="Without --queries: how many to make of the vectors.  [default: 500]",
)
@click.option("--plot", metavar="FILE", help="Draw recall against speed: .png, .svg or .pdf.")
@click.option(
    "--min",
    "floors",
    multiple=True,
    metavar="recall=VALUE",
    help="Exit with 1 where the index in use finds less.",
)
@printing()
@pass_session
def index(
    session: Session,
    collection: str | None,
    indexes: tuple[str, ...],
    k: int,
    queries: str | None,
    sample: int | None,
    plot: str | None,
    floors: tuple[str, ...],
) -> int:
    """Measure recall and speed of each index on your own vectors, against exact search.

    The index in use comes first, as it is; then each index that is installed is built beside it, in
    memory, and measured at several settings. Graphs of 100,000 vectors take half a minute each.
    """
    import embedkit
    from embedkit.evaluation.index_plot import check_plot
    from embedkit.evaluation.index_recall import QUERIES
    from embedkit_cli.many import read_asked
    from embedkit_cli.progress import Progress

    least = read_floors(floors)
    for name in least:
        if name not in ("recall", f"recall@{k}"):
            raise click.UsageError(f"expected --min recall=VALUE, got the name {name!r}")
    if queries is not None and sample is not None:
        raise click.UsageError("--sample is for measuring without --queries")
    if plot is not None:
        check_plot(plot)
    asked, left_out = read_asked(queries) if queries is not None else (None, 0)
    name = choose(session, collection)
    with embedkit.open(name, home=session.home) as opened, Progress("settings") as progress:
        found = embedkit.evaluate_index(
            opened,
            indexes or None,
            k=k,
            queries=None if asked is None else list(asked.values()),
            n=sample or QUERIES,
            progress=progress.show,
        )
    _print(session.format, found)
    for spec, why in found.left_out.items():
        say(f"{spec} was left out: {why}")
    if plot is not None:
        _draw(found, plot)
    recall = found.in_use.recall
    return max(check_floors({"recall": recall, f"recall@{found.k}": recall}, least), left_out)


def _draw(found: IndexEvaluation, path: str) -> None:
    from embedkit.evaluation.index_plot import plot

    plot(found, path)
    say(f"drew {path}")


def _print(form: str, found: IndexEvaluation) -> None:
    from embedkit_cli.output import emit

    value = found.to_dict()
    if form == "csv":
        emit(form, value["points"], str)
    else:
        emit(form, value, lambda: _table(found))


def _table(found: IndexEvaluation) -> str:
    from embedkit_cli.table import Column, render, terminal_width
    from embedkit_cli.text import size

    points = found.points
    table = render(
        [
            Column("", ["in use" if p.in_use else "*" if p.frontier else "" for p in points]),
            Column("index", [point.index for point in points], widest=24),
            Column("setting", [point.tuned for point in points], widest=18),
            Column(f"recall@{found.k}", [f"{point.recall:.4f}" for point in points], right=True),
            Column(
                "interval",
                [f"{point.low:.4f}-{point.high:.4f}" for point in points],
                optional=True,
            ),
            Column("p50 ms", [f"{point.p50:.2f}" for point in points], right=True),
            Column("p95 ms", [f"{point.p95:.2f}" for point in points], right=True),
            Column("per s", [f"{point.queries_per_second:,.0f}" for point in points], right=True),
            Column(
                "build s",
                [
                    "" if point.build_seconds is None else f"{point.build_seconds:.1f}"
                    for point in points
                ],
                right=True,
            ),
            Column("size", [size(point.bytes) for point in points], right=True),
        ]
    )
    import textwrap

    about = (
        f"{found.collection}: {found.rows:,} vectors of {found.dim} dimensions; {found.how}. "
        "* nothing else measured finds more and is quicker."
    )
    return f"{table}\n\n" + "\n".join(textwrap.wrap(about, terminal_width()))
