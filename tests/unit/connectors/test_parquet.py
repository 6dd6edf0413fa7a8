from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedkit.errors import SourceError, UnsupportedOperationError
from embedkit_connectors import open_source


@pytest.fixture
def save(tmp_path):
    def run(table, name="a.parquet", **options):
        path = tmp_path / name
        pq.write_table(table, path, **options)
        return path

    return run


def test_reads_typed_columns_and_row_numbers(read, save):
    day = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.uint8()),
            "text": ["a", None],
            "at": [day, None],
            "tags": [["x"], []],
        }
    )
    source = open_source(save(table))
    (batch,) = source.batches()
    assert source.typed is True
    assert batch.table.to_pydict() == {
        "id": [1, 2],
        "text": ["a", None],
        "at": [day.replace(tzinfo=None), None],
        "tags": ['["x"]', "[]"],
    }
    assert batch.lines.tolist() == [1, 2]


def test_batches_follow_the_width_of_the_rows(save):
    table = pa.table({"text": [f"{i:01000000}" for i in range(40)]})
    batches = list(open_source(save(table, row_group_size=20)).batches())
    assert sum(b.table.num_rows for b in batches) == 40
    assert max(b.table.nbytes for b in batches) < 20 * 2**20
    table = pa.table({"n": range(25_000)})
    batches = list(open_source(save(table)).batches())
    assert max(b.table.num_rows for b in batches) <= 10_000
    assert [int(b.lines[0]) for b in batches] == [1, 10_001, 20_001]


def test_no_rows(read, save):
    found = read(save(pa.table({"id": pa.array([], pa.int32()), "t": pa.array([], pa.string())})))
    assert found.columns == ["id", "t"]
    assert found.rows == []


def test_content_wins_over_the_suffix(read, save, write):
    path = save(pa.table({"a": [1]}), "a.csv")
    assert read(path).rows == [{"a": 1}]
    with pytest.raises(SourceError, match="expected a Parquet file"):
        read(write("b.parquet", "id,text\n1,a\n"))
    with pytest.raises(SourceError, match="is empty"):
        read(write("c.parquet", b""))


def test_text_that_is_not_utf8_is_refused_by_row(read, save):
    raw = pa.array([b"ok", b"caf\xe9", b"fine"])
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    found = read(save(pa.table({"id": [1, 2, 3], "t": text})))
    assert found.values("id") == [1, 3]
    assert list(found.refused) == [2]
    assert "0xE9" in found.refused[2]


@pytest.mark.parametrize("keep", [4, 8, 100, 0.5, 0.99])
def test_a_cut_file_is_an_error(read, save, write, keep):
    content = save(pa.table({"t": [str(i) for i in range(5000)]})).read_bytes()
    keep = int(len(content) * keep) if keep < 1 else keep
    with pytest.raises(SourceError, match=r"is no sound Parquet file.*; get the file again"):
        read(write("cut.parquet", content[:keep]))


def test_flipped_bytes_in_the_data_are_an_error_after_the_rows_before(
    save, write, read_until_damage
):
    table = pa.table({"t": [f"row {i * 7919 % 5000}" for i in range(40_000)]})
    path = save(table, row_group_size=10_000, write_page_checksum=True, use_dictionary=False)
    content = bytearray(path.read_bytes())
    third = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    content[third + 2000] ^= 0xFF
    found, error = read_until_damage(write("bad.parquet", bytes(content)))
    assert isinstance(error, SourceError)
    assert found.values("t") == table["t"].to_pylist()[:20_000]
    assert "after row 20,000" in str(error)


def test_standard_input_and_gzip_are_refused_with_what_to_do(read, save, stdin, write):
    import gzip

    content = save(pa.table({"a": [1]})).read_bytes()
    stdin(content)
    with pytest.raises(UnsupportedOperationError, match="save it to a file first"):
        read("-")
    with pytest.raises(SourceError, match="gunzip"):
        read(write("b.parquet.gz", gzip.compress(content)))
