"""What lengths mean for an index: the norms of rows, and inner products as angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.quantized import CodedMatrix
from embedkit.types import Metric
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Vectors

LARGEST = 1e15
"""Values beyond, multiplied, would leave the range of float32."""
_BLOCK_ROWS = 2**14


def check_lengths(vectors: Vectors, what: str) -> None:
    """Refuse values whose products would leave the range of float32."""
    if vectors.size and float(np.abs(vectors).max()) > LARGEST:
        raise InvalidInputError(f"expected {what} of values up to {LARGEST:.0e} for inner products")


def plain(vectors: Any) -> Matrix:
    """Return the matrix as a plain array: slices of np.memmap are slow. A coded one stays so."""
    if isinstance(vectors, CodedMatrix):
        return vectors
    matrix: Vectors = np.asarray(vectors).view(np.ndarray)
    if matrix.ndim != 2 or matrix.dtype != np.float32:
        raise InvalidInputError(
            f"expected vectors as a float32 matrix, got {matrix.dtype} of shape {matrix.shape}"
        )
    return matrix


def row_norms(vectors: Matrix, metric: Metric) -> Vectors | None:
    """Return the lengths of the rows, shape (n,); None for the cosine, where all are 1."""
    if metric == "cosine":
        return None
    norms = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        norms[start : start + _BLOCK_ROWS] = np.sqrt(np.einsum("nd,nd->n", block, block))
    return norms


def unit_dim(dim: int, metric: Metric) -> int:
    """Return the width of the unit vectors that a backend sees."""
    return dim if metric == "cosine" else dim + 1


def unit_rows(matrix: Matrix, rows: Keys, norms: Vectors | None) -> Matrix:
    """Return the rows as unit vectors whose angles to a query order them as the metric does.

    Those of a coded matrix stay coded where they are unit vectors already.

    For inner products every vector gets one more dimension that fills it up to the length of the
    longest, so that the nearest by angle is the one of largest inner product (Bachrach et al.,
    "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product
    spaces", RecSys 2014, section 3.1); queries get a zero there.
    """
    whole = len(rows) == len(matrix)
    if norms is None and isinstance(matrix, CodedMatrix):
        return matrix if whole else matrix.subset(rows)
    base = matrix[:] if whole else matrix[rows]
    if norms is None:
        return base
    lengths = norms if whole else norms[rows]
    longest = float(lengths.max()) or 1.0
    unit = np.empty((len(base), base.shape[1] + 1), np.float32)
    np.divide(base, longest, out=unit[:, :-1])
    unit[:, -1] = np.sqrt(np.maximum(0, 1 - (lengths / longest) ** 2))
    return unit


def unit_queries(queries: Vectors, metric: Metric) -> Vectors:
    """Return the queries as the unit vectors that go with ``unit_rows``.

    For the cosine they are unit vectors already.
    """
    return queries if metric == "cosine" else np.pad(normalize(queries), ((0, 0), (0, 1)))
