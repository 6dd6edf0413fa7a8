"""Indexing again is a sync by id and content: what is counted, embedded, kept and removed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from embedkit import Record
from embedkit.errors import SourceError


def counts(report):
    return {
        name: getattr(report, name)
        for name in ("new", "changed", "unchanged", "gone", "removed", "failed", "embedded")
        if getattr(report, name)
    }


def sound(report):
    """Check what is true of every report of a run that ended."""
    done = report.new + report.changed + report.unchanged + report.failed
    assert report.records == done, report
    assert report.embedded + report.reused == report.new + report.changed, report
    return report


class Table:
    """A collection fed with rows of a CSV, which checks each report and each plan."""

    def __init__(self, collection, write_csv, header=("id", "text", "lang")):
        self.collection = collection
        self.write = write_csv
        self.header = header

    def put(self, *rows, sync=False, name="source.csv"):
        path = self.write(name, self.header, rows)
        plan = self.collection.index(path, sync=sync, dry_run=True)
        report = sound(self.collection.index(path, sync=sync))
        assert plan.status == "planned"
        assert plan.run is None
        for field in ("records", *counts(plan), *counts(report), "reused", "source", "notes"):
            assert getattr(plan, field) == getattr(report, field), field
        return counts(report)

    def texts(self):
        return {record.id: record.text for record in self.collection}

    def finds_all(self):
        """Each text finds the records that have it, with a score of 1, before all others."""
        texts = self.texts()
        for id, hits in zip(texts, self.collection.search_many(texts.values(), k=10), strict=True):
            equal = {other for other, text in texts.items() if text == texts[id]}
            assert {hit.id for hit in hits[: len(equal)]} == equal
            assert hits[0].score == pytest.approx(1, abs=1e-5)


@pytest.fixture
def model(scripted):
    return scripted()


@pytest.fixture
def table(opened, write_csv, model):
    return Table(opened(embedder=model), write_csv)


def test_counts_of_a_sync(table, model):
    assert table.put(["a", "an apple", "en"], ["b", "a banana", "en"], ["c", "a cherry", "en"]) == {
        "new": 3,
        "embedded": 3,
    }
    model.sent.clear()
    # a stays; b has another text; c has other metadata; d is new.
    report = table.put(
        ["a", "an apple", "en"], ["b", "a blueberry", "en"], ["c", "a cherry", "de"], ["d", "x", ""]
    )
    assert report == {"new": 1, "changed": 2, "unchanged": 1, "embedded": 2}
    assert sorted(model.sent) == ["a blueberry", "x"]
    assert table.collection.get("c") == Record("c", "a cherry", {"lang": "de"})
    assert table.collection.get("d").metadata == {"lang": None}
    model.sent.clear()
    assert table.put(["a", "an apple", "en"], ["b", "a blueberry", "en"]) == {
        "unchanged": 2,
        "gone": 2,
    }
    assert len(table.collection) == 4, "gone is reported, not removed"
    assert table.put(["a", "an apple", "en"], ["b", "a blueberry", "en"], sync=True) == {
        "unchanged": 2,
        "gone": 2,
        "removed": 2,
    }
    assert table.texts() == {"a": "an apple", "b": "a blueberry"}
    assert model.sent == []
    table.finds_all()


def test_a_change_of_metadata_alone_embeds_nothing(table, model):
    table.put(["a", "an apple", "en"])
    model.sent.clear()
    assert table.put(["a", "an apple", "de"]) == {"changed": 1}
    assert model.sent == []
    assert [hit.id for hit in table.collection.search("an apple", where="lang = 'de'")] == ["a"]


def test_texts_swapped_between_ids_end_up_right_and_cost_nothing(table, model):
    table.put(["a", "red", "1"], ["b", "green", "2"], ["c", "blue", "3"])
    model.sent.clear()
    assert table.put(["a", "green", "1"], ["b", "blue", "2"], ["c", "red", "3"]) == {"changed": 3}
    assert model.sent == []
    assert table.texts() == {"a": "green", "b": "blue", "c": "red"}
    table.finds_all()


def test_a_text_moves_to_another_id_for_nothing(table, model):
    table.put(["a", "red", ""], ["b", "green", ""])
    model.sent.clear()
    assert table.put(["a", "yellow", ""], ["c", "red", ""], sync=True) == {
        "new": 1,
        "changed": 1,
        "gone": 1,
        "removed": 1,
        "embedded": 1,
    }
    assert model.sent == ["yellow"]
    assert table.texts() == {"a": "yellow", "c": "red"}
    table.finds_all()
    found = {hit.id for hit in table.collection.search("green", k=5)}
    assert found == {"a", "c"}, "what was removed is not found"


def test_equal_texts_are_embedded_once_and_all_found(table, model):
    assert table.put(["a", "same", "1"], ["b", "other", "2"], ["c", "same", "3"]) == {
        "new": 3,
        "embedded": 2,
    }
    assert sorted(model.sent) == ["other", "same"]
    hits = table.collection.search("same", k=2)
    assert [(hit.rank, hit.id) for hit in hits] == [(1, "a"), (2, "c")]
    assert hits[0].score == hits[1].score
    assert [hit.id for hit in table.collection.similar("a", k=1)] == ["c"]
    # One of them goes; the other keeps its vector.
    table.put(["a", "same", "1"], ["b", "other", "2"], sync=True)
    assert [hit.id for hit in table.collection.search("same", k=1)] == ["a"]
    table.finds_all()


def test_only_records_of_that_source_are_gone(table):
    table.put(["a", "red", ""], ["b", "green", ""], name="one.csv")
    table.put(["c", "blue", ""], ["d", "black", ""], name="two.csv")
    assert table.put(["a", "red", ""], sync=True, name="one.csv") == {
        "unchanged": 1,
        "gone": 1,
        "removed": 1,
    }
    assert set(table.texts()) == {"a", "c", "d"}
    # A record belongs to the source that named it last.
    assert table.put(["a", "red", ""], ["c", "blue", ""], name="two.csv", sync=True) == {
        "unchanged": 2,
        "gone": 1,
        "removed": 1,
    }
    assert table.put(["z", "white", ""], name="one.csv", sync=True) == {"new": 1, "embedded": 1}
    assert set(table.texts()) == {"a", "c", "z"}


def test_without_an_id_column_indexing_twice_changes_nothing(opened, write_csv, model):
    table = Table(opened(embedder=model), write_csv, header=("text", "n"))
    rows = [["red", 1], ["green", 2], ["red", 3], ["red", 4]]
    assert table.put(*rows) == {"new": 4, "embedded": 2}
    ids = list(table.texts())
    assert ids[2] == f"{ids[0]}-2"
    assert ids[3] == f"{ids[0]}-3"
    assert len(set(ids)) == 4
    assert table.put(*rows, sync=True) == {"unchanged": 4}
    assert table.put(["green", 2], ["red", 1], sync=True) == {
        "unchanged": 2,
        "gone": 2,
        "removed": 2,
    }
    assert list(table.texts()) == ids[:2]
    assert sorted(model.sent) == ["green", "red"]


@pytest.mark.parametrize("name", ["id", "ID", "Id"])
def test_a_column_called_id_is_the_id(opened, write_csv, name):
    collection = opened()
    collection.index(write_csv("x.csv", (name, "text"), [["first", "a text"], [" 7 ", "b text"]]))
    assert {record.id: record.metadata for record in collection} == {"first": {}, "7": {}}
    assert [hit.id for hit in collection.search("text", where=f"{name} = '7'")] == ["7"]


def test_bad_rows_are_set_aside_with_their_line_and_reason(table):
    report = table.put(
        ["a", "red", ""],  # line 2
        ["", "no id", ""],
        ["b", "  ", ""],
        ["a", "again", ""],
        ["c", "blue", ""],
        ["a", "once more", ""],
    )
    assert report == {"new": 2, "failed": 4, "embedded": 2}
    failures = table.collection.run(1).failures
    assert [(f.line, f.id, f.reason) for f in failures] == [
        (3, None, "the id is empty"),
        (4, "b", "the text is empty"),
        (5, "a", "the id a is already on line 2"),
        (7, "a", "the id a is already on line 2"),
    ]
    assert failures[2].excerpt == "again"
    assert table.texts() == {"a": "red", "c": "blue"}


def test_a_failed_row_whose_id_is_known_is_not_gone(table):
    table.put(["a", "red", ""], ["b", "green", ""])
    assert table.put(["a", "red", ""], ["b", "", ""], sync=True) == {"unchanged": 1, "failed": 1}
    assert table.texts() == {"a": "red", "b": "green"}


def test_rows_of_which_not_even_the_id_is_known_keep_all_from_removal(table):
    table.put(["a", "red", ""], ["b", "green", ""])
    assert table.put(["a", "red", ""], ["", "green?", ""], sync=True) == {
        "unchanged": 1,
        "gone": 1,
        "failed": 1,
    }
    assert set(table.texts()) == {"a", "b"}
    run = table.collection.run(2)
    assert any("1 records are not in the source any more" in note for note in run.notes)


def test_ragged_lines_keep_all_from_removal(opened, write_csv, tmp_path):
    collection = opened()
    path = tmp_path / "x.csv"
    path.write_text("id,text,n\na,red,1\nb,green,2\nc,blue,3\n")
    collection.index(path)
    path.write_text("id,text,n\na,red,1\nb\n")
    report = sound(collection.index(path, sync=True))
    assert counts(report) == {"unchanged": 1, "gone": 2, "failed": 1}
    assert len(collection) == 3
    assert "not removed" in report.notes[0]


def test_a_dry_run_writes_nothing(opened, home, write_csv, snapshot, model):
    collection = opened(embedder=model)
    rows = [["a", "red", "1"], ["b", "red", "2"], ["", "x", "3"]]
    path = write_csv("x.csv", ("id", "text", "n"), rows)
    plan = collection.index(path, dry_run=True)
    assert counts(plan) == {"new": 2, "failed": 1, "embedded": 1}
    assert not home.exists(), "not even a folder"
    assert model.sent == []
    assert counts(collection.index(path)) == counts(plan)
    before = snapshot(home)
    path = write_csv("x.csv", ("id", "text", "n"), [["a", "blue", "x"]])
    plan = collection.index(path, dry_run=True, sync=True)
    assert counts(plan) == {"changed": 1, "gone": 1, "removed": 1, "embedded": 1}
    assert snapshot(home) == before
    assert collection.info().columns == {"n": "BIGINT"}
    assert counts(collection.index(path, sync=True)) == counts(plan)
    assert collection.info().columns == {"n": "VARCHAR"}


def test_the_columns_of_a_source_are_remembered(opened, write_csv):
    collection = opened()
    header = ("key", "title", "body")
    path = write_csv("x.csv", header, [["k1", "one title of it", "the body of it"]])
    collection.index(path, text="body", id="key")
    write_csv("x.csv", header, [["k1", "one title", "the body"], ["k2", "two of it", "more text"]])
    report = collection.index(path)
    assert counts(report) == {"new": 1, "changed": 1, "embedded": 2}
    assert collection.get("k2") == Record("k2", "more text", {"title": "two of it"})
    assert [hit.id for hit in collection.search("body", where="key = 'k2'")] == ["k2"]


def test_columns_of_records_in_memory_are_not_remembered(opened):
    collection = opened()
    collection.index([{"title": "a title", "text": "ignored here"}], text="title")
    collection.upsert([Record("r", "the text", {"title": "another"})])
    assert collection.get("r").text == "the text"
    assert collection.get("r").metadata["title"] == "another"


def test_several_text_columns_are_joined_and_kept(opened, write_csv):
    collection = opened()
    header = ("id", "title", "body")
    rows = [
        ["1", "Red", "a colour"],
        ["2", "", "only a body"],
        ["3", "only a title", " "],
        [4, "", ""],
    ]
    path = write_csv("x.csv", header, rows)
    report = collection.index(path, text="title,body")
    assert counts(report) == {"new": 3, "failed": 1, "embedded": 3}
    assert collection.get("1") == Record("1", "Red\na colour", {"title": "Red", "body": "a colour"})
    assert collection.get("2").text == "only a body"
    assert collection.get("3").text == "only a title"
    assert counts(collection.index(path)) == {"unchanged": 3, "failed": 1}, "remembered"
    assert [hit.id for hit in collection.search("x", where="body LIKE 'only%'")] == ["2"]


def test_a_source_of_no_rows_leaves_nothing_behind(opened, home, write_csv):
    with pytest.raises(SourceError, match="has no rows"):
        opened().index(write_csv("x.csv", ("id", "text"), []))
    assert not (home / "q").exists()


def test_a_source_of_bad_rows_only_is_recorded(opened, write_csv):
    collection = opened()
    report = sound(collection.index(write_csv("x.csv", ("id", "text"), [["1", ""], ["2", " "]])))
    assert counts(report) == {"failed": 2}
    assert len(collection) == 0
    assert collection.search("x") == []
    assert len(collection.run(1).failures) == 2


def test_upsert_replaces_delete_removes_and_order_is_that_of_arrival(opened, model):
    collection = opened(embedder=model)
    collection.upsert([("b", "blue"), ("a", "red")])
    collection.upsert(Record("c", "green", {"n": 1}))
    sound(collection.upsert([{"id": "b", "text": "black", "n": 2}, ("d", "red")]))
    assert list(collection) == [
        Record("b", "black", {"n": 2}),
        Record("a", "red", {"n": None}),
        Record("c", "green", {"n": 1}),
        Record("d", "red", {"n": None}),
    ]
    assert sorted(model.sent) == ["black", "blue", "green", "red"]
    assert collection.delete(["a", "nowhere", "c"]) == 2
    assert collection.delete("nowhere") == 0
    assert collection.delete([]) == 0
    assert [record.id for record in collection] == ["b", "d"]
    assert [hit.id for hit in collection.search("red", k=9)] == ["d", "b"]
    collection.upsert([("a", "red")])
    assert [record.id for record in collection] == ["b", "d", "a"]
    assert model.sent.count("red") == 1, "the vector of a deleted record is found again"


def test_data_frames_and_iterators(opened, model):
    collection = opened(embedder=model)
    frame = pd.DataFrame(
        {"id": ["a", "b"], "text": ["red", "blue"], "n": [1.5, np.nan], "ok": [True, False]}
    )
    sound(collection.upsert(frame))
    assert collection.get("b") == Record("b", "blue", {"n": None, "ok": False})
    assert counts(collection.index(frame)) == {"unchanged": 2}
    sound(collection.upsert(record for record in [("c", "green"), ("a", "red")]))
    assert collection.get("a").metadata == {"n": None, "ok": None}, "replaced, not merged"
    assert counts(collection.index(iter(["a bare text", "another"]))) == {
        "new": 2,
        "gone": 1,
        "embedded": 2,
    }
