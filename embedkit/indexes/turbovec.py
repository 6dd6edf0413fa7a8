"""turbovec: a scan over vectors quantised to 2 or 4 bits a dimension (TurboQuant).

Its own scores are rough, so it proposes several times the candidates that are asked for; the
caller scores those exactly. Filters are passed down as a mask. Searching releases the GIL and is
safe from several threads.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import turbovec

from embedkit.errors import InvalidInputError
from embedkit.indexes.base import BaseBackend

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask, Vectors

FILE = "codes.tv"
WIDTH = 8
"""turbovec wants a dimension that is a multiple of this; zeros fill it up."""
SAMPLE = 4096
"""Rows that the calibration is fitted on."""


class TurbovecBackend(BaseBackend):
    """Quantised scan.

    Parameters
    ----------
    bits : 2, 3 or 4
        Bits a dimension.
    """

    name: ClassVar[str] = "turbovec"
    takes_mask: ClassVar[bool] = True
    tail_share: ClassVar[float] = 0.02

    def __init__(self, *, bits: int = 4) -> None:
        if bits not in (2, 3, 4):
            raise InvalidInputError(f"turbovec: expected bits to be 2, 3 or 4, got {bits}")
        self.bits = bits

    def build(self, vectors: Vectors) -> None:
        """Quantise the vectors."""
        rows, dim = vectors.shape
        index = turbovec.TurboQuantIndex(_padded(dim), self.bits)
        sample = np.random.default_rng(0).choice(rows, min(rows, SAMPLE), replace=False)
        # Where all vectors are alike there is nothing to calibrate, and the library refuses.
        with contextlib.suppress(ValueError):
            index.calibrate(_pad(vectors[np.sort(sample)]))
        for start in range(0, rows, 65536):
            index.add(_pad(vectors[start : start + 65536]))
        index.prepare()
        self._index = index

    def candidates(self, queries: Vectors, n: int, mask: Mask | None = None) -> Keys:
        """Propose about five times n positions, at least 50."""
        wanted = max(50, n + 40, int(1.5 * n))
        if mask is None:
            positions = self._index.search(_pad(queries), wanted)[1]
        else:
            positions = self._index.search(_pad(queries), wanted, mask=mask)[1]
        found: Keys = positions
        return found

    def save(self, folder: Path) -> None:
        """Write the codes."""
        self._index.write(str(folder / FILE), durable=False)

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Read the codes."""
        self._index = turbovec.TurboQuantIndex.load(str(folder / FILE))
        self._index.prepare()


def _padded(dim: int) -> int:
    return -(-dim // WIDTH) * WIDTH


def _pad(vectors: Vectors) -> Vectors:
    """Return the vectors, C-contiguous, filled up with zeros to a width turbovec takes."""
    missing = _padded(vectors.shape[1]) - vectors.shape[1]
    if missing:
        return np.pad(vectors, ((0, 0), (0, missing)))
    return np.ascontiguousarray(vectors)
