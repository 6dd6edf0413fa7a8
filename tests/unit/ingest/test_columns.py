"""What a metadata column becomes, from text and from typed sources, over several files."""

from __future__ import annotations

import json
from datetime import date, datetime

import numpy as np
import pytest

from embedkit import Record
from embedkit.embedders.base import BaseEmbedder
from embedkit.store.columns import TYPES, unite
from embedkit.types import Embeddings
from embedkit_connectors.batch import BATCH_ROWS

DAY, MOMENT = date(2024, 2, 29), datetime(2024, 2, 29, 12, 30)

# name: (what the file says, the type, what a record says)
COLUMNS = {
    "whole": (["1", "-7", "0"], "BIGINT", [1, -7, 0]),
    "missing": (["1", "", "3"], "BIGINT", [1, None, 3]),
    "large": (["123456789012345678", "1", "2"], "BIGINT", [123456789012345678, 1, 2]),
    "too_large": (
        ["12345678901234567890", "1", "2"],
        "VARCHAR",
        ["12345678901234567890", "1", "2"],
    ),
    "snowflake": (["1234567890123456789", "", "1"], "BIGINT", [1234567890123456789, None, 1]),
    "large_mixed": (
        ["12345678901234567", "1.5", ""],
        "VARCHAR",
        ["12345678901234567", "1.5", None],
    ),
    "decimal": (["1.5", "-0.25", "3"], "DOUBLE", [1.5, -0.25, 3.0]),
    "exponent": (["1e3", "2.5E-2", "7"], "DOUBLE", [1000.0, 0.025, 7.0]),
    "truth": (["true", "False", "TRUE"], "BOOLEAN", [True, False, True]),
    "day": (["2024-02-29", "2023-01-01", ""], "DATE", [DAY, date(2023, 1, 1), None]),
    "no_day": (["2024-02-30", "2023-01-01", ""], "VARCHAR", ["2024-02-30", "2023-01-01", None]),
    "moment": (
        ["2024-02-29T12:30", "2024-02-29 12:30:00", "2024-02-29T12:30:00Z"],
        "TIMESTAMP",
        [MOMENT, MOMENT, MOMENT],
    ),
    "code": (["01234", "98765", "1"], "VARCHAR", ["01234", "98765", "1"]),
    "mixed": (["1", "two", "3.0"], "VARCHAR", ["1", "two", "3.0"]),
    "word": (["nan", "inf", "null"], "VARCHAR", ["nan", "inf", "null"]),
    "signs": (["+", "-", "."], "VARCHAR", ["+", "-", "."]),
    "empty": (["", "", ""], "VARCHAR", [None, None, None]),
    "spaced": ([" 1", "2 ", "3"], "VARCHAR", None),
}


def test_types_are_found_out_in_a_csv(opened, write_csv):
    rows = [
        [f"r{i}", f"text {i}", *(values[i] for values, _, _ in COLUMNS.values())] for i in range(3)
    ]
    path = write_csv("x.csv", ("id", "text", *COLUMNS), rows)
    collection = opened()
    report = collection.index(path, text="text")
    assert report.new == 3
    found = collection.info().columns
    records = list(collection)
    for name, (_, kind, values) in COLUMNS.items():
        if name == "spaced":
            assert [str(r.metadata[name]).strip() for r in records] == ["1", "2", "3"]
            continue
        assert found[name] == kind, name
        got = [record.metadata[name] for record in records]
        assert got == values, name
        assert [type(value) for value in got] == [type(value) for value in values], name
    assert collection.index(path).unchanged == 3


@pytest.mark.parametrize(
    ("first", "second", "kind", "values"),
    [
        ("1", "2.5", "DOUBLE", [1.0, 2.5]),
        ("1", "x", "VARCHAR", ["1", "x"]),
        ("true", "1", "VARCHAR", ["true", "1"]),
        ("2024-02-29", "2024-02-29T12:30:00", "TIMESTAMP", [datetime(2024, 2, 29), MOMENT]),
        ("", "5", "VARCHAR", [None, "5"]),
    ],
)
def test_a_type_is_widened_by_a_later_file(opened, write_csv, first, second, kind, values):
    collection = opened()
    one = write_csv("one.csv", ("id", "text", "n"), [["a", "first", first]])
    collection.index(one, text="text")
    collection.index(
        write_csv("two.csv", ("id", "text", "n"), [["b", "second", second]]), text="text"
    )
    assert collection.info().columns == {"n": kind}
    assert [record.metadata["n"] for record in collection] == values
    assert [type(r.metadata["n"]) for r in collection] == [type(value) for value in values]
    report = collection.index(one, dry_run=True)
    assert (report.unchanged, report.changed) == (1, 0), "widening is no change of the record"


def test_every_two_types_have_a_common_one():
    for first in TYPES:
        for second in TYPES:
            assert unite(first, second) == unite(second, first)
            assert unite(first, unite(first, second)) == unite(first, second)
            assert unite(first, "VARCHAR") == "VARCHAR"


