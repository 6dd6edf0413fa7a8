"""How near-duplicates are printed: as they come, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from embedkit_cli.output import csv_line, to_json, write
from embedkit_cli.table import GAP, Column, render, terminal_width
from embedkit_cli.text import count, width

if TYPE_CHECKING:
    from embedkit.pairs.calibrate import Calibration
    from embedkit.types import DedupeReport, Member, Pair

THRESHOLD = 0.9
PRECISION = 0.95
PAGE = 200
"""Rows of a table that are laid out together."""
WIDEST_ID = 16
MEMBER = ("cluster", "size", "first", "id", "score", "exact", "text")
PAIR = ("id1", "id2", "score", "exact", "text1", "text2")

T = TypeVar("T")


def print_pairs(form: str, pairs: Iterable[Pair], *, calibrated: bool = False) -> int:
    """Print pairs and return how many there were."""
    counted = _Counted(pairs)
    if form == "table":
        write(_pages(counted, pairs_table), cleaned=True)
    else:
        columns = (*PAIR, "probability") if calibrated else PAIR
        write(lines(form, map(_pair_row, counted), columns))
    return counted.count


def _pair_row(pair: Pair) -> dict[str, Any]:
    row = pair.to_dict()
    return {name: row.pop(name) for name in PAIR[:4]} | row


def pairs_table(pairs: Sequence[Pair]) -> str:
    """Return pairs as a table: score, ids, and the two texts side by side."""
    ids = [[getattr(pair, name) for pair in pairs] for name in ("id1", "id2")]
    sure = [f"{pair.probability:.3f}" for pair in pairs if pair.probability is not None]
    half = _half([*(max(map(width, listed)) for listed in ids), *(11 for _ in sure[:1])])
    return render(
        [
            Column("cosine", [_score(pair.score, exact=pair.exact) for pair in pairs], right=True),
            *([Column("probability", sure, right=True)] if sure else []),
            Column("id1", ids[0], widest=WIDEST_ID),
            Column("id2", ids[1], widest=WIDEST_ID),
            Column("text1", [pair.text1 for pair in pairs], widest=half),
            Column("text2", [pair.text2 for pair in pairs], stretch=True),
        ]
    )


def print_members(form: str, members: Iterable[Member]) -> int:
    """Print the records of clusters and return how many there were."""
    counted = _Counted(members)
    if form == "table":
        write(_pages(counted, members_table), cleaned=True)
    else:
        write(lines(form, map(_member_row, counted), MEMBER))
    return counted.count


def _member_row(member: Member) -> dict[str, Any]:
    row = member.to_dict()
    return {name: row[name] for name in MEMBER}


def members_table(members: Sequence[Member]) -> str:
    """Return records of clusters as a table, the number of a cluster beside its first."""
    return render(
        [
            Column("cluster", [m.cluster if m.first else "" for m in members], right=True),
            Column("size", [m.size if m.first else "" for m in members], right=True),
            Column("cosine", [_like_first(member) for member in members], right=True),
            Column("id", [member.id for member in members], widest=WIDEST_ID),
            Column("text", [member.text for member in members], stretch=True),
        ]
    )


def _like_first(member: Member) -> str:
    return "first" if member.first else _score(member.score, exact=member.exact)


def _half(others: Sequence[int]) -> int:
    """Return what each of two texts may take beside the score and columns of these widths."""
    taken = len("cosine") + sum(min(max(wide, 3), WIDEST_ID) + GAP for wide in others) + 2 * GAP
    return max(8, (terminal_width() - taken) // 2)


def _score(score: float, *, exact: bool) -> str:
    return "equal" if exact else f"{score:.4f}"


def describe_calibration(found: Calibration) -> str:
    """Say which threshold was learned, and how good it is."""
    return (
        f"threshold {found.threshold:.4f}, learned from {count(found.pairs, 'labelled pair')} of"
        f" which {found.duplicates:,} are duplicates\n"
        f"measured on pairs it had not seen: precision {found.precision:.3f}"
        f" (95 % interval {found.low:.3f} to {found.high:.3f}), recall {found.recall:.3f},"
        f" F1 {found.f1:.3f}\n"
        "this holds where duplicates are as frequent as among the labelled pairs"
    )


def describe_dedupe(done: DedupeReport) -> str:
    """Say what was kept and dropped."""
    of = "equal text" if done.threshold is None else f"equal text, {done.near:,} near-duplicates"
    told = [
        f"{done.source}: kept {done.kept:,} of {count(done.rows, 'row')};"
        f" dropped {done.equal:,} of {of}"
    ]
    if done.threshold is not None:
        told[0] += f" (cosine {done.threshold:g} or more)"
    if done.blank:
        told.append(f"{count(done.blank, 'row')} without a text kept as they are")
    if done.failed:
        first = done.rejects[0]
        told.append(
            f"{count(done.failed, 'row')} could not be read and left out; the first is line"
            f" {first.line}: {first.reason}"
        )
    return "\n".join([*told, *done.notes])


def lines(form: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    """Yield rows in a format as they come; none is kept."""
    if form == "csv":
        yield csv_line(columns)
        for row in rows:
            yield csv_line([row.get(column) for column in columns])
    elif form == "jsonl":
        for row in rows:
            yield to_json(row) + "\n"
    else:
        before = "[\n"
        for row in rows:
            yield before + to_json(row)
            before = ",\n"
        yield "[]\n" if before == "[\n" else "\n]\n"


def _pages(rows: Iterable[T], table: Callable[[Sequence[T]], str]) -> Iterator[str]:
    """Yield tables of a page each, so that the first is there before the last was found."""
    rest = iter(rows)
    while page := list(islice(rest, PAGE)):
        yield table(page) + "\n"


class _Counted(Iterable[T]):
    def __init__(self, items: Iterable[T]) -> None:
        self.count = 0
        self._items = items

    def __iter__(self) -> Iterator[T]:
        for item in self._items:
            self.count += 1
            yield item
