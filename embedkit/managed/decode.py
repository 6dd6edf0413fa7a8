"""What is in an answer, checked: as many vectors as texts, of one width, finite; the bill."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pybase64

from embedkit.managed.service import BadAnswerError

if TYPE_CHECKING:
    from embedkit.types import Vectors

_MOST_BILLED = 2**40
"""Far more tokens than a request has, and few enough that the ledger can add them up."""


def decode_floats(rows: Any, n: int, dim: int | None) -> Vectors:
    """Return the vectors of an answer, shape (n, dim), float32, as delivered.

    Parameters
    ----------
    rows : sequence
        Of each text: base64 of little-endian float32, or a list of numbers.
    dim : int or None
        None takes the width of the first.

    Raises
    ------
    BadAnswerError
    """
    listed = _counted(rows, n)
    if listed and isinstance(listed[0], str):
        vectors = _decode_base64(listed)
    else:
        vectors = _array(listed, np.float32)
    _check_width(vectors, n, dim)
    if not np.isfinite(vectors).all():
        raise BadAnswerError("a vector in its answer is not finite")
    if not vectors.any(axis=1).all():
        raise BadAnswerError("a vector in its answer is zero")
    return vectors


def count_billed(number: Any) -> int | None:
    """Return the tokens that an answer says are billed; None where what it says is no count."""
    counts = isinstance(number, (int, float)) and not isinstance(number, bool)
    return int(number) if counts and 0 <= number <= _MOST_BILLED else None


def _counted(rows: Any, n: int) -> list[Any]:
    if not isinstance(rows, (list, tuple)):
        raise BadAnswerError("its answer holds no vectors")
    if len(rows) != n:
        raise BadAnswerError(f"its answer holds {len(rows):,} vectors for {n:,} texts")
    return list(rows)


def _decode_base64(rows: Sequence[str]) -> Vectors:
    try:
        parts = [pybase64.b64decode(row, validate=True) for row in rows]
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadAnswerError("a vector in its answer cannot be decoded") from error
    if len({len(part) for part in parts}) != 1 or len(parts[0]) % 4:
        raise BadAnswerError("the vectors in its answer differ in width")
    joined = np.frombuffer(b"".join(parts), "<f4").reshape(len(parts), -1)
    return joined.astype(np.float32, copy=False)


def _array(rows: list[Any], kind: type[np.generic]) -> Any:
    try:
        with np.errstate(over="ignore"):  # what overflows is not finite
            array = np.asarray(rows, dtype=kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadAnswerError("the vectors in its answer are not rows of numbers") from error
    return array


def _check_width(array: Any, n: int, dim: int | None) -> None:
    if array.ndim != 2 or len(array) != n or not array.shape[1]:
        raise BadAnswerError("the vectors in its answer are not rows of numbers")
    if dim is not None and array.shape[1] != dim:
        raise BadAnswerError(f"its answer holds vectors of width {array.shape[1]}, not {dim}")
