"""Python values as Arrow arrays, by way of their buffers.

``pyarrow.array`` would do the same, but on its first call with a list it imports pandas wherever
that is installed, which costs more than reading a small file does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa

STRING = pa.string()
TIMESTAMP = pa.timestamp("us")
_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)


def strings(values: Sequence[str | None]) -> pa.Array:
    """Return texts as a string array.

    Raises
    ------
    UnicodeEncodeError
        A text that holds half a surrogate pair.
    OverflowError
        More than 2 GiB of text.
    """
    validity, texts = None, values
    if None in values:
        validity = _bits([value is not None for value in values])
        texts = ["" if value is None else value for value in values]
    data: bytes | str = "".join(texts)  # type: ignore[arg-type]
    lengths: Sequence[Any] = texts
    if data.isascii():
        data = data.encode("ascii")  # type: ignore[union-attr]
    else:
        lengths = [text.encode() for text in texts]  # type: ignore[union-attr]
        data = b"".join(lengths)
    if len(data) >= 2**31:
        raise OverflowError("more than 2 GiB of text in one batch")
    offsets = np.fromiter(
        accumulate(chain((0,), map(len, lengths))), dtype=np.int32, count=len(values) + 1
    )
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(STRING, len(values), buffers)


def booleans(values: Sequence[bool | None]) -> pa.Array:
    """Return truth values as a bool array."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [_validity(values), _bits(values)])


def integers(values: Sequence[int | None]) -> pa.Array:
    """Return whole numbers as an int64 array; OverflowError where one does not fit."""
    return _fixed(values, pa.int64(), np.int64)


def floats(values: Sequence[float | int | None]) -> pa.Array:
    """Return numbers as a float64 array; NaN becomes null."""
    values = [None if value is None or value != value else value for value in values]
    return _fixed(values, pa.float64(), np.float64)


def dates(values: Sequence[date | None]) -> pa.Array:
    """Return days as a date32 array."""
    return _fixed(values, pa.date32(), np.int32, lambda day: day.toordinal() - _EPOCH_DAY)


def timestamps(values: Sequence[datetime | None]) -> pa.Array:
    """Return times without a zone as a timestamp[us] array."""
    return _fixed(values, TIMESTAMP, np.int64, lambda time: (time - _EPOCH) // _MICROSECOND)


def _fixed(
    values: Sequence[Any],
    kind: pa.DataType,
    width: type[np.generic],
    number: Callable[[Any], int] | None = None,
) -> pa.Array:
    numbers: Any = values
    if number is not None:
        numbers = [0 if value is None else number(value) for value in values]
    elif None in values:
        numbers = [0 if value is None else value for value in values]
    data = np.fromiter(numbers, dtype=width, count=len(values))
    return pa.Array.from_buffers(kind, len(values), [_validity(values), pa.py_buffer(data)])


def _validity(values: Sequence[Any]) -> pa.Buffer | None:
    return _bits([value is not None for value in values]) if None in values else None


def _bits(flags: Sequence[Any]) -> pa.Buffer:
    packed = np.packbits(np.fromiter(map(bool, flags), np.bool_, len(flags)), bitorder="little")
    return pa.py_buffer(packed)