def test_nested_values_come_back_as_they_were(opened, tmp_path):
    rows = [
        {"id": "a", "text": "x", "tags": ["red", "blue"], "deep": {"n": 1, "list": [{"k": None}]}},
        {"id": "b", "text": "y", "tags": [], "deep": None},
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    collection = opened()
    collection.index(path, text="text")
    assert list(collection) == [
        Record("a", "x", {"tags": ["red", "blue"], "deep": {"n": 1, "list": [{"k": None}]}}),
        Record("b", "y", {"tags": [], "deep": None}),
    ]
    assert collection.info().columns == {"tags": "JSON", "deep": "JSON"}
    assert collection.index(path).unchanged == 2
    hits = collection.search("x", where="json_extract(deep, '$.n') = 1")
    assert [hit.id for hit in hits] == ["a"]
    assert hits[0].metadata["tags"] == ["red", "blue"]
    # Another file has plain text there: the column becomes text, and nothing is lost.
    collection.upsert([{"id": "c", "text": "z", "tags": "plain"}])
    assert json.loads(str(collection.get("a").metadata["tags"])) == ["red", "blue"]
    assert collection.get("c").metadata["tags"] == "plain"


def test_not_a_number_is_no_value(opened):
    collection = opened()
    collection.upsert(
        [{"id": "a", "text": "x", "n": float("nan")}, {"id": "b", "text": "y", "n": 1.0}]
    )
    assert [record.metadata["n"] for record in collection] == [None, 1.0]
    assert [hit.id for hit in collection.search("x", where="n IS NULL")] == ["a"]
    assert collection.upsert([{"id": "a", "text": "x", "n": float("nan")}]).unchanged == 1


NAMES = {
    'a "quoted" name': 1,
    "two words": 2,
    "select": 3,
    "order by": 4,
    "row": 5,
    "seq": 6,
    "source": 7,
    "m0": 8,
    "#seq": 9,
    "it's": 10,
    "Ünïcode": 11,
    "semi;colon": 12,
    "column_names": 13,
    "n": 14,
    "line": 15,
    "op": 16,
    "todo": 17,
}


def test_columns_may_have_any_name(opened):
    collection = opened()
    collection.upsert([{"id": "a", "text": "x", **NAMES}, {"id": "b", "text": "y"}])
    assert collection.get("a").metadata == NAMES
    assert collection.get("b").metadata == dict.fromkeys(NAMES)
    for name, value in NAMES.items():
        where = '"' + name.replace('"', '""') + f'" = {value}'
        assert [hit.id for hit in collection.search("y", where=where)] == ["a"], name
    report = collection.upsert([{"id": "a", "text": "x", **NAMES, "row": 55}])
    assert (report.changed, report.embedded) == (1, 0)
    assert collection.get("a").metadata == {**NAMES, "row": 55}


def test_columns_that_differ_by_case_only(opened, write_csv):
    collection = opened()
    path = write_csv("x.csv", ("id", "text", "Lang", "lang"), [["a", "x", "en", "de"]])
    collection.index(path, text="text")
    first, second = collection.get("a").metadata.items()
    assert (first, second[1]) == (("Lang", "en"), "de")
    assert [hit.id for hit in collection.search("x", where="lang = 'en'")] == ["a"]
    assert [hit.id for hit in collection.search("x", where=f"{second[0]} = 'de'")] == ["a"]
    assert collection.index(path).unchanged == 1


def test_columns_called_id_and_text_beside_the_chosen_ones(opened, write_csv):
    collection = opened()
    path = write_csv("x.csv", ("key", "title", "id", "text"), [["k", "a title", "other", "more"]])
    collection.index(path, text="title", id="key")
    record = collection.get("k")
    assert record == Record("k", "a title", {"id": "other", "text": "more"})
    assert [hit.id for hit in collection.search("x", where="id = 'k' AND title = 'a title'")] == [
        "k"
    ]


class Constant(BaseEmbedder):
    """The same vector for every text, so that a long one costs the store alone."""

    model_id = "constant"
    dim = 2

    def _embed(self, texts, input_type):
        return Embeddings(np.full((len(texts), 2), 0.5**0.5, np.float32))


def test_ten_megabytes_in_one_cell(opened, write_csv):
    long = "many words " * 1_000_000
    path = write_csv("x.csv", ("id", "text", "note"), [["a", long, "n"], ["b", "short", long]])
    collection = opened(embedder=Constant())
    assert collection.index(path, text="text").new == 2
    assert collection.get("a").text == long
    assert collection.get("b").metadata["note"] == long
    assert collection.index(path).unchanged == 2
    assert [hit.id for hit in collection.search("short", where="length(note) > 9")] == ["b"]


def test_whole_numbers_that_come_as_floats_are_the_same_ids(opened):
    collection = opened()
    collection.index([{"id": 1, "text": "one"}, {"id": 2, "text": "two"}])
    report = collection.index([{"id": 1.0, "text": "one"}, {"id": 2.0, "text": "two"}])
    assert (report.new, report.unchanged) == (0, 2)


def test_keys_that_differ_by_case_in_later_batches_are_one_column(opened):
    rows = [{"id": str(i), "text": f"t{i}", "Lang": "a"} for i in range(BATCH_ROWS)]
    rows += [{"id": f"x{i}", "text": f"u{i}", "lang": "b"} for i in range(9)]
    collection = opened(index="flat")
    collection.index(rows)
    assert collection.get("x8").metadata == {"Lang": "b"}


def test_a_column_that_could_name_the_records_is_pointed_at(opened, tmp_path):
    path = tmp_path / "docs.csv"
    path.write_text("doc_id,text\nd1,some words\n")
    assert "--id doc_id" in opened().index(path).notes[0]
    assert opened().index(path, id="doc_id").notes == ()
