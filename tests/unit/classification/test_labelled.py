"""Labelled rows out of files, frames and collections."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.labelled import (
    How,
    LabelledRows,
    is_missing,
    read_labelled,
    read_labelled_records,
)
from embedkit.classification.spelling import label_text
from embedkit.errors import ColumnError, InvalidInputError, SourceError

ROWS = (
    "id,question,topic\n1,how do I pay,money\n2,where is my parcel,post\n3,can I pay later,money\n"
)


def put(folder: Path, text: str, name: str = "q.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_rows_with_their_lines_and_ids(tmp_path: Path) -> None:
    rows = read_labelled(put(tmp_path, ROWS), label="topic")
    assert rows.texts == ["how do I pay", "where is my parcel", "can I pay later"]
    assert rows.labels == ["money", "post", "money"]
    assert rows.lines == [2, 3, 4]
    assert rows.ids == ["1", "2", "3"]
    assert (rows.text, rows.label, rows.id, rows.rows) == (("question",), "topic", "id", 3)
    assert rows.counts() == {"money": 2, "post": 1}
    assert rows.set_aside() == []


def test_columns_are_found_where_that_is_safe(tmp_path: Path) -> None:
    path = put(tmp_path, "Label,body\na,one two three\nb,four five six\n")
    rows = read_labelled(path)
    assert (rows.text, rows.label) == (("body",), "Label")
    with pytest.raises(ColumnError, match=r"no column is called label.*may be topic.*--label"):
        read_labelled(put(tmp_path, ROWS, "t.csv"))
    with pytest.raises(ColumnError, match="several columns are called so"):
        read_labelled(put(tmp_path, "label,class,text\na,b,c\n", "s.csv"))


def test_a_wrong_column_offers_the_nearest(tmp_path: Path) -> None:
    path = put(tmp_path, ROWS)
    with pytest.raises(ColumnError, match="did you mean 'topic'"):
        read_labelled(path, label="topics")
    with pytest.raises(ColumnError, match="did you mean 'question'"):
        read_labelled(path, label="topic", text="questions")
    with pytest.raises(ColumnError, match="both text and label"):
        read_labelled(path, label="topic", text="topic")
    with pytest.raises(ColumnError, match="beside the labels"):
        read_labelled(put(tmp_path, "topic\na\nb\n", "one.csv"), label="topic")


def test_several_text_columns_are_joined(tmp_path: Path) -> None:
    path = put(tmp_path, "title,body,label\nA,b c,x\n,d,y\n")
    assert read_labelled(path, text="title,body").texts == ["A\nb c", "d"]


def test_rows_without_a_label_or_text_are_set_aside(tmp_path: Path) -> None:
    path = put(tmp_path, "text,label\na b,x\nc d,\n,y\ne f,NaN\ng,h,i\nj k,y\n")
    rows = read_labelled(path)
    assert rows.texts == ["a b", "j k"]
    assert (rows.rows, rows.unlabelled, rows.blank, rows.failed) == (6, 2, 1, 1)
    assert rows.set_aside() == [
        "2 rows without a label set aside",
        "1 row without a text set aside",
        "1 row could not be read and left out; the first is line 6: expected 2 fields, got 3",
    ]


def test_no_label_at_all(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"none of its 2 rows.*2 rows without a label"):
        read_labelled(put(tmp_path, "text,label\na b,\nc d,\n"))
    with pytest.raises(SourceError, match="no rows"):
        read_labelled(put(tmp_path, "text,label\n", "h.csv"))
    with pytest.raises(SourceError, match="is empty"):
        read_labelled(put(tmp_path, "", "e.csv"))


def test_labels_of_several_types_are_one_by_how_they_are_written() -> None:
    rows = read_labelled(
        [{"text": f"text {i}", "label": label} for i, label in enumerate([1, "1", 1.0, True])]
    )
    assert rows.labels == ["1", "1", "1", "true"]
    assert rows.notes == ["'1', '1.0' are taken for one label, '1'"]


def test_whole_numbers_that_came_as_floats(tmp_path: Path) -> None:
    # What pandas makes of whole numbers among which one is missing.
    path = tmp_path / "q.parquet"
    pq.write_table(pa.table({"text": ["a b", "c d", "e f"], "label": [1.0, None, 2.0]}), path)
    rows = read_labelled(path)
    assert rows.labels == ["1", "2"]
    assert rows.unlabelled == 1


def test_codes_and_cases_stay_apart(tmp_path: Path) -> None:
    path = put(tmp_path, "text,label\na,007\nb,7\nc,Spam\nd,spam\ne, spam\n")
    rows = read_labelled(path)
    assert rows.labels == ["007", "7", "Spam", "spam", "spam"]
    assert rows.notes == [
        "'Spam' (1) and 'spam' (2) differ only in case or blanks, and are labels of their own"
    ]


def test_true_and_false_in_whatever_case(tmp_path: Path) -> None:
    rows = read_labelled(put(tmp_path, "text,label\na,True\nb,TRUE\nc,False\n"))
    assert rows.labels == ["true", "true", "False"]


def test_several_labels_a_row(tmp_path: Path) -> None:
    how = How(multi=True)
    path = put(tmp_path, "text,label\na,x; y\nb,y\nc,;\nd,\n")
    rows = read_labelled(path, how=how)
    assert rows.labels == [("x", "y"), ("y",), ()]
    assert rows.unlabelled == 1
    assert rows.counts() == {"y": 2, "x": 1}
    lines = [{"text": "a", "label": ["x", 1]}, {"text": "b", "label": []}]
    path = put(tmp_path, "\n".join(map(json.dumps, lines)), "q.jsonl")
    assert read_labelled(path, how=how).labels == [("x", "1"), ()]
    with pytest.raises(InvalidInputError, match=r"one label a row.*--multi-label"):
        read_labelled(path)
    one = read_labelled(put(tmp_path, "text,label\na,x|y\nb,y\n", "bar.csv"), how=how)
    assert one.notes == ["no row has several labels; is ';' between them?"]
    assert read_labelled(tmp_path / "bar.csv", how=How(True, "|")).labels[0] == ("x", "y")


def test_cells_that_are_no_text(tmp_path: Path) -> None:
    lines = [
        {"text": ["a", "list"], "label": "x"},
        {"text": {"b": 1}, "label": "y"},
    ]
    path = put(tmp_path, "\n".join(map(json.dumps, lines)), "q.jsonl")
    with pytest.raises(InvalidInputError, match="got a list or an object"):
        read_labelled(path, text="text")
    numbers = read_labelled([{"text": 12, "label": "x"}, {"text": 13, "label": "y"}], text="text")
    assert numbers.texts == ["12", "13"]


def test_labels_of_a_collection(opened: Callable[..., Any]) -> None:
    collection = opened()
    collection.index(
        [
            {"id": "a", "text": "how do I pay", "topic": "money", "n": 1},
            {"id": "b", "text": "where is it", "topic": "post", "n": 2},
            {"id": "c", "text": "pay later", "topic": None, "n": 2},
        ]
    )
    rows = read_labelled_records(collection, "Topic")
    assert (rows.label, rows.ids, rows.labels) == ("topic", ["a", "b"], ["money", "post"])
    assert (rows.rows, rows.unlabelled) == (3, 1)
    assert read_labelled_records(collection, "n").labels == ["1", "2", "2"]
    some = read_labelled_records(collection, "topic", where="n = 2")
    assert some.ids == ["b"]
    with pytest.raises(ColumnError, match="did you mean 'topic'"):
        read_labelled_records(collection, "topics")


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text(min_size=1)))
def test_a_label_as_text_is_a_label_and_stays_itself(value: object) -> None:
    text = label_text(value)
    assert isinstance(text, str)
    assert label_text(text) == text
    assert is_missing(value) <= (not text or text.casefold() in ("nan", "<na>"))


def test_nothing_is_made_of_nothing() -> None:
    assert LabelledRows("q").counts() == {}
    assert [is_missing(v) for v in (None, float("nan"), " ", "nan", 0, False, "no")] == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip
