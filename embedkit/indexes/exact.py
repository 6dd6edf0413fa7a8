"""Exact nearest rows of a matrix, in bounded memory and independent of how the work is cut.

BLAS finds candidates block by block; its rounding depends on the shape of the block, so every
candidate is scored again one pair at a time in float64 and rounded once to float32. What BLAS
says is trusted only up to its rounding error, hence no true neighbour is lost to it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Vectors

BLOCK_VALUES = 2**22
"""Scores held at once, and values of gathered rows: 16 MiB of float32."""
RESCORE_VALUES = 2**20
"""Values of candidates held at once as float64: 8 MiB."""
QUERIES = 256
"""Queries that go through BLAS together."""
GATHER_SHARE = 0.25
"""Share of wanted rows in a block below which copying them beats reading the whole block."""
NO_ROW = np.iinfo(np.int64).max


def top_k(
    queries: Vectors,
    vectors: Matrix,
    k: int,
    *,
    rows: Keys | None = None,
    mask: Mask | None = None,
    norms: Vectors | None = None,
    ties: Keys | None = None,
) -> tuple[Keys, Vectors]:
    """Return the k rows of largest inner product with each query.

    Parameters
    ----------
    queries : float32 array, shape (n_queries, dim)
    vectors : float32 array or CodedMatrix, shape (n, dim); may be memory-mapped
    k : int, >= 1
    rows : int64 array, ascending, optional
        Only these rows count.
    mask : bool array, shape (n,), optional
        Only rows that are set count. Not together with ``rows``.
    norms : float32 array, shape (n,), optional
        Lengths of the rows; without them no row may be longer than 1 (plus rounding).
    ties : int64 array, shape (n,), optional
        Equal scores are ordered by this value of the row, not by its number.

    Returns
    -------
    rows : int64 array, shape (n_queries, m)
        m = min(k, rows that count); best first, equal scores by smaller row.
    scores : float32 array, shape (n_queries, m)
    """
    if mask is not None:
        wanted = int(np.count_nonzero(mask))
        if wanted < GATHER_SHARE * len(mask):
            rows, mask = np.flatnonzero(mask), None
    else:
        wanted = len(vectors) if rows is None else len(rows)
    m = min(k, wanted)
    if m == 0:
        return np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
    found = np.empty((len(queries), m), np.int64)
    scores = np.empty((len(queries), m), np.float32)
    for start in range(0, len(queries), QUERIES):
        part = queries[start : start + QUERIES]
        for i, near in enumerate(_propose(part, m, _Scan(vectors, rows, mask, norms))):
            names = near[np.newaxis]
            exact = score_rows(part[i : i + 1], vectors, names)
            found[start + i], scores[start + i] = (best[0] for best in order(names, exact, m, ties))
    return found, scores


def score_rows(queries: Vectors, vectors: Matrix, rows: Keys) -> Vectors:
    """Return the exact inner products of each query with its own rows.

    A score depends on its query and its row alone: not on the others asked for beside it.

    Parameters
    ----------
    queries : float32 array, shape (n_queries, dim)
    vectors : float32 array or CodedMatrix, shape (n, dim)
    rows : int64 array, shape (n_queries, m)
        -1 marks an empty cell.

    Returns
    -------
    float32 array, shape (n_queries, m); -inf in empty cells
    """
    scores = np.empty(rows.shape, np.float32)
    wide = max(1, RESCORE_VALUES // vectors.shape[1])
    high = max(1, wide // max(1, rows.shape[1]))
    for top in range(0, len(rows), high):
        lines = queries[top : top + high].astype(np.float64)
        for left in range(0, rows.shape[1], wide):
            cells = rows[top : top + high, left : left + wide]
            gathered = vectors[np.maximum(cells, 0)].astype(np.float64)
            # einsum sums along dim pair by pair; BLAS would block by the shape of the batch.
            scores[top : top + high, left : left + wide] = np.einsum("qmd,qd->qm", gathered, lines)
    if rows.size and rows.min() < 0:
        scores[rows < 0] = -np.inf
    return scores


def order(rows: Keys, scores: Vectors, k: int, ties: Keys | None = None) -> tuple[Keys, Vectors]:
    """Return the k best cells of each line, best first, equal scores by smaller row.

    Parameters
    ----------
    rows : int64 array, shape (n_queries, m)
        -1 marks an empty cell; those come last.
    scores : float32 array, shape (n_queries, m)
    ties : int64 array, shape (n,), optional
        Order equal scores by this value of the row instead.
    """
    names = np.where(rows < 0, NO_ROW, rows if ties is None else ties[rows])
    best = np.lexsort((names, -scores))[:, :k]
    return np.take_along_axis(rows, best, 1), np.take_along_axis(scores, best, 1)


class _Scan:
    """The rows that count, cut into blocks for BLAS."""

    def __init__(
        self, vectors: Matrix, rows: Keys | None, mask: Mask | None, norms: Vectors | None
    ) -> None:
        self.vectors = vectors
        self.mask = mask
        self.norms = norms
        self.first, self.last = 0, len(vectors)
        if rows is not None and rows[-1] - rows[0] == len(rows) - 1:
            self.first, self.last = int(rows[0]), int(rows[-1]) + 1
            rows = None
        self.rows = rows

    def blocks(self, n_queries: int) -> Iterator[tuple[Callable[[Keys], Keys], Vectors, Any, Any]]:
        """Yield how to name a block's rows, its vectors, its flags and its norms (or None)."""
        step = max(1024, BLOCK_VALUES // n_queries)
        if self.rows is not None or not isinstance(self.vectors, np.ndarray):
            # A block is then a copy, gathered or decoded, and not a view of the matrix.
            step = max(256, min(step, BLOCK_VALUES // self.vectors.shape[1]))
        if self.rows is not None:
            for start in range(0, len(self.rows), step):
                rows = self.rows[start : start + step]
                yield rows.__getitem__, self.vectors[rows], None, _part(self.norms, rows)
            return
        for start in range(self.first, self.last, step):
            part = slice(start, min(start + step, self.last))
            named = partial(np.add, start)
            yield named, self.vectors[part], _part(self.mask, part), _part(self.norms, part)


def _part(array: Any, part: Any) -> Any:
    return None if array is None else array[part]


def _propose(queries: Vectors, k: int, scan: _Scan) -> list[Keys]:
    """Return for each query the rows whose score may be among the k largest."""
    # Bound of the rounding error of a float32 sum of products in whatever order (Higham, Accuracy
    # and Stability of Numerical Algorithms, 2nd ed., section 3.1), doubled to cover our own sums.
    terms = queries.shape[1] + 8
    error = 2 * terms * 2.0**-24 * np.linalg.norm(queries.astype(np.float64), axis=1)
    pools = [_Pool(k) for _ in queries]
    for named, matrix, flags, norms in scan.blocks(len(queries)):
        scores = queries @ matrix.T
        for pool, line, slack in zip(pools, scores, error.tolist(), strict=True):
            pool.take(line, slack if norms is None else slack * norms, flags, named)
    return [pool.rows() for pool in pools]


class _Pool:
    """Candidates of one query, and the score that the k-th best surely reaches."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.floor = -np.inf
        self._sure = np.empty(0, np.float32)
        self._rows: list[Keys] = []
        self._reach: list[Vectors] = []

    def take(self, line: Vectors, slack: Any, flags: Any, named: Callable[[Keys], Keys]) -> None:
        first = self.floor == -np.inf
        if first:
            sure = line - slack
            self._raise_floor(sure if flags is None else sure[flags])
        # Nearly all of a block lies below the floor: one comparison, and the rest is few.
        likely = line >= self.floor - slack
        if flags is not None:
            likely &= flags
        at = np.flatnonzero(likely)
        line, slack = line[at], slack[at] if isinstance(slack, np.ndarray) else slack
        if not first:
            self._raise_floor(line - slack)
        self._rows.append(named(at))
        self._reach.append(line + slack)

    def _raise_floor(self, sure: Vectors) -> None:
        """Count scores that are surely reached; the floor is the k-th best of all so far."""
        sure = np.concatenate((self._sure, sure))
        if len(sure) >= self.k:
            cut = len(sure) - self.k
            sure = np.partition(sure, cut)[cut:]
            self.floor = float(sure[0])
        self._sure = sure

    def rows(self) -> Keys:
        """Return what is left in the end."""
        rows, reach = np.concatenate(self._rows), np.concatenate(self._reach)
        return rows[reach >= self.floor]
