"""Recall and latency of an index, measured on the user's own vectors against exact search."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from embedkit.indexes import exact
from embedkit.indexes.geometry import plain, row_norms
from embedkit.validate import normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.indexes.rows import RowIndex
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Metric, Vectors

    Recalls: TypeAlias = NDArray[np.float64]
    """Share of the k nearest that were found, one a query, shape (n,)."""

K = 10
"""Neighbours that are compared."""
SINGLES = 100
"""Queries asked one by one for the latency."""
TIMED_SECONDS = 0.5
"""After so long no more are asked, five at least."""
WARM = 3
ROUNDING = np.float32(1e-6)
"""Relative error of a score that tells no two answers apart."""
LOOKED_AT = 256
"""Vectors of which one that differs is found, if one in fifty does."""
NEAR, FAR = 0.1, 0.6
"""How much of another vector is blended into one."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Queries and what their k-th nearest scores.

    Attributes
    ----------
    queries : float32 array, shape (n, dim)
    floors : float32 array, shape (n,)
        The score that belongs to the k nearest; rows that reach it are right answers, also where
        several vectors are equally near.
    """

    queries: Vectors
    floors: Vectors

    def __len__(self) -> int:
        return len(self.queries)

    def part(self, start: int, end: int) -> Questions:
        """Return some of them."""
        return Questions(self.queries[start:end], self.floors[start:end])

    def joined(self, more: Questions) -> Questions:
        """Return these and those."""
        return Questions(
            np.concatenate((self.queries, more.queries)),
            np.concatenate((self.floors, more.floors)),
        )


class Sampler:
    """Makes queries of a collection's own vectors, always others, and answers them exactly.

    A query is a vector drawn at random with some of another one blended in, so it lies where the
    vectors lie, is none of them, and has neighbours of two kinds. Its neighbours are harder to find
    than those of a vector left out or of a question about a document: 60,000 titles in a graph
    that is made for speed, recall 0.977 for blends of one half, 0.992 for other titles, 0.996 for
    abstracts as queries. Only queries that have nothing to do with the collection are harder.

    Parameters
    ----------
    vectors : float32 array or CodedMatrix, shape (n, dim)
    live : bool array, shape (n,)
        Which of them count.
    metric : "cosine" or "inner_product"
    seed : int
    k : int
        Neighbours that are compared.
    """

    how = "made of its own vectors, each with some of another blended in"

    def __init__(
        self, vectors: Matrix, live: Mask, metric: Metric, *, seed: int = 0, k: int = K
    ) -> None:
        self._vectors, self._live, self._metric = plain(vectors), live, metric
        self._rows = np.flatnonzero(live)
        self._random = np.random.default_rng((seed, len(self._rows)))
        self._k = k
        self._norms = row_norms(self._vectors, metric)

    @property
    def count(self) -> int:
        """Vectors that count."""
        return len(self._rows)

    @property
    def k(self) -> int:
        """How many neighbours count."""
        return min(self._k, len(self._rows))

    @property
    def alike(self) -> bool:
        """Whether all vectors looked at are one and the same, so that any answer is right."""
        seen = self._vectors[self._draw_rows(LOOKED_AT)]
        return bool(np.abs(seen - seen[0]).max() <= ROUNDING)

    def draw(self, n: int) -> Questions:
        """Return n new queries with the exact answers."""
        return self.answered(self.blends(n))

    def blends(self, n: int) -> Vectors:
        """Return n new queries, shape (n, dim)."""
        one = self._vectors[self._draw_rows(n)]
        other = self._vectors[self._draw_rows(n)]
        weights = self._random.uniform(NEAR, FAR, (n, 1)).astype(np.float32)
        queries = one + weights * other
        return normalize(queries) if self._metric == "cosine" else queries

    def answered(self, queries: Vectors) -> Questions:
        """Return given queries, shape (n, dim), with the exact answers."""
        mask = None if len(self._rows) == len(self._live) else self._live
        _, scores = exact.top_k(queries, self._vectors, self.k, mask=mask, norms=self._norms)
        floors = scores[:, -1]
        floors -= ROUNDING * np.abs(floors)
        return Questions(queries, floors)

    def recalls(self, index: RowIndex, questions: Questions) -> Recalls:
        """Return the share of the k nearest that an index finds, for each query, float64 (n,)."""
        found = index.search(questions.queries, self.k, measured=True).keys
        return self.share_right(questions, found)

    def share_right(self, questions: Questions, found: Keys) -> Recalls:
        """Return how many of the rows found belong to the k nearest, as a share of k, (n,)."""
        scores = exact.score_rows(questions.queries, self._vectors, found)
        right: Recalls = (scores >= questions.floors[:, np.newaxis]).sum(axis=1) / self.k
        return right

    def _draw_rows(self, n: int) -> Keys:
        return self._rows[self._random.integers(0, len(self._rows), n)]


@dataclass(frozen=True, slots=True)
class Latency:
    """How long single queries take, in milliseconds."""

    p50: float
    p95: float
    queries: int


def latency(
    index: RowIndex, queries: Vectors, k: int, singles: int = SINGLES, *, measured: bool = False
) -> Latency:
    """Ask queries one by one, for half a second at most, and say how long a query takes.

    Parameters
    ----------
    measured : bool
        Ask the index also where scoring all rows is quicker.
    """
    for query in queries[:WARM]:
        index.search(query[np.newaxis], k, measured=measured)
    taken: list[float] = []
    began = time.perf_counter()
    for query in queries[:singles]:
        start = time.perf_counter()
        index.search(query[np.newaxis], k, measured=measured)
        now = time.perf_counter()
        taken.append(1e3 * (now - start))
        if now - began > TIMED_SECONDS and len(taken) >= 5:
            break
    p50, p95 = np.percentile(taken, (50, 95))
    return Latency(float(p50), float(p95), len(taken))
