from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedkit.errors import InvalidInputError, StorageError
from embedkit_connectors import open_source
from embedkit_connectors.write import FORMATS, format_of, open_sink, unite, written

JSON = {"embedkit.type": "json"}
ROWS = [
    {"id": 1, "text": 'says "hi", twice', "x": 0.5, "ok": True, "more": '{"a": [1, "ü"]}'},
    {"id": 2, "text": "two\nlines", "x": None, "ok": None, "more": None},
    {"id": 3, "text": "tab\there", "x": -1.0, "ok": False, "more": "[]"},
]
SCHEMA = pa.schema(
    [
        ("id", pa.int64()), ("text", pa.string()), ("x", pa.float64()), ("ok", pa.bool_()),
        pa.field("more", pa.string(), metadata=JSON),
    ]
)  # fmt: skip


def put(path: Path, rows: list[dict[str, Any]] = ROWS, schema: pa.Schema = SCHEMA) -> Path:
    with written(path) as file:
        sink = open_sink(file, format_of(path), schema)
        for row in rows:
            sink.write(pa.RecordBatch.from_pylist([row], schema=schema))
        sink.end()
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_delimited(tmp_path: Path, name: str) -> None:
    data = put(tmp_path / name).read_bytes()
    text = (gzip.decompress(data) if name.endswith("gz") else data).decode()
    rows = list(
        csv.DictReader(text.splitlines(keepends=True), delimiter="\t" if "tsv" in name else ",")
    )
    assert [row["text"] for row in rows] == [row["text"] for row in ROWS]
    assert list(rows[0].values())[2:] == ["0.5", "true", '{"a": [1, "ü"]}']
    assert list(rows[1].values())[2:] == ["", "", ""]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines_have_nested_values_as_they_were(tmp_path: Path, name: str) -> None:
    data = put(tmp_path / name).read_bytes()
    lines = (gzip.decompress(data) if name.endswith("gz") else data).decode().splitlines()
    rows = list(map(json.loads, lines))
    assert rows[0] == ROWS[0] | {"more": {"a": [1, "ü"]}}
    assert rows[1] == ROWS[1]


def test_parquet_keeps_types(tmp_path: Path) -> None:
    table = pq.read_table(put(tmp_path / "a.parquet"))
    assert table.schema.types == SCHEMA.types
    assert table.to_pylist() == ROWS


def test_text_is_a_line_a_row(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    path = put(tmp_path / "a.txt", [{"text": "one"}, {"text": "two"}], schema)
    assert path.read_text() == "one\ntwo\n"
    with pytest.raises(InvalidInputError, match="line breaks"):
        put(tmp_path / "b.txt", [{"text": "one\ntwo"}], schema)
    with pytest.raises(InvalidInputError, match="one column"):
        put(tmp_path / "b.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_what_is_written_reads_the_same(tmp_path: Path, name: str) -> None:
    tables = [batch.table for batch in open_source(put(tmp_path / name)).batches()]
    texts = [text for table in tables for text in table.column("text").to_pylist()]
    assert texts == [row["text"] for row in ROWS]
    assert tables[0].schema.names == SCHEMA.names


def test_columns_of_all_batches_united() -> None:
    one = pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.bool_())])
    two = pa.schema([("d", pa.string()), ("a", pa.float64()), ("c", pa.int64())])
    united = unite([one, two])
    assert united.names == ["a", "b", "c", "d"]
    assert united.types == [pa.float64(), pa.string(), pa.string(), pa.string()]


def test_a_row_without_a_column_has_it_empty(tmp_path: Path) -> None:
    part = pa.RecordBatch.from_pylist([{"text": "x", "id": 7}])
    for name in ("a.csv", "a.parquet"):
        with written(tmp_path / name) as file:
            sink = open_sink(file, format_of(name), SCHEMA)
            sink.write(part)
            sink.end()
    assert (tmp_path / "a.csv").read_text() == "id,text,x,ok,more\n7,x,,,\n"
    assert pq.read_table(tmp_path / "a.parquet").to_pylist()[0]["x"] is None


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_a_file_that_was_not_finished(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("before")

    def interrupted() -> None:
        with written(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    with pytest.raises(StorageError), written(tmp_path / "missing" / "a.csv"):
        pass


@pytest.mark.parametrize("name", ["a", "a.xlsx", "a.parquet.gz", ".csv.zip", "-"])
def test_a_name_without_a_format_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="format"):
        format_of(name)


def test_the_formats() -> None:
    assert FORMATS == ("csv", "tsv", "jsonl", "parquet", "text")
