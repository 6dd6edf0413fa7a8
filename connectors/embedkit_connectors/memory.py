"""Records that are in memory already: data frames, Arrow tables, iterables of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from embedkit.errors import InvalidInputError, SourceError
from embedkit.types import Record, Reject
from embedkit_connectors.arrays import booleans
from embedkit_connectors.batch import BATCH_BYTES, BATCH_ROWS, Batch, excerpt, line_array
from embedkit_connectors.columns import canonical, from_values, record_batch, unique_names
from embedkit_connectors.lines import fault

if TYPE_CHECKING:
    from embedkit.types import Keys

_EXPECTED = (
    "a DataFrame, an Arrow table, or an iterable of records, dicts, texts or (id, text) pairs"
)


class MemorySource:
    """Rows that are in memory, or that an iterable makes.

    Parameters
    ----------
    data
        A pandas or polars DataFrame, an Arrow Table, RecordBatch or RecordBatchReader, whatever
        offers Arrow's ``__arrow_c_stream__``, or an iterable of :class:`embedkit.Record`, dicts,
        texts, ``(id, text)`` or ``(id, text, metadata)`` tuples. The index of a pandas DataFrame
        is left out. An iterator and a RecordBatchReader are read once, in bounded memory.
    name : str
        What the next run recognises these records by.

    Raises
    ------
    InvalidInputError
        What is none of these.
    """

    typed = True
    notes: tuple[str, ...] = ()

    def __init__(self, data: Any, *, name: str = "memory") -> None:
        self.name = name
        self._once = _is_used_up(data)
        self._used = False
        self._data = data
        self._first: Any = None
        self._kind = _kind(data)
        if self._kind == "rows":
            self._look(data)

    @property
    def label(self) -> str:
        """The name."""
        return self.name

    @property
    def stem(self) -> str:
        """The name."""
        return self.name

    def __repr__(self) -> str:
        return f"MemorySource(name={self.name!r})"

    def batches(self) -> Iterator[Batch]:
        """Yield the rows in batches; see :class:`embedkit.protocols.Source`.

        Raises
        ------
        SourceError
            A second call where the data can be read only once.
        """
        if self._once and self._used:
            raise SourceError(
                "these records can be read only once", do="pass a list, or a new iterator"
            )
        self._used = True
        if self._kind == "pandas":
            yield from _of_pandas(self._data)
        elif self._kind == "arrow":
            yield from _of_arrow(self._data)
        else:
            yield from _of_rows(iter(self._data))

    def _look(self, data: Iterable[Any]) -> None:
        """Look whether the first row is one."""
        rows = iter(data)
        held = list(islice(rows, 1))
        if held and _as_row(held[0]) is None:
            raise InvalidInputError(
                f"expected {_EXPECTED}, got rows of type {type(held[0]).__name__}"
            )
        self._first = held[0] if held else None
        if self._once:
            self._data = chain(held, rows)


def _is_used_up(data: Any) -> bool:
    return isinstance(data, (Iterator, pa.RecordBatchReader))


def _kind(data: Any) -> str:
    module = type(data).__module__.partition(".")[0]
    if module == "pandas" and type(data).__name__ == "DataFrame":
        return "pandas"
    if isinstance(data, (pa.Table, pa.RecordBatch, pa.RecordBatchReader)):
        return "arrow"
    if hasattr(data, "__arrow_c_stream__") and hasattr(data, "columns"):
        return "arrow"
    if isinstance(data, (str, bytes, Mapping, Record)) or not isinstance(data, Iterable):
        do = "put it into a list: [it]" if isinstance(data, (str, Mapping, Record)) else ""
        raise InvalidInputError(f"expected {_EXPECTED}, got {type(data).__name__}", do=do)
    return "rows"


def _of_pandas(frame: Any) -> Iterator[Batch]:
    names = ["_".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in frame.columns]
    for start in range(0, max(len(frame), 1), BATCH_ROWS):
        part = frame.iloc[start : start + BATCH_ROWS]
        lines = np.arange(start + 1, start + len(part) + 1, dtype=np.int64)
        try:
            columns = [_of_series(part.iloc[:, i]) for i in range(len(names))]
        except UnicodeEncodeError:  # half a surrogate pair: find the rows
            unique = unique_names(names)
            rows = [dict(zip(unique, row, strict=True)) for row in part.itertuples(index=False)]
            yield batch_of_rows(rows, lines.tolist(), ())
        else:
            yield Batch(record_batch(names, columns), lines)


def _of_series(series: Any) -> tuple[pa.Array, bool]:
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        # A column of objects of several types; NaN is what pandas has for a missing one.
        return from_values([None if _is_nan(value) else value for value in series.tolist()])
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return canonical(array)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def _of_arrow(data: Any) -> Iterator[Batch]:
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    reader = pa.RecordBatchReader.from_stream(data)
    row = 1
    for batch in reader:
        for part in _slices(batch):
            yield batch_of_arrow(part, row)
            row += part.num_rows
    if row == 1:
        yield batch_of_arrow(no_rows(reader.schema), row)


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch that has columns only."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def batch_of_arrow(table: pa.RecordBatch, row: int) -> Batch:
    """Return rows with their columns in the plain types.

    Rows whose text is not UTF-8, which Arrow does not check by itself, become rejects.

    Parameters
    ----------
    row : int
        Number of the first row.

    Raises
    ------
    SourceError
        Data that is not what its types say.
    """
    try:
        names = table.schema.names
        clean = record_batch(names, [canonical(column) for column in table.columns])
    except (pa.ArrowException, UnicodeDecodeError) as error:  # in a nested value or a name
        reason = str(error).partition("\n")[0]
        raise SourceError(f"expected sound Arrow data, got a fault: {reason}") from error
    lines = np.arange(row, row + clean.num_rows, dtype=np.int64)
    try:
        clean.validate(full=True)
    except pa.ArrowInvalid:
        return _without_faulty(clean, lines)
    return Batch(clean, lines)


def _without_faulty(table: pa.RecordBatch, lines: Keys) -> Batch:
    reasons: dict[int, tuple[str, str]] = {}
    for column in table.columns:
        if pa.types.is_string(column.type):
            for i, value in enumerate(column.cast(pa.binary()).to_pylist()):
                text = (value or b"").decode("utf-8", "embedkit.mark")
                if not text.isprintable() and (reason := _not_text(text)):
                    reasons[i] = reason, excerpt(text)
    sound = np.ones(len(lines), dtype=np.bool_)
    sound[list(reasons)] = False
    rejects = [Reject(int(lines[i]), *reasons[i]) for i in sorted(reasons)]
    return Batch(table.filter(booleans(sound.tolist())), lines[sound], rejects)


def _not_text(text: str) -> str | None:
    return fault(text.replace("\0", " "))


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield from _halves(batch.slice(start, BATCH_ROWS))


def _halves(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch until its parts are small or single rows."""
    if batch.nbytes <= BATCH_BYTES or batch.num_rows < 2:
        yield batch
        return
    middle = batch.num_rows // 2
    yield from _halves(batch.slice(0, middle))
    yield from _halves(batch.slice(middle))


