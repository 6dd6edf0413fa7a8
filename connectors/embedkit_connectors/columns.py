"""Whatever values come in, columns of the plain types come out.

The plain types are bool, int64, float64, string, date32 and timestamp[us] (UTC, without a zone);
nested values are JSON text, marked in the field's metadata. What no plain type holds exactly
(whole numbers beyond 64 bits, times of day, bytes) becomes text.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embedkit_connectors.arrays import (
    STRING,
    TIMESTAMP,
    booleans,
    dates,
    floats,
    integers,
    strings,
    timestamps,
)

JSON = {"embedkit.type": "json"}
_EXACT = range(-(2**53), 2**53 + 1)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return names stripped of outer blanks, none empty and none twice, in whatever case.

    Examples
    --------
    >>> unique_names(["id", " Text ", "", "text"])
    ['id', 'Text', 'column_3', 'text_2']
    """
    stripped = [" ".join(name.replace("\0", " ").split("\n")).strip() for name in names]
    wanted = {name.casefold() for name in stripped}
    taken: set[str] = set()
    unique = []
    for i, name in enumerate(stripped, start=1):
        if not name:
            name = _free(f"column_{i}", wanted | taken)
        elif name.casefold() in taken:
            name = _free(name, wanted | taken, 2)
        taken.add(name.casefold())
        unique.append(name)
    return unique


def _free(name: str, taken: set[str], number: int = 1) -> str:
    candidate = name if number == 1 else f"{name}_{number}"
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def record_batch(names: Sequence[str], columns: Iterable[tuple[pa.Array, bool]]) -> pa.RecordBatch:
    """Put columns together; the flag of each says whether it is JSON text."""
    arrays, fields = [], []
    for name, (array, is_json) in zip(unique_names(names), columns, strict=True):
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata=JSON if is_json else None))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def from_values(values: Sequence[Any]) -> tuple[pa.Array, bool]:
    """Return Python values as a column, and whether it is JSON text. NaN becomes null.

    Raises
    ------
    UnicodeEncodeError
        A text that holds half a surrogate pair.
    """
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if kinds <= {str}:
        return strings(values), False
    if not kinds <= _PLAIN or (float in kinds and not kinds <= {int, float}):
        values = [plain(value) for value in values]
        kinds = set(map(type, values)) - {type(None)}
    if kinds <= {dict, list}:
        return strings([None if v is None else to_json(v) for v in values]), True
    typed = _one_type(values, kinds)
    if typed is not None:
        return typed, False
    return strings([None if v is None else as_text(v) for v in values]), False


def _one_type(values: Sequence[Any], kinds: set[type]) -> pa.Array | None:
    """Return the values in the one type that holds them all exactly, or None."""
    if kinds <= {str}:
        return strings(values)
    if kinds == {bool}:
        return booleans(values)
    if kinds == {int}:
        try:
            return integers(values)
        except OverflowError:
            return None
    if kinds == {float}:
        return floats(values)
    if kinds == {int, float} and all(type(v) is not int or v in _EXACT for v in values):
        return floats(values)
    if kinds == {date}:
        return dates(values)
    if kinds <= {date, datetime}:
        return timestamps([None if v is None else _at_midnight(v) for v in values])
    return None


_PLAIN = {bool, int, float, str, date, dict, list}


def plain(value: Any) -> Any:
    """Return the plain value that stands for any other: of a subclass, of NumPy, of a library."""
    if type(value) is float and math.isnan(value):
        return None
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, datetime):
        if type(value).__name__ == "NaTType":  # pandas' missing time is a datetime
            return None
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return datetime.combine(value.date(), value.time())
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole and value.as_tuple().exponent == 0 else float(value)
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode("ascii")
    return _of_a_library(value)


def _of_a_library(value: Any) -> Any:
    kind = type(value)
    if kind.__module__.startswith("pandas") and kind.__name__ in ("NAType", "NaTType"):
        return None
    if kind.__module__ == "numpy":
        if kind.__name__ == "datetime64":
            value = value.astype("datetime64[us]")  # NumPy makes a number of nanoseconds
        listed = value.tolist()
        return str(value) if type(listed) is kind else plain(listed)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _at_midnight(value: date | datetime) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day)


