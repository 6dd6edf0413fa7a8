"""``embedkit pairs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.pairs.clusters import Linkage


@click.command(cls=Command, example="embedkit pairs --threshold 0.7 --limit 20")
@collection_option
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    help="Least cosine of a pair.  [default: 0.9]",
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
    """
    import embedkit
    from embedkit_cli.duplicates import THRESHOLD, print_members, print_pairs
    from embedkit_cli.failure import say

    if linkage is not None and not clusters:
        raise click.UsageError("--linkage is for --clusters: give both")
    name = choose(session, collection)
    least = threshold or THRESHOLD
    with embedkit.open(name, home=session.home) as opened:
        if clusters:
            kind: Linkage = "leader" if linkage == "leader" else "single"
            members = opened.clusters(least, linkage=kind, where=where, limit=limit)
            count = print_members(session.format, members)
        else:
            count = print_pairs(session.format, opened.pairs(least, where=where, limit=limit))
        if not count:
            say(f"no two records have a cosine of {least:g} or more")
    return 0