def _of_rows(rows: Iterator[Any]) -> Iterator[Batch]:
    numbers = count(1)
    first = True
    while True:
        held, lines, rejects = _gather(rows, numbers)
        if not held and not rejects and not first:
            return
        yield batch_of_rows(held, lines, rejects)
        first = False


def _gather(
    rows: Iterator[Any], numbers: Iterator[int]
) -> tuple[list[Mapping[str, Any]], list[int], list[Reject]]:
    held: list[Mapping[str, Any]] = []
    lines: list[int] = []
    rejects: list[Reject] = []
    size = 0
    for item in islice(rows, BATCH_ROWS):
        number = next(numbers)
        row = _as_row(item)
        if row is None:
            reason = f"expected a record, a dict, a text or (id, text), got {type(item).__name__}"
            rejects.append(Reject(number, reason, excerpt(repr(item))))
            continue
        held.append(row)
        lines.append(number)
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if size >= BATCH_BYTES:
            break
    return held, lines, rejects


def _as_row(item: Any) -> Mapping[str, Any] | None:
    """Return the columns of a row, or None where it is none."""
    if isinstance(item, Record):
        return _with_metadata(item.id, item.text, item.metadata)
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, Mapping):
        return (
            item if all(type(key) is str for key in item) else {str(k): v for k, v in item.items()}
        )
    if isinstance(item, tuple) and len(item) == 2:
        return {"id": item[0], "text": item[1]}
    if isinstance(item, tuple) and len(item) == 3 and isinstance(item[2], Mapping):
        return _with_metadata(item[0], item[1], item[2])
    return None


def _with_metadata(id: Any, text: Any, metadata: Mapping[str, Any]) -> dict[str, Any]:
    row = {"id": id, "text": text}
    for key, value in metadata.items():
        row[f"{key}_2" if key in ("id", "text") else key] = value
    return row


def batch_of_rows(
    rows: Sequence[Mapping[str, Any]], lines: Sequence[int], rejects: Sequence[Reject]
) -> Batch:
    """Put rows with whatever keys into columns, one for each key that one of them has.

    Rows with a text that is none (half a surrogate pair) become rejects.
    """
    try:
        return Batch(_columns(rows), line_array(lines), rejects)
    except UnicodeEncodeError:
        pass
    sound, kept, refused = [], [], list(rejects)
    for row, line in zip(rows, lines, strict=True):
        reason = _surrogate(row)
        if reason is None:
            sound.append(row)
            kept.append(line)
        else:
            refused.append(Reject(line, reason, excerpt(repr(dict(row)))))
    return Batch(_columns(sound), line_array(kept), sorted(refused, key=lambda r: r.line))


def _columns(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    names: dict[str, None] = {}
    for row in rows:
        if not names.keys() >= row.keys():
            names.update(dict.fromkeys(row))
    columns = [from_values([row.get(name) for row in rows]) for name in names]
    if not columns:  # Arrow cannot tell the number of rows that have no columns
        return record_batch(["text"], [from_values([None] * len(rows))]) if rows else _NOTHING
    return record_batch(list(names), columns)


_NOTHING = pa.RecordBatch.from_arrays([], schema=pa.schema([]))


def _surrogate(row: Mapping[str, Any]) -> str | None:
    for key, value in row.items():
        try:
            from_values([value])
            key.encode()
        except UnicodeEncodeError:
            return fault(f"{key} {value}") or "expected Unicode text"
    return None
