"""turbovec: a scan over vectors quantised to 2 or 4 bits a dimension (TurboQuant).

Its own scores are rough, so it proposes several times the candidates that are asked for; the
caller scores those exactly. How many is decided by each query: until the worst proposal lies so
far below the last one needed that rounding can hardly have swapped them. Filters are passed down
as a mask. Searching releases the GIL and is safe from several threads.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import turbovec

from embedkit.errors import InvalidInputError
from embedkit.indexes.base import BaseBackend

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Vectors

FILE = "codes.tv"
NOISE = "noise.json"
WIDTH = 8
"""turbovec wants a dimension that is a multiple of this; zeros fill it up."""
SAMPLE = 4096
"""Rows that the calibration is fitted on."""
CHUNK = 65536
POOL = 50
"""Candidates proposed at least, by default."""
WIDER = 4
MOST = 2048
"""Candidates beyond which a pool is not widened: scoring them costs more than it finds."""
SAFE = 3.0
"""Standard deviations of the scores' error between the last needed and the worst proposal. While a
pool is chosen, the rough score of the last needed has to do; it is too high where many rows have
nearly the same score, so the caller compares the exact one with ``propose``'s limit."""


class TurbovecBackend(BaseBackend):
    """Quantised scan.

    Parameters
    ----------
    bits : 2, 3 or 4
        Bits a dimension.
    pool : int
        Candidates proposed at least.
    """

    name: ClassVar[str] = "turbovec"
    takes_mask: bool = True
    # The pool is half as many again. The library's heap is quick up to that size: 2.2 ms for 2,000
    # of 100,000 rows, but 1.5 s for 4,500.
    deepest: int | None = MOST * 2 // 3
    tail_share: float = 0.02
    reads_blocks: bool = True
    knob: str = "pool"
    steps: tuple[float, ...] = (15, 25, 50, 100, 200, 400, 800, 1600)

    def __init__(self, *, bits: int = 4, pool: int = POOL) -> None:
        if bits not in (2, 3, 4):
            raise InvalidInputError(f"turbovec: expected bits to be 2, 3 or 4, got {bits}")
        self._check_at_least("pool", pool, 1)
        self.bits = bits
        self.pool = pool

    def build(self, vectors: Matrix) -> None:
        """Quantise the vectors."""
        rows = len(vectors)
        chosen = np.random.default_rng(0).choice(rows, min(rows, SAMPLE), replace=False)
        sample = _pad(vectors[np.sort(chosen)])
        self._index = self._empty(sample)
        for start in range(0, rows, CHUNK):
            self._index.add(_pad(vectors[start : start + CHUNK]))
        self._index.prepare()
        self._noise = self._measure_noise(sample)

    def _empty(self, sample: Vectors) -> Any:
        """Return an index without rows, calibrated on a sample of those to come."""
        index = turbovec.TurboQuantIndex(sample.shape[1], self.bits)
        # Where all vectors are alike there is nothing to calibrate, and the library refuses.
        with contextlib.suppress(ValueError):
            index.calibrate(sample)
        return index

    def _measure_noise(self, sample: Vectors) -> float:
        """Return the standard deviation of the quantised scores' error."""
        index = self._empty(sample)
        index.add(sample[:512])
        rough, rows = index.search(sample[:64], len(index))
        exact = np.take_along_axis(sample[:64] @ sample[:512].T, rows, 1)
        return float(np.std(rough - exact))

    def candidates(self, queries: Vectors, n: int, mask: Mask | None = None) -> Keys:
        """Propose positions, many enough to hold the n nearest."""
        return self.propose(queries, n, mask)[0]

    def propose(
        self, queries: Vectors, n: int, mask: Mask | None = None
    ) -> tuple[Keys, Vectors | None]:
        """Propose positions, and the score that what is not proposed hardly reaches."""
        return self._pool(_pad(queries), n, max(self.pool, n + n // 2), mask)

    def _pool(self, filled: Vectors, n: int, size: int, mask: Mask | None) -> tuple[Keys, Vectors]:
        if mask is None:
            scores, found = self._index.search(filled, size)
        else:
            scores, found = self._index.search(filled, size, mask=mask)
        found = np.asarray(found, np.int64)
        if found.shape[1] < size:
            return found, np.full(len(found), -np.inf, np.float32)
        limits = scores[:, -1] + np.float32(SAFE * self._noise)
        close = scores[:, n - 1] < limits
        if size >= MOST or not close.any():
            return found, limits
        more, limits[close] = self._pool(filled[close], n, min(MOST, WIDER * size), mask)
        wider = np.full((len(found), more.shape[1]), -1, np.int64)
        wider[:, :size] = found
        wider[close] = more
        return wider, limits

    def save(self, folder: Path) -> None:
        """Write the codes, and how rough they are."""
        self._index.write(str(folder / FILE), durable=False)
        (folder / NOISE).write_text(json.dumps(self._noise), encoding="utf-8")

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Read what ``save`` wrote."""
        self._index = turbovec.TurboQuantIndex.load(str(folder / FILE))
        self._index.prepare()
        self._noise = float(json.loads((folder / NOISE).read_text(encoding="utf-8")))


def _padded(dim: int) -> int:
    return -(-dim // WIDTH) * WIDTH


def _pad(vectors: Vectors) -> Vectors:
    """Return the vectors, C-contiguous, filled up with zeros to a width turbovec takes."""
    missing = _padded(vectors.shape[1]) - vectors.shape[1]
    if missing:
        return np.pad(vectors, ((0, 0), (0, missing)))
    return np.ascontiguousarray(vectors)
