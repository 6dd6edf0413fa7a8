"""Groups of near-duplicates out of pairs, in two ways.

*Single* linkage puts two vectors together wherever a chain of pairs leads from one to the other.
Such a chain may be long, and its ends need not be alike at all. *Leader* clustering goes through
the vectors in order: each joins the nearest of the leaders before it that is within the threshold,
and becomes a leader itself where there is none. So every member is a near-duplicate of its leader,
and no two leaders are of each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.pairs.join import HIGH, WIDE, Found, Join, Task, together
from embedkit.pairs.workers import workers

if TYPE_CHECKING:
    from embedkit.types import Keys, Scores, Vectors

Linkage = Literal["single", "leader"]
LINKAGES: tuple[Linkage, ...] = ("single", "leader")
MERGED = 2**20
"""Pairs that are merged into the groups together."""


def check_linkage(linkage: str) -> Linkage:
    """Return the linkage, or refuse it."""
    for known in LINKAGES:
        if known == linkage:
            return known
    raise InvalidInputError(f"expected linkage to be single or leader, got {linkage!r}")


def clusters(join: Join, linkage: Linkage) -> Keys:
    """Return for each position the first position of its cluster, shape (n,).

    The join is used up by it.
    """
    return components(join) if linkage == "single" else leaders(join)[0]


def components(join: Join) -> Keys:
    """Return for each position the smallest that a chain of pairs leads to, shape (n,)."""
    n = len(join)
    join.labels = labels = np.arange(n)
    waiting: list[Found] = []
    count = 0
    for found in join.pairs():
        waiting.append(found)
        count += len(found.left)
        # Merging looks at all positions, so it waits for a good many pairs.
        if count >= max(MERGED, n):
            join.labels = labels = _merged(labels, together(waiting))
            waiting, count = [], 0
    return _merged(labels, together(waiting))


def _merged(labels: Keys, found: Found) -> Keys:
    """Return the groups after some pairs more, each named by its smallest position."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(labels)
    if not len(found.left):
        return labels
    left, right = labels[found.left], labels[found.right]
    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(n, n))
    group = connected_components(graph, directed=False)[1][labels]
    _, first, place = np.unique(group, return_index=True, return_inverse=True)
    return np.asarray(first[place], np.int64)


def leaders(join: Join) -> tuple[Keys, Scores]:
    """Return the leader of each position and the cosine with it.

    Returns
    -------
    leader : int64 array, shape (n,)
        A leader is its own.
    scores : float32 array, shape (n,)
        1 for a leader.
    """
    n = len(join)
    leader, scores = np.arange(n), np.ones(n, np.float32)
    kept = np.empty(n, np.int64)
    count = 0
    with workers() as run:
        for top in range(0, n, HIGH):
            block = np.arange(top, min(top + HIGH, n))
            own = join.sketches[top : top + HIGH].copy()
            found = together(run(_before(join, kept[:count], block, own)))
            # Of its own, only those can lead that nobody leads yet.
            free = np.setdiff1d(block, found.right)
            within = together(run([join.task(free, own[free - top], block, own)]))
            settled = _settle(block, together([found, within]))
            leader[settled.right], scores[settled.right] = settled.left, settled.scores
            new = block[leader[block] == block]
            # Sketches of leaders move to the front, over those that are not needed any more.
            join.sketches[count : count + len(new)] = join.sketches[new]
            kept[count : count + len(new)] = new
            count += len(new)
            if join.progress is not None:
                join.progress("comparing", int(block[-1]) + 1, n)
    return leader, scores


def _before(join: Join, kept: Keys, block: Keys, own: Vectors) -> Iterator[Task]:
    """Yield what finds the pairs of a block with the leaders before it."""
    for start in range(0, len(kept), WIDE):
        part = slice(start, min(start + WIDE, len(kept)))
        yield join.task(kept[part], join.sketches[part], block, own)


def _settle(block: Keys, found: Found) -> Found:
    """Return (leader, member, score) of those in a block that get one, in their order."""
    start = int(block[0])
    order = np.lexsort((found.left, -found.scores, found.right))
    left, right, scores = found.take(order)
    is_leader = np.ones(len(block), np.bool_)
    chosen = []
    edges = np.flatnonzero(np.diff(right, prepend=-1, append=-1))
    for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        before = left[first:end]
        inside = before >= start
        usable = ~inside
        usable[inside] = is_leader[before[inside] - start]
        if usable.any():
            chosen.append(first + int(np.argmax(usable)))
            is_leader[int(right[first]) - start] = False
    at = np.array(chosen, np.int64)
    return Found(left[at], right[at], scores[at])


def scores_with(join: Join, firsts: Keys) -> Scores:
    """Return the cosine of each position with the first of its cluster, shape (n,)."""
    out = np.ones(len(firsts), np.float32)
    others = np.flatnonzero(firsts != np.arange(len(firsts)))
    out[others] = join.scores(firsts[others], others)
    return out
