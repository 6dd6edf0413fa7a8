"""Rows back into files: CSV, TSV, JSON Lines, Parquet or text, also gzip, told by the suffix.

A file appears whole or not at all: it is written beside its place and renamed.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from embedkit.errors import EmbedkitError, InvalidInputError
from embedkit.integrity import storage_error
from embedkit_connectors.columns import JSON, as_text
from embedkit_connectors.inputs import expanded

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
}
"""Suffixes, in lower case and without ``.gz``, and the format that is written."""

FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))


class Sink(Protocol):
    """Where rows go."""

    def write(self, rows: pa.RecordBatch) -> None:
        """Take rows; columns that they lack are empty."""

    def end(self) -> None:
        """Write what is still held."""


def format_of(path: str | Path) -> str:
    """Return the format that a file of this name has.

    Raises
    ------
    InvalidInputError
        A suffix of no format that can be written.
    """
    name = Path(path).name.lower()
    packed = name.endswith(".gz")
    form = SUFFIXES.get(Path(name.removesuffix(".gz")).suffix)
    if form is None or (packed and form == "parquet"):
        raise InvalidInputError(
            f"expected a file name that says its format, got {str(path)!r}",
            do=f"end it with one of {', '.join(SUFFIXES)}; all but Parquet also with .gz",
        )
    return form


def unite(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return a schema for the rows of all: the columns in the order in which they came.

    Where types differ, whole numbers become floats, and anything else text.
    """
    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            known = fields.setdefault(field.name, field)
            if known.type != field.type or known.metadata != field.metadata:
                numbers = {known.type, field.type} <= {pa.int64(), pa.float64()}
                fields[field.name] = pa.field(field.name, pa.float64() if numbers else pa.string())
    return pa.schema(list(fields.values()))


def open_sink(file: BinaryIO, form: str, schema: pa.Schema) -> Sink:
    """Return what writes rows of a schema into an open file in a format."""
    if form == "parquet":
        return _Parquet(file, schema)
    if form == "jsonl":
        return _JsonLines(file)
    if form == "text":
        return _Text(file, schema)
    return _Delimited(file, schema, "\t" if form == "tsv" else ",")


@contextlib.contextmanager
def written(path: str | Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of ``path`` when all is well; ``-`` is standard output.

    Raises
    ------
    StorageError
        The disk refused. Nothing is left behind, and a file that was there is as before.
    """
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    place = expanded(path).resolve()
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as raw:
            if place.suffix.lower() == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(place)
    except (EmbedkitError, BrokenPipeError):
        raise
    except OSError as error:
        raise storage_error(error, place) from error
    finally:
        part.unlink(missing_ok=True)


class _Lines:
    """Base of the formats that are text."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def _put(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "surrogatepass"))

    def end(self) -> None:
        """Nothing is held."""


class _Delimited(_Lines):
    """The header, then a line a row; values of other types than text as JSON has them."""

    def __init__(self, file: BinaryIO, schema: pa.Schema, delimiter: str) -> None:
        super().__init__(file)
        self._names = schema.names
        self._delimiter = delimiter
        self._rows([self._names])

    def write(self, rows: pa.RecordBatch) -> None:
        columns = [_cells(rows, name) for name in self._names]
        self._rows(zip(*columns, strict=True))

    def _rows(self, rows: Any) -> None:
        out = io.StringIO()
        csv.writer(out, delimiter=self._delimiter, lineterminator="\n").writerows(rows)
        self._put(out.getvalue())


def _cells(rows: pa.RecordBatch, name: str) -> list[str]:
    at = rows.schema.get_field_index(name)
    if at < 0:
        return [""] * rows.num_rows
    return ["" if value is None else as_text(value) for value in rows.column(at).to_pylist()]


class _JsonLines(_Lines):
    """An object a line, nested values as they were."""

    def write(self, rows: pa.RecordBatch) -> None:
        columns = [
            [make(value) for value in column.to_pylist()]
            for column, make in zip(rows.columns, map(_json_value, rows.schema), strict=True)
        ]
        names = [json.dumps(name, ensure_ascii=False) for name in rows.schema.names]
        lines = [
            "{"
            + ", ".join(f"{name}: {value}" for name, value in zip(names, row, strict=True))
            + "}\n"
            for row in zip(*columns, strict=True)
        ]
        self._put("".join(lines))


def _json_value(field: pa.Field) -> Callable[[Any], str]:
    nested = (field.metadata or {}).get(b"embedkit.type") == JSON["embedkit.type"].encode()

    def make(value: Any) -> str:
        if value is None:
            return "null"
        if nested:
            return value if "\n" not in value else json.dumps(json.loads(value))
        if isinstance(value, float) and value - value != 0:
            return "null"  # JSON knows neither infinity nor what is no number
        plain = value if isinstance(value, (bool, int, float, str)) else as_text(value)
        return json.dumps(plain, ensure_ascii=False)

    return make


class _Text(_Lines):
    """The one column, a line a row."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        super().__init__(file)
        if len(schema.names) != 1:
            raise InvalidInputError(
                f"expected rows of one column for a text file, got {', '.join(schema.names)}",
                do="write .csv or .jsonl instead",
            )

    def write(self, rows: pa.RecordBatch) -> None:
        texts = _cells(rows, rows.schema.names[0])
        if any("\n" in text or "\r" in text for text in texts):
            raise InvalidInputError(
                "expected texts of one line each for a text file, got one with line breaks",
                do="write .csv or .jsonl instead",
            )
        self._put("".join(text + "\n" for text in texts))


class _Parquet:
    """Rows in their types."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema)

    def write(self, rows: pa.RecordBatch) -> None:
        if rows.num_rows:
            columns = [_as(rows, field) for field in self._schema]
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def end(self) -> None:
        """Write the footer."""
        self._writer.close()


def _as(rows: pa.RecordBatch, field: pa.Field) -> pa.Array:
    at = rows.schema.get_field_index(field.name)
    if at < 0:
        return pa.nulls(rows.num_rows, field.type)
    column = rows.column(at)
    if column.type == field.type:
        return column
    if field.type == pa.string():
        texts = [None if value is None else as_text(value) for value in column.to_pylist()]
        return pa.array(texts, pa.string())
    return column.cast(field.type)
