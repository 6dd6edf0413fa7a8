from __future__ import annotations

import datetime as dt
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from embedkit import Record
from embedkit.errors import InvalidInputError, SourceError
from embedkit_connectors import MemorySource, open_source


def test_texts(read):
    source = open_source(["a", "b"])
    assert (source.stem, source.name) == ("memory", "memory")
    assert read(["a", "b"]).rows == [{"text": "a"}, {"text": "b"}]
    assert MemorySource(["a"], name="mine").name == "mine"


def test_records_with_metadata(read):
    found = read([Record("1", "a", {"n": 1, "id": 7}), Record("2", "b", {"tags": ["x"]})])
    assert found.rows == [
        {"id": "1", "text": "a", "n": 1, "id_2": 7, "tags": None},
        {"id": "2", "text": "b", "n": None, "id_2": None, "tags": '["x"]'},
    ]
    assert found.lines == [1, 2]


def test_pairs_dicts_and_mixtures(read):
    rows = [("1", "a"), ("2", "b", {"n": 3}), {"id": "3", "text": "c"}, "d", Record("5", "e")]
    found = read(rows)
    assert found.values("id") == ["1", "2", "3", None, "5"]
    assert found.values("text") == ["a", "b", "c", "d", "e"]
    assert found.values("n") == [None, 3, None, None, None]


def test_rows_that_are_none_are_refused(read):
    found = read(["a", 5, None, ("x",), "half \ud800", "b"])
    assert found.values("text") == ["a", "b"]
    assert sorted(found.refused) == [2, 3, 4, 5]
    assert "got int" in found.refused[2]
    assert "surrogate" in found.refused[5]


@pytest.mark.parametrize("data", [5, None, b"x", {"a": 1}, Record("1", "a"), [5], [b"x"], object()])
def test_what_holds_no_records_is_refused(data):
    with pytest.raises(InvalidInputError, match="expected a DataFrame"):
        open_source(data)


def test_a_generator_is_read_once_and_not_held():
    def rows():
        for i in range(12_000):
            yield {"id": i, "text": f"{i:08000}"}

    source = open_source(rows())
    tracemalloc.start()
    total = sum(batch.table.num_rows for batch in source.batches())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 12_000
    assert peak < 80 * 2**20
    with pytest.raises(SourceError, match="only once"):
        list(source.batches())


def test_a_list_can_be_read_again():
    source = open_source(["a"])
    assert len(list(source.batches())) == len(list(source.batches())) == 1


def test_batches_are_bounded():
    sizes = [b.table.num_rows for b in open_source(["x" * 2**20] * 40).batches()]
    assert sizes == [16, 16, 8]
    assert [b.table.num_rows for b in open_source(["x"] * 20_000).batches()] == [10_000, 10_000]
    table = pa.table({"t": ["x" * 2**20] * 40})
    batches = list(open_source(table).batches())
    assert sum(b.table.num_rows for b in batches) == 40
    assert max(b.table.nbytes for b in batches) <= 16 * 2**20
    assert [int(b.lines[0]) for b in batches] == [1, 11, 21, 31]


@pytest.mark.parametrize("data", [[], iter([]), pa.table({}), pd.DataFrame(), pl.DataFrame()])
def test_nothing_gives_one_empty_batch(data):
    (batch,) = open_source(data).batches()
    assert batch.table.num_rows == 0


FRAME = pd.DataFrame(
    {
        "text": ["a", None, np.nan],
        "n": [1, 2, 3],
        "x": [1.5, np.nan, 2],
        "mixed": [1, "x", np.nan],
        "at": pd.to_datetime(["2024-05-01T12:00:00+02:00", None, "2024-05-02T00:00:00Z"], utc=True),
        "kind": pd.Categorical(["u", "v", "u"]),
        "tags": [["p"], {"q": 1}, None],
        "na": pd.array([1, pd.NA, 3], dtype="Int64"),
    },
    index=["i", "j", "k"],
)
FRAME_ROWS = {
    "text": ["a", None, None],
    "n": [1, 2, 3],
    "x": [1.5, None, 2.0],
    "mixed": ["1", "x", None],
    "at": [dt.datetime(2024, 5, 1, 10), None, dt.datetime(2024, 5, 2)],
    "kind": ["u", "v", "u"],
    "tags": ['["p"]', '{"q": 1}', None],
    "na": [1, None, 3],
}


