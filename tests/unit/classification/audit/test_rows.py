"""Test rows and rows to label, out of files and collections."""

from __future__ import annotations

from pathlib import Path

import pytest

import embedkit
from embedkit.classification.audit.rows import as_test, of_collection, read_plain
from embedkit.classification.labelled import LabelledRows
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import ColumnError, SourceError
from tests.conftest import Opener
from tests.unit.classification.audit.world import write

LIKE = LabelledRows("q.csv", text=("question",), label="topic", id="id")


def test_columns_are_those_of_the_labelled_rows(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        [("a", "how do I pay", "money"), ("b", "", "money"), ("c", "where is it", "")],
        ("ID", "Question", "Topic"),
    )
    rows = read_plain(path, LIKE)
    assert rows.texts == ["how do I pay", "where is it"]
    assert rows.labels == ["money", ""]
    assert rows.ids == ["a", "c"]
    assert rows.lines == [2, 4]
    assert rows.notes() == [f"{path}: 1 row without a text left out"]
    assert rows.unlabelled().texts == ["where is it"]


def test_a_lone_column_is_the_text_whatever_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [("how do I pay",), ("where is it",)], ("utterance",))
    rows = read_plain(path, LIKE)
    assert rows.texts == ["how do I pay", "where is it"]
    assert rows.labels == rows.ids == ["", ""]


def test_test_rows_without_any_label_have_none(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [("how do I pay",)], ("question",))
    rows = read_plain(path, LIKE)
    vectors = HashingEmbedder(dim=8).embed(rows.texts)
    assert as_test(rows, vectors).labels == []


def test_what_is_no_text_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"question": "ok then"}\n{"question": \n{"question": 7}\n')
    rows = read_plain(path, LIKE)
    assert rows.texts == ["ok then", "7"]
    assert rows.notes() == [f"{path}: 1 row could not be read and left out"]
    path.write_text('{"question": ["a", "b"]}\n{"question": {"x": 1}}\n')
    with pytest.raises(SourceError, match="no rows with a text"):
        read_plain(path, LIKE)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="question"):
        read_plain(write(tmp_path / "a.csv", [("1", "2")], ("quest", "topic")), LIKE)
    with pytest.raises(SourceError, match="no rows with a text"):
        read_plain(write(tmp_path / "b.csv", [("", "x")], ("question", "topic")), LIKE)


def test_records_of_a_collection(opened: Opener, tmp_path: Path) -> None:
    path = write(
        tmp_path / "q.csv",
        [("1", "how do I pay", "money"), ("2", "where is it", "")],
        ("id", "text", "topic"),
    )
    with opened() as collection:
        collection.index(path)
        rows = of_collection(collection, LIKE)
        assert (rows.texts, rows.ids) == (["how do I pay", "where is it"], ["1", "2"])
        assert rows.labels == ["money", ""]
        without = of_collection(collection, LabelledRows("x", label="another"))
        assert without.labels == ["", ""]
        assert without.texts == rows.texts


def test_an_audit_of_a_collection_and_what_it_lacks(opened: Opener, home: Path) -> None:
    labelled = [
        {"id": f"r{i}", "text": f"{verb} {thing}", "topic": topic}
        for i, (verb, thing, topic) in enumerate(
            [("bake", f"bread {i}", "food") for i in range(8)]
            + [("drive", f"a car {i}", "road") for i in range(8)]
            + [("ride", f"a bicycle {i}", None) for i in range(4)]
        )
    ]
    with opened() as collection:
        collection.index(labelled)
        found = embedkit.audit_labels(
            collection, label="topic", unlabelled=collection, embedder="hashing", home=home, next=3
        )
    assert found.rows == 16
    assert len(found.suggestions) == 3
    assert {row.id for row in found.suggestions} <= {"r16", "r17", "r18", "r19"}
    assert any("4 rows without a label set aside" in note for note in found.notes)
