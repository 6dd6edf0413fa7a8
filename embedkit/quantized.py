"""Vectors kept small: as 8-bit integers or single bits, decoded where they are read.

A service may deliver vectors quantised, 4 or 32 times smaller than float32. What was delivered, the
*codes*, is what a store keeps. Whoever computes with it reads a :class:`CodedMatrix`, which decodes
the rows that are asked for; a float32 matrix stays the plain array that it is. A query is never
quantised: its full precision is worth having where the vectors are coarse.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from embedkit.errors import DimensionMismatchError, InvalidInputError
from embedkit.types import PRECISIONS, Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Codes, Keys, Vectors

DTYPES: dict[Precision, type[np.generic]] = {
    "float32": np.float32,
    "int8": np.int8,
    "binary": np.uint8,
}
_EXACT_DIM = 1024
"""Up to this width a sum of squares of 8-bit integers is exact in float32, in whatever order."""


def precision_of(embedder: Any) -> Precision:
    """Return the precision that an embedder declares; one that declares none has float32.

    Raises
    ------
    InvalidInputError
        It declares one that there is not.
    """
    return check_precision(getattr(embedder, "precision", "float32"))


def check_precision(precision: Any) -> Precision:
    """Return the precision, or refuse it."""
    for known in PRECISIONS:
        if known == precision:
            return known
    raise InvalidInputError(
        f"expected precision to be one of {', '.join(PRECISIONS)}, got {precision!r}"
    )


def row_width(precision: Precision, dim: int) -> int:
    """Return how many items hold a vector of that width: numbers, or bytes of eight bits each.

    Raises
    ------
    InvalidInputError
        Bits do not fill whole bytes.
    """
    if precision != "binary":
        return dim
    if dim % 8:
        raise InvalidInputError(f"expected a width of whole bytes for binary vectors, got {dim}")
    return dim // 8


def row_bytes(precision: Precision, dim: int) -> int:
    """Return how many bytes hold a vector of that width."""
    return row_width(precision, dim) * np.dtype(DTYPES[precision]).itemsize


def check_codes(codes: Any, precision: Precision, dim: int, n: int, *, what: str = "codes") -> Any:
    """Return codes as a C-contiguous array of n rows, or refuse them.

    Raises
    ------
    DimensionMismatchError
        They are missing, of another type, or of another shape.
    """
    wanted, dtype = (n, row_width(precision, dim)), np.dtype(DTYPES[precision])
    array = None if codes is None else np.asarray(codes)
    if array is None or array.dtype != dtype or array.shape != wanted:
        got = "none" if array is None else f"{array.dtype} of shape {array.shape}"
        raise DimensionMismatchError(
            f"expected {what} as {dtype} of shape {wanted} for {precision} vectors, got {got}"
        )
    return np.ascontiguousarray(array)


def decode(codes: Codes, precision: Precision, dim: int) -> Vectors:
    """Return the vectors that codes stand for.

    A row depends on its own code alone, to the last bit.

    Parameters
    ----------
    codes : array, shape (..., dim) int8, or (..., dim / 8) uint8
        Packed bits have the first component in the highest bit; 1 stands for +1, 0 for -1.
    precision : {"float32", "int8", "binary"}
        ``float32`` returns what it is given.
    dim : int
        Width of the vectors.

    Returns
    -------
    float32 array, shape (..., dim)
        Of length 1, except that 8-bit integers that are all zero stay zero.
    """
    if precision == "float32":
        return codes  # type: ignore[return-value]
    if precision == "binary":
        signs: Vectors = np.take(_signs(dim), codes, axis=0)
        return signs.reshape(*codes.shape[:-1], dim)
    vectors: Vectors = codes.astype(np.float32)
    wide = np.float32 if dim <= _EXACT_DIM else np.float64
    squares = np.einsum("...d,...d->...", vectors, vectors, dtype=wide)
    vectors *= (1 / np.sqrt(np.maximum(squares, 1)))[..., np.newaxis].astype(np.float32)
    return vectors


@functools.lru_cache(maxsize=8)
def _signs(dim: int) -> Vectors:
    """Return the eight components that each byte stands for, shape (256, 8)."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1)
    length = np.float32(1 / np.sqrt(dim))
    return np.where(bits, length, -length).astype(np.float32)


def encode(vectors: Vectors, precision: Precision) -> NDArray[Any]:
    """Return the codes of float32 vectors, shape (n, dim), for vectors that came without any.

    Each row is scaled so that its largest component becomes 127; of bits only the sign is kept.
    Decoding takes the scale away again.
    """
    if precision == "float32":
        return np.ascontiguousarray(vectors, np.float32)
    row_width(precision, vectors.shape[1])
    if precision == "binary":
        bits: NDArray[Any] = np.packbits(vectors > 0, axis=1)
        return bits
    largest = np.abs(vectors).max(axis=1, initial=0, keepdims=True)
    numbers: NDArray[Any] = np.rint(vectors * (127 / np.where(largest > 0, largest, 1)))
    return numbers.astype(np.int8)


class CodedMatrix:
    """A matrix of codes that reads like the float32 matrix that they stand for.

    Slices and integer arrays give float32 vectors; nothing is decoded that is not asked for.

    Parameters
    ----------
    codes : array, shape (n, dim) int8, or (n, dim / 8) uint8
        May be memory-mapped.
    precision : {"int8", "binary"}
    dim : int
    rows : int64 array, optional
        Only these rows, in this order.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(
        self, codes: Codes, precision: Precision, dim: int, rows: Keys | None = None
    ) -> None:
        # Slices of np.memmap are slow.
        self._codes: Any = codes.view(np.ndarray)
        self._rows = rows
        self.precision = precision
        self.shape = (len(codes) if rows is None else len(rows), dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Keys) -> Vectors:
        named = rows if self._rows is None else self._rows[rows]
        return decode(self._codes[named], self.precision, self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Vectors:
        return np.asarray(self[:], dtype)

    def subset(self, rows: Keys) -> CodedMatrix:
        """Return some of the rows, still coded."""
        named = rows if self._rows is None else self._rows[rows]
        return CodedMatrix(self._codes, self.precision, self.shape[1], named)


Matrix: TypeAlias = "Vectors | CodedMatrix"
"""Vectors to compute with, shape (n, dim): float32, or decoded to it where they are read."""


def matrix(stored: NDArray[Any], precision: Precision, dim: int) -> Matrix:
    """Return stored rows as vectors: the array itself where it is float32."""
    return stored if precision == "float32" else CodedMatrix(stored, precision, dim)
