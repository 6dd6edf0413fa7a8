"""All pairs of vectors above a threshold: exact, and in bounded memory.

Sketches (:mod:`embedkit.pairs.sketch`) of two blocks are multiplied, and what they let through is
scored as every index scores: pair by pair in float64, rounded once to float32. So the result is
that of comparing all with all, whatever the blocks, the sketches or the number of processors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.indexes.exact import score_rows
from embedkit.pairs.sketch import (
    CHECK_COST,
    plan_sketches,
    product_cost,
    rounding,
    sketches,
)
from embedkit.pairs.workers import workers

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Scores, Vectors

HIGH = 1024
WIDE = 2048
"""Sketches on either side of a matrix product: 8 MiB of bounds."""
SCORED = 2**13
"""Pairs whose vectors are held together: 24 MiB of float32 for 384 numbers each."""
LOOKED_AT = 2**17
"""Pairs whose places in a block are held together."""

Task = Callable[[], "Found"]


class Found(NamedTuple):
    """Some pairs: two positions each, the smaller first, and their score.

    Attributes
    ----------
    left, right : int64 array, shape (n,)
    scores : float32 array, shape (n,)
    """

    left: Keys
    right: Keys
    scores: Scores

    def take(self, which: Keys) -> Found:
        """Return some of the pairs, in the order given."""
        return Found(self.left[which], self.right[which], self.scores[which])


def together(parts: Iterable[Found]) -> Found:
    """Return all pairs of several finds."""
    listed = list(parts)
    if not listed:
        none = np.empty(0, np.int64)
        return Found(none, none, np.empty(0, np.float32))
    return Found(*(np.concatenate(column) for column in zip(*listed, strict=True)))


def check_threshold(threshold: float) -> float:
    """Return the least score of a pair: a cosine above 0 and at most 1.

    Raises
    ------
    InvalidInputError
    """
    number = isinstance(threshold, (int, float, np.number)) and not isinstance(threshold, bool)
    if not number or not 0 < threshold <= 1:
        raise InvalidInputError(
            f"expected threshold to be a cosine above 0 and at most 1, got {threshold!r}",
            do="0.9 finds near-duplicates, 0.7 texts on one subject",
        )
    return float(threshold)


class Join:
    """Finds pairs among some rows of a matrix.

    Positions count the rows that are joined, in the order given.

    Parameters
    ----------
    vectors : float32 array or CodedMatrix, shape (n, dim)
        Unit vectors; may be memory-mapped.
    rows : int64 array, optional
        The rows to join; all by default.
    threshold : float
        Least score of a pair.
    """

    def __init__(self, vectors: Matrix, rows: Keys | None, threshold: float) -> None:
        self.vectors = vectors
        self.rows = np.arange(len(vectors)) if rows is None else rows
        self.threshold = np.float32(check_threshold(threshold))
        self.labels: Keys | None = None
        """Pairs of one label are passed over: of a group, they tell nothing new."""
        self.progress: Progress | None = None
        self._plan = plan_sketches(vectors, self.rows, float(self.threshold))
        self.sketches = sketches(vectors, self.rows, self._plan)
        self._dense = product_cost(vectors.shape[1]) / CHECK_COST
        """Share of pairs let through from which a product of whole vectors is cheaper."""

    def raise_threshold(self, score: float) -> None:
        """Pass over what scores less from now on."""
        self.threshold = max(self.threshold, np.float32(score))

    @property
    def whole(self) -> bool:
        """Whether the sketches are the vectors themselves."""
        return self._plan.directions is None

    def __len__(self) -> int:
        return len(self.rows)

    def pairs(self) -> Iterator[Found]:
        """Yield all pairs, block by block; empty finds are left out."""
        n = len(self)
        total = sum(-(-(n - top) // WIDE) for top in range(0, n, HIGH))
        with workers() as run:
            for done, found in enumerate(run(self._blocks()), start=1):
                if self.progress is not None:
                    self.progress("comparing", n * done // total, n)
                if len(found.left):
                    yield found

    def _blocks(self) -> Iterator[Task]:
        positions = np.arange(len(self))
        for top in range(0, len(self), HIGH):
            high = slice(top, top + HIGH)
            for start in range(top, len(self), WIDE):
                wide = slice(start, start + WIDE)
                yield self.task(
                    positions[high], self.sketches[high], positions[wide], self.sketches[wide]
                )

    def task(self, left: Keys, a: Vectors, right: Keys, b: Vectors) -> Task:
        """Return what finds the pairs of two blocks, given by positions and sketches.

        Of positions that stand in both, each pair is found once.
        """
        return lambda: self._cross(left, a, right, b)

    def _cross(self, left: Keys, a: Vectors, right: Keys, b: Vectors) -> Found:
        labels = self.labels
        if labels is not None and _all_equal(labels[left], labels[right]):
            return together(())
        passed = self._passed(a @ b.T, a.shape[1])
        count = int(np.count_nonzero(passed))
        if not self.whole and count > self._dense * passed.size:
            # Scoring each of so many pairs would cost more than one product of whole vectors.
            whole = self.vectors[self.rows[left]] @ self.vectors[self.rows[right]].T
            passed = self._passed(whole, self.vectors.shape[1])
            del whole
            count = int(np.count_nonzero(passed))
        if labels is not None:
            joined = Joined(labels[left], labels[right])
            return self._scored(left, right, passed, count, joined)
        return self._scored(left, right, passed, count, None)

    def _passed(self, bounds: Vectors, terms: int) -> Mask:
        """Return which pairs may reach the threshold, by what bounds their score."""
        return np.greater_equal(bounds, np.float32(self.threshold - rounding(terms)))

    def _scored(
        self, left: Keys, right: Keys, passed: Mask, count: int, joined: Joined | None
    ) -> Found:
        """Score what passed, some lines at a time, so that little of it is held."""
        some = LOOKED_AT if joined is None else max(1, LOOKED_AT // 16)
        lines = max(1, some * len(left) // max(count, 1))
        parts = []

        def score(x: Keys, y: Keys) -> None:
            good = left[x] < right[y]
            if joined is not None:
                good &= joined.apart(x, y)
            x, y = x[good], y[good]
            reached, scores = self._reach(left[x], right[y])
            x, y = x[reached], y[reached]
            parts.append(Found(left[x], right[y], scores))
            if joined is not None and lines < len(left):
                joined.join(x, y)

        if joined is not None and lines < len(left):
            # One pair of each line joins the lines, where all are alike; then one line the columns.
            score(np.arange(len(left)), len(right) - 1 - passed[:, ::-1].argmax(axis=1))
        for top in range(0, len(left) if count else 0, lines):
            at = np.flatnonzero(passed[top : top + lines])
            score(top + at // len(right), at % len(right))
        return together(parts)

    def _reach(self, left: Keys, right: Keys) -> tuple[Keys, Scores]:
        """Return which of the pairs reach the threshold, and their cosines."""
        least = np.float32(self.threshold - rounding(self.vectors.shape[1]))
        reached, scores = [], []
        for start in range(0, len(left), SCORED):
            part = slice(start, start + SCORED)
            i, j = self.rows[left[part]], self.rows[right[part]]
            a, b = self.vectors[i], self.vectors[j]
            # Most fall short by far, which float32 tells for a fraction of the cost.
            near = np.flatnonzero(np.einsum("nd,nd->n", a, b) >= least)
            exact = self._exact(i[near], j[near])
            good = np.flatnonzero(exact >= self.threshold)
            reached.append(start + near[good])
            scores.append(exact[good])
        if not reached:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return np.concatenate(reached), np.concatenate(scores)

    def scores(self, left: Keys, right: Keys) -> Scores:
        """Return the cosines of pairs, shape (n,)."""
        out = np.empty(len(left), np.float32)
        for start in range(0, len(left), SCORED):
            part = slice(start, start + SCORED)
            out[part] = self._exact(self.rows[left[part]], self.rows[right[part]])
        return out

    def _exact(self, a: Keys, b: Keys) -> Scores:
        """Return the cosines of rows as every index has them."""
        found = score_rows(self.vectors[a], self.vectors, b[:, np.newaxis])[:, 0]
        # Rounding may give unit vectors a cosine beyond 1.
        return np.minimum(found, np.float32(1))


class Joined:
    """Which lines and columns of a block belong together already, as far as labels tell."""

    def __init__(self, lines: Keys, columns: Keys) -> None:
        self.lines = lines
        self.columns = columns

    def apart(self, lines: Keys, columns: Keys) -> Mask:
        """Return which of the pairs would bring something new."""
        return np.not_equal(self.lines[lines], self.columns[columns])

    def join(self, lines: Keys, columns: Keys) -> None:
        """Take in pairs that were found."""
        if not len(lines):
            return
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        both = np.concatenate((self.lines, self.columns))
        names, numbers = np.unique(both, return_inverse=True)
        edges = (numbers[lines], numbers[len(self.lines) + columns])
        graph = coo_array((np.ones(len(lines), np.bool_), edges), shape=(len(names),) * 2)
        group = connected_components(graph, directed=False)[1][numbers]
        self.lines, self.columns = group[: len(self.lines)], group[len(self.lines) :]


def _all_equal(one: Keys, other: Keys) -> bool:
    return bool((one == one[0]).all() and (other == one[0]).all())
