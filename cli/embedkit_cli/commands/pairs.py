"""``embedkit pairs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.pairs.calibrate import Calibration
    from embedkit.pairs.clusters import Linkage


@click.command(cls=Command, example="embedkit pairs --threshold 0.7 --limit 20")
@collection_option
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    help="Least cosine of a pair.  [default: 0.9]",
)
@click.option(
    "--calibrate",
    metavar="FILE",
    help="Learn the threshold from labelled pairs: text1, text2 (or id1, id2), label.",
)
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of true duplicates that --calibrate is to hold.  [default: 0.95]",
)
@click.option("--clusters", is_flag=True, help="Put them together into clusters.")
@click.option(
    "--linkage",
    type=click.Choice(["single", "leader"]),
    help="What makes a cluster: a chain of pairs, or being near its first.  [default: single]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Pairs, or clusters, to show at most.")
@click.option("--where", metavar="SQL", help="Filter over the record's columns: \"lang = 'en'\".")
@printing()
@pass_session
def pairs(
    session: Session,
    collection: str | None,
    threshold: float | None,
    calibrate: str | None,
    precision: float | None,
    clusters: bool,
    linkage: str | None,
    limit: int | None,
    where: str | None,
) -> int:
    """Find records of much the same text, the most alike first.

    Every pair of records is as good as compared: none above the threshold is missed. Records of
    equal text are each paired with the first of them, and only that one with others.

    A cluster is what a chain of pairs holds together, the largest first; the ends of a long chain
    may have little in common. With --linkage leader every member is near the first of its cluster.

    What it prints as CSV, with a column label of 1 and 0 added by a person, is what --calibrate
    reads; each pair then has the probability that it is a duplicate.
    """
    import embedkit
    from embedkit_cli.duplicates import (
        PRECISION,
        THRESHOLD,
        describe_calibration,
        print_members,
        print_pairs,
    )
    from embedkit_cli.failure import say

    if linkage is not None and not clusters:
        raise click.UsageError("--linkage is for --clusters: give both")
    if threshold is not None and calibrate is not None:
        raise click.UsageError("--threshold and --calibrate exclude each other")
    if precision is not None and calibrate is None:
        raise click.UsageError("--precision is for --calibrate FILE: give both")
    name = choose(session, collection)
    least: float | Calibration = threshold or THRESHOLD
    with embedkit.open(name, home=session.home) as opened:
        if calibrate is not None:
            least = opened.calibrate_pairs(calibrate, precision=precision or PRECISION)
            say(describe_calibration(least))
        if clusters:
            kind: Linkage = "leader" if linkage == "leader" else "single"
            members = opened.clusters(least, linkage=kind, where=where, limit=limit)
            count = print_members(session.format, members)
        else:
            found = opened.pairs(least, where=where, limit=limit)
            count = print_pairs(session.format, found, calibrated=calibrate is not None)
        if not count:
            shown = least if isinstance(least, float) else least.threshold
            say(f"no two records have a cosine of {shown:g} or more")
    return 0
