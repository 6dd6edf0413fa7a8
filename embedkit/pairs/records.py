"""Pairs of records out of pairs of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from embedkit.pairs.clusters import Linkage, clusters, scores_with
from embedkit.pairs.join import Found, Join
from embedkit.pairs.order import best, best_first, positions
from embedkit.types import Member, Pair

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress
    from embedkit.quantized import Matrix
    from embedkit.store.view import View
    from embedkit.types import Keys, Scores

FETCHED = 2000
"""Pairs whose texts are held together."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Records by their vector. Those of equal text have one and the same, and are a group.

    A record that is cut into passages has the mean of theirs.

    Attributes
    ----------
    matrix : float32 array or CodedMatrix, shape (n, dim)
    rows : int64 array, shape (n_groups,)
        The vector of each group, in the order of their first records.
    seqs : int64 array, shape (n_records,)
        Number of each record, ascending.
    of : int64 array, shape (n_records,)
        The group of each record.
    firsts : int64 array, shape (n_groups,)
        Number of the first record of each group.
    """

    matrix: Matrix
    rows: Keys
    seqs: Keys
    of: Keys
    firsts: Keys

    def stars(self) -> Found:
        """Return each further record of a group with the first of it, by their numbers."""
        first = self.firsts[self.of]
        other = np.flatnonzero(first != self.seqs)
        other = other[np.lexsort((self.seqs[other], first[other]))]
        return Found(first[other], self.seqs[other], np.ones(len(other), np.float32))


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
    matrix: Matrix = view.vectors.matrix
    if view.passages is not None:
        rows, matrix = view.passages.means(matrix, seqs, rows)
    distinct, first, of = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Groups(matrix, distinct[order], seqs, place[of], seqs[first[order]])


def record_pairs(
    view: View,
    *,
    threshold: float,
    where: str | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Pair]:
    """Yield the pairs of records, best first; see :meth:`embedkit.Collection.pairs`.

    Everything that can be refused is refused before this returns.
    """
    groups = read_groups(view, where)
    join = Join(groups.matrix, groups.rows, threshold)
    join.progress = progress
    found = _numbered(groups, join, limit)
    return islice((pair for part in found for pair in _read(view, part)), limit)


def _numbered(groups: Groups, join: Join, limit: int | None) -> Iterator[Found]:
    """Yield pairs of record numbers: those of one vector, then those of near ones."""
    stars = groups.stars()
    yield stars
    ordered = best_first(join.pairs())
    if limit is not None:
        left_over = limit - len(stars.left)
        ordered = iter([best(join, left_over)] if left_over > 0 else [])
    for found in ordered:
        yield Found(groups.firsts[found.left], groups.firsts[found.right], found.scores)


def _read(view: View, found: Found) -> Iterator[Pair]:
    for start in range(0, len(found.left), FETCHED):
        part = found.take(np.arange(start, min(start + FETCHED, len(found.left))))
        texts = read_texts(view, positions(part))
        for left, right, score in zip(*(column.tolist() for column in part), strict=True):
            (id1, text1), (id2, text2) = texts[left], texts[right]
            yield Pair(id1, id2, text1, text2, score, exact=text1 == text2)


def cluster_members(
    view: View,
    *,
    threshold: float,
    linkage: Linkage,
    where: str | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Member]:
    """Yield the records of each cluster; see :meth:`embedkit.Collection.clusters`."""
    groups = read_groups(view, where)
    join = Join(groups.matrix, groups.rows, threshold)
    join.progress = progress
    firsts = clusters(join, linkage)
    scores = scores_with(join, firsts)
    cluster = firsts[groups.of]
    sizes = np.bincount(cluster, minlength=len(firsts))
    # The largest first, those of one size in the order of their first records.
    ranked = np.lexsort((np.arange(len(sizes)), -sizes))
    ranked = ranked[sizes[ranked] > 1][:limit]
    rank = np.full(len(sizes), -1)
    rank[ranked] = np.arange(len(ranked))
    members = np.flatnonzero(rank[cluster] >= 0)
    members = members[np.lexsort((groups.seqs[members], rank[cluster[members]]))]
    return _read_members(view, groups, cluster, rank, sizes, scores, members)


def _read_members(
    view: View, groups: Groups, cluster: Keys, rank: Keys, sizes: Keys, scores: Scores, at: Keys
) -> Iterator[Member]:
    kept = ""
    for start in range(0, len(at), FETCHED):
        part = at[start : start + FETCHED]
        texts = read_texts(view, groups.seqs[part])
        for record in part.tolist():
            seq, named = int(groups.seqs[record]), int(cluster[record])
            id, text = texts[seq]
            first = seq == int(groups.firsts[named])
            if first:
                kept = text
            yield Member(
                cluster=int(rank[named]) + 1,
                size=int(sizes[named]),
                id=id,
                text=text,
                score=float(scores[groups.of[record]]),
                exact=text == kept,
                first=first,
            )


def read_texts(view: View, seqs: Keys) -> dict[int, tuple[str, str]]:
    """Return id and text of records by their number."""
    found = view.query(
        "SELECT seq, id, text FROM records WHERE seq IN (SELECT unnest(?::BIGINT[]))",
        [seqs.tolist()],
    )
    return {seq: (id, text) for seq, id, text in found}
