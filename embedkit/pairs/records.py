"""Pairs of records out of pairs of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from embedkit.pairs.join import Found, Join
from embedkit.pairs.order import best, best_first, positions
from embedkit.types import Pair

if TYPE_CHECKING:
    from embedkit.store.view import View
    from embedkit.types import Keys

FETCHED = 2000
"""Pairs whose texts are held together."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Records by their vector. Those of equal text have one and the same, and are a group.

    Attributes
    ----------
    rows : int64 array, shape (n_groups,)
        The vector of each group, in the order of their first records.
    firsts : int64 array, shape (n_groups,)
        Number of the first record of each group.
    others : int64 array, shape (n_others, 2)
        Number of each further record and, before it, that of the first of its group.
    """

    rows: Keys
    firsts: Keys
    others: Keys


def read_groups(view: View, where: str | None) -> Groups:
    """Group the records, or those that a condition lets through.

    Raises
    ------
    FilterError
    """
    if where is not None:
        matches = view.filter(where)
        order = np.argsort(matches.seqs, kind="stable")
        seqs, rows = matches.seqs[order], matches.rows[order]
    else:
        listed = view.cursor.execute("SELECT seq, row FROM records ORDER BY seq").fetchnumpy()
        seqs, rows = np.asarray(listed["seq"], np.int64), np.asarray(listed["row"], np.int64)
    distinct, first, group = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    other = np.ones(len(seqs), np.bool_)
    other[first] = False
    others = np.stack((seqs[first[group[other]]], seqs[other]), axis=1)
    return Groups(distinct[order], seqs[first[order]], others[np.lexsort(others.T[::-1])])


def record_pairs(
    view: View, *, threshold: float, where: str | None = None, limit: int | None = None
) -> Iterator[Pair]:
    """Yield the pairs of records, best first; see :meth:`embedkit.Collection.pairs`.

    Everything that can be refused is refused before this returns.
    """
    groups = read_groups(view, where)
    join = Join(view.vectors.matrix, groups.rows, threshold)
    found = _numbered(groups, join, limit)
    return islice((pair for part in found for pair in _read(view, part)), limit)


def _numbered(groups: Groups, join: Join, limit: int | None) -> Iterator[Found]:
    """Yield pairs of record numbers: those of one vector, then those of near ones."""
    left, right = groups.others.T
    yield Found(left, right, np.ones(len(left), np.float32))
    ordered = best_first(join.pairs())
    if limit is not None:
        left_over = limit - len(left)
        ordered = iter([best(join.pairs(), left_over)] if left_over > 0 else [])
    for found in ordered:
        yield Found(groups.firsts[found.left], groups.firsts[found.right], found.scores)


def _read(view: View, found: Found) -> Iterator[Pair]:
    for start in range(0, len(found.left), FETCHED):
        part = found.take(np.arange(start, min(start + FETCHED, len(found.left))))
        texts = read_texts(view, positions(part))
        for left, right, score in zip(*(column.tolist() for column in part), strict=True):
            (id1, text1), (id2, text2) = texts[left], texts[right]
            yield Pair(id1, id2, text1, text2, score, exact=text1 == text2)


def read_texts(view: View, seqs: Keys) -> dict[int, tuple[str, str]]:
    """Return id and text of records by their number."""
    found = view.query(
        "SELECT seq, id, text FROM records WHERE seq IN (SELECT unnest(?::BIGINT[]))",
        [seqs.tolist()],
    )
    return {seq: (id, text) for seq, id, text in found}