def test_a_pandas_frame_without_its_index():
    (batch,) = open_source(FRAME).batches()
    assert batch.table.to_pydict() == FRAME_ROWS
    assert batch.lines.tolist() == [1, 2, 3]
    assert batch.table.field("tags").metadata == {b"embedkit.type": b"json"}


def test_the_rows_of_a_pandas_frame_as_dicts(read):
    assert read(FRAME.to_dict("records")).rows == [
        dict(zip(FRAME_ROWS, row, strict=True)) for row in zip(*FRAME_ROWS.values(), strict=True)
    ]


def test_odd_pandas_frames(read):
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert read(twice).rows == [{"a": 1, "a_2": 2}]
    deep = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))
    assert read(deep).rows == [{"a_b": 1}]
    numbers = pd.DataFrame([[1, 2]])
    assert read(numbers).rows == [{"0": 1, "1": 2}]
    bad = pd.DataFrame({"t": pd.Series(["ok", "\ud800", "fine"], dtype=object), "n": [1, 2, 3]})
    found = read(bad)
    assert found.values("n") == [1, 3]
    assert list(found.refused) == [2]
    assert read(FRAME.iloc[:0]).columns == list(FRAME.columns)
    assert len(list(open_source(pd.DataFrame({"n": range(25_000)})).batches())) == 3


def test_a_polars_frame():
    frame = pl.DataFrame(
        {
            "text": ["a", None],
            "n": pl.Series([1, 2], dtype=pl.UInt16),
            "kind": ["u", "v"],
            "at": [dt.datetime(2024, 5, 1), None],
            "day": [dt.date(2024, 5, 1), None],
            "tags": [["p"], None],
            "point": [{"x": 1}, {"x": 2}],
        },
        schema_overrides={"kind": pl.Categorical},
    )
    source = open_source(frame)
    (batch,) = source.batches()
    assert batch.table.to_pydict() == {
        "text": ["a", None],
        "n": [1, 2],
        "kind": ["u", "v"],
        "at": [dt.datetime(2024, 5, 1), None],
        "day": [dt.date(2024, 5, 1), None],
        "tags": ['["p"]', None],
        "point": ['{"x": 1}', '{"x": 2}'],
    }
    assert len(list(source.batches())) == 1


@pytest.mark.parametrize("shape", ["table", "batch", "reader"])
def test_arrow_data(shape):
    table = pa.table({"id": ["1", "2"], "text": ["a", "b"]})
    data = {"table": table, "batch": table.to_batches()[0], "reader": table.to_reader()}[shape]
    source = open_source(data)
    (batch,) = source.batches()
    assert batch.table.to_pydict() == {"id": ["1", "2"], "text": ["a", "b"]}
    if shape == "reader":
        with pytest.raises(SourceError, match="only once"):
            list(source.batches())


def test_arrow_data_that_is_not_what_its_types_say(read):
    raw = pa.array([b"ok", b"caf\xe9"])
    text = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    assert list(read(pa.table({"t": text})).refused) == [2]
    nested = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), text)
    with pytest.raises(SourceError, match="sound Arrow data"):
        read(pa.table({"t": nested}))


def test_a_lazy_frame_is_refused():
    with pytest.raises(InvalidInputError, match="got LazyFrame"):
        open_source(pl.LazyFrame({"a": [1]}))


def test_an_error_of_the_callers_own_generator_passes_through():
    def rows():
        yield "a"
        raise RuntimeError("theirs")

    with pytest.raises(RuntimeError, match="theirs"):
        list(open_source(rows()).batches())
