"""``embedkit pairs``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from embedkit_cli.choose import choose
from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import Decorated, Number, collection_option, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session
from embedkit_cli.text import count

if TYPE_CHECKING:
    import embedkit
    from embedkit.pairs.calibrate import Calibration

T = TypeVar("T")


def telling(command: Decorated) -> Decorated:
    """Add the options that say what a near-duplicate is."""
    for option in reversed(
        (
            click.option(
                "--threshold",
                type=Number(0, 1, min_open=True),
                help="Least cosine of a pair.  [default: 0.9]",
            ),
            click.option(
                "--calibrate",
                metavar="FILE",
                help="Learn the threshold from labelled pairs: text1, text2 (or id1, id2), label.",
            ),
            click.option(
                "--precision",
                type=Number(0, 1, min_open=True, max_open=True),
                help="Share of true duplicates that --calibrate is to hold.  [default: 0.95]",
            ),
            click.option("--clusters", is_flag=True, help="Put the pairs together into clusters."),
            click.option(
                "--linkage",
                type=click.Choice(["single", "leader"]),
                help="What makes a cluster: a chain of pairs, or being near its first."
                "  [default: single]",
            ),
        )
    ):
        command = option(command)
    return command


@click.command(cls=Command, example="embedkit pairs --threshold 0.7 --limit 20")
@click.argument("source", metavar="[SOURCE]", required=False)
@collection_option
@telling
@click.option("--limit", type=click.IntRange(min=1), help="Pairs, or clusters, to show at most.")
@click.option("--where", metavar="SQL", help="Filter over the record's columns: \"lang = 'en'\".")
@click.option("--text", metavar="COLUMN", help="Of SOURCE: column to compare.")
@click.option("--id", "id_column", metavar="COLUMN", help="Of SOURCE: what identifies a record.")
@click.option("--embedder", metavar="SPEC", help="What embeds SOURCE.  [default: minilm]")
@printing()
@pass_session
def pairs(
    session: Session,
    source: str | None,
    collection: str | None,
    threshold: float | None,
    calibrate: str | None,
    precision: float | None,
    clusters: bool,
    linkage: str | None,
    limit: int | None,
    where: str | None,
    text: str | None,
    id_column: str | None,
    embedder: str | None,
) -> int:
    """Find records of much the same text, the most alike first.

    Looks in a collection or, where SOURCE is given, in a file or folder. Every pair of records is
    as good as compared: none above the threshold is missed. Records of equal text are each paired
    with the first of them, and only that one with others.

    A cluster is what a chain of pairs holds together, the largest first; the ends of a long chain
    may have little in common. With --linkage leader every member is near the first of its cluster.

    What it prints as CSV, with a column label of 1 and 0 added by a person, is what --calibrate
    reads; each pair then has the probability that it is a duplicate.
    """
    of_source = {"--text": text, "--id": id_column, "--embedder": embedder}
    _check(source, collection, of_source)
    _check_wishes(threshold, calibrate, precision, linkage, clusters=clusters)
    columns = {"text": text, "id": id_column}
    with _opened(session, source, collection, embedder, columns) as (opened, failed):
        least = _threshold(opened, threshold, calibrate, precision)
        wanted: dict[str, Any] = {"where": where, "limit": limit}
        if clusters:
            wanted["linkage"] = linkage or "single"
        if not _print(session.format, opened, least, wanted, clusters=clusters):
            cosine = least if isinstance(least, float) else least.threshold
            say(f"no two records have a cosine of {cosine:g} or more")
    return 1 if failed else 0


def _print(
    form: str,
    opened: embedkit.Collection,
    least: float | Calibration,
    wanted: dict[str, Any],
    *,
    clusters: bool,
) -> int:
    """Print the pairs or clusters and return how many rows there were."""
    from embedkit_cli.duplicates import print_members, print_pairs

    with Progress("records") as progress:
        if clusters:
            members = _begun(opened.clusters(least, progress=progress.show, **wanted))
        else:
            found = _begun(opened.pairs(least, progress=progress.show, **wanted))
    if clusters:
        return print_members(form, members)
    return print_pairs(form, found, calibrated=not isinstance(least, float))


def _begun(items: Iterable[T]) -> Iterator[T]:
    """Return the same items with the first found already, as all are by then."""
    rest = iter(items)
    return chain(list(islice(rest, 1)), rest)


def _check(source: str | None, collection: str | None, of_source: dict[str, str | None]) -> None:
    if source is not None and collection is not None:
        raise click.UsageError("expected SOURCE or a collection with -c, got both")
    given = [name for name, value in of_source.items() if value is not None]
    if source is None and given:
        raise click.UsageError(f"{given[0]} is for SOURCE: a collection has its own")


def _check_wishes(
    threshold: float | None,
    calibrate: str | None,
    precision: float | None,
    linkage: str | None,
    *,
    clusters: bool,
) -> None:
    if threshold is not None and calibrate is not None:
        raise click.UsageError("--threshold and --calibrate exclude each other")
    if precision is not None and calibrate is None:
        raise click.UsageError("--precision is for --calibrate FILE: give both")
    if linkage is not None and not clusters:
        raise click.UsageError("--linkage is for --clusters: give both")


@contextmanager
def _opened(
    session: Session,
    source: str | None,
    collection: str | None,
    embedder: str | None,
    columns: dict[str, str | None],
) -> Iterator[tuple[embedkit.Collection, int]]:
    """Give the collection to look in, and how many rows of a source could not be read."""
    import embedkit

    if source is None:
        with embedkit.open(choose(session, collection), home=session.home) as opened:
            yield opened, 0
        return
    from embedkit.pairs.temporary import collection_of

    if source == "-":
        say_waiting()
    spec = embedder or session.settings.embedder or "minilm"
    with ExitStack() as stack:
        with Progress() as progress:
            made = collection_of(
                source, embedder=spec, home=session.home, progress=progress.show, **columns
            )
            opened, report = stack.enter_context(made)
        if report.failed:
            say(f"{report.source}: {count(report.failed, 'row')} could not be read and left out")
        yield opened, report.failed


def _threshold(
    opened: embedkit.Collection,
    threshold: float | None,
    calibrate: str | None,
    precision: float | None,
) -> float | Calibration:
    from embedkit_cli.duplicates import PRECISION, THRESHOLD, describe_calibration

    if calibrate is None:
        return threshold or THRESHOLD
    found = opened.calibrate_pairs(calibrate, precision=precision or PRECISION)
    say(describe_calibration(found))
    return found