def as_text(value: Any) -> str:
    """Return a value as it reads in a column of mixed values."""
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list, bool)):
        return to_json(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return repr(value)


def to_json(value: Any) -> str:
    """Return a value as JSON text; NaN and the infinities, which JSON has not, become null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_jsonable(value), ensure_ascii=False, allow_nan=False)


def _jsonable(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def canonical(array: pa.Array) -> tuple[pa.Array, bool]:
    """Return an Arrow column in the plain type that holds it, and whether it is JSON text."""
    kind = array.type
    types = pa.types
    if kind in (STRING, pa.bool_(), pa.int64(), pa.float64(), pa.date32(), TIMESTAMP):
        return array, False
    for test, convert in _CONVERSIONS:
        if test(kind):
            try:
                return convert(array)
            except pa.ArrowNotImplementedError:
                return from_values(array.to_pylist())
    if isinstance(kind, pa.BaseExtensionType):
        is_json = getattr(kind, "extension_name", "") == "arrow.json"
        if getattr(kind, "extension_name", "") == "arrow.uuid":
            return from_values([None if v is None else str(v) for v in array.to_pylist()])
        column, nested = canonical(array.storage)
        return column, nested or is_json
    if types.is_nested(kind):
        return _as_json(array), True
    return from_values(array.to_pylist())


def _cast(kind: pa.DataType) -> Callable[[pa.Array], tuple[pa.Array, bool]]:
    return lambda array: (array.cast(kind), False)


def _whole(array: pa.Array) -> tuple[pa.Array, bool]:
    try:
        return array.cast(pa.int64()), False
    except pa.ArrowInvalid:
        return array.cast(STRING), False


def _decimal(array: pa.Array) -> tuple[pa.Array, bool]:
    if array.type.scale <= 0:
        try:
            return array.cast(pa.int64()), False
        except pa.ArrowInvalid:
            return from_values([None if v is None else str(v) for v in array.to_pylist()])
    return array.cast(pa.float64()), False


def _timestamp(array: pa.Array) -> tuple[pa.Array, bool]:
    zone = array.type.tz
    try:
        return array.cast(pa.timestamp("us", zone), safe=array.type.unit != "ns").cast(
            TIMESTAMP
        ), False
    except pa.ArrowInvalid:
        return array.cast(STRING), False


def _decoded(array: pa.Array) -> tuple[pa.Array, bool]:
    values, is_json = canonical(array.dictionary)
    return pa.DictionaryArray.from_arrays(array.indices, values).dictionary_decode(), is_json


def _binary(array: pa.Array) -> tuple[pa.Array, bool]:
    if not pa.types.is_fixed_size_binary(array.type):
        try:
            return array.cast(STRING), False  # old writers store text so
        except pa.ArrowInvalid:
            pass
    return from_values(array.to_pylist())


def _as_json(array: pa.Array) -> pa.Array:
    pairs = pa.types.is_map(array.type)
    values = array.to_pylist()
    if pairs:
        values = [None if v is None else {str(key): item for key, item in v} for v in values]
    return strings([None if v is None else to_json(v) for v in values])


_CONVERSIONS: tuple[
    tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], tuple[pa.Array, bool]]], ...
] = (
    (pa.types.is_null, _cast(STRING)),
    (pa.types.is_integer, _whole),
    (pa.types.is_floating, _cast(pa.float64())),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_dictionary, _decoded),
    (pa.types.is_run_end_encoded, lambda array: canonical(pc.run_end_decode(array))),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_date, _cast(pa.date32())),
    (pa.types.is_large_string, _cast(STRING)),
    (pa.types.is_string_view, _cast(STRING)),
    (pa.types.is_binary, _binary),
    (pa.types.is_large_binary, _binary),
    (pa.types.is_binary_view, lambda array: _binary(array.cast(pa.binary()))),
    (pa.types.is_fixed_size_binary, _binary),
    (pa.types.is_time, _cast(STRING)),
)
