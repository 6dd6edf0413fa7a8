"""A collection from outside: opening, models, searching, what it says of itself."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import embedkit
from embedkit import Record
from embedkit.errors import (
    CollectionNotFoundError,
    FormatVersionError,
    InvalidInputError,
    ModelMismatchError,
    RecordNotFoundError,
    UnknownBackendError,
)
from embedkit.store import warm

ROWS = [
    Record("q1", "how do I get my money back", {"lang": "en", "votes": 3}),
    Record("q2", "where is my parcel", {"lang": "en", "votes": 7}),
    Record("q3", "wie bekomme ich mein Geld", {"lang": "de", "votes": 1}),
]


@pytest.fixture
def filled(opened):
    collection = opened()
    collection.upsert(ROWS)
    return collection


def test_opening_makes_nothing(opened, home):
    collection = opened()
    assert len(collection) == 0
    assert bool(collection)
    assert list(collection) == []
    for work in (
        lambda: collection.search("x"),
        lambda: collection.get("x"),
        lambda: "x" in collection,
        lambda: collection.delete("x"),
        lambda: collection.similar("x"),
        collection.info,
        collection.runs,
        collection.check,
        collection.repair,
        collection.rebuild,
    ):
        with pytest.raises(CollectionNotFoundError, match="embedkit index FILE -c q"):
            work()
    assert not home.exists()


def test_records_are_found_got_listed_and_counted(filled):
    hits = filled.search("how do I get my money back", k=2)
    assert (hits[0].rank, hits[0].id, hits[0].text) == (1, "q1", ROWS[0].text)
    assert hits[0].metadata == {"lang": "en", "votes": 3}
    assert hits[0].score == pytest.approx(1, abs=1e-5)
    assert hits[1].score < hits[0].score
    assert list(filled) == ROWS
    assert filled.get("q2") == ROWS[1]
    assert len(filled) == 3
    assert "q1" in filled
    assert "q9" not in filled
    assert 3 not in filled
    with pytest.raises(
        RecordNotFoundError, match="no record 'q9' in collection 'q'; ids look like 'q1'"
    ):
        filled.get("q9")
    with pytest.raises(RecordNotFoundError):
        filled.similar("q9")


def test_neighbours_leave_the_record_itself_out(filled):
    assert "q1" not in {hit.id for hit in filled.similar("q1", k=2)}
    assert len(filled.similar("q1", k=10)) == 2
    assert [hit.rank for hit in filled.similar("q1")] == [1, 2]


def test_many_queries_answer_in_their_order(filled):
    many = filled.search_many(["where is my parcel", "wie bekomme ich mein Geld"], k=1)
    assert [hits[0].id for hits in many] == ["q2", "q3"]
    assert filled.search_many([]) == []


MEANINGLESS = [
    lambda c: c.search(""),
    lambda c: c.search("  \n"),
    lambda c: c.search(None),
    lambda c: c.search("x", k=0),
    lambda c: c.search("x", k=-1),
    lambda c: c.search("x", k=2.5),
    lambda c: c.search("x", k=True),
    lambda c: c.search_many("one text"),
    lambda c: c.search_many(["x", 3]),
    lambda c: c.search_vectors(np.ones((1, 3))),
    lambda c: c.search_vectors(np.full((1, 384), np.nan)),
    lambda c: c.search_vectors("x"),
    lambda c: c.similar("q1", k=0),
    lambda c: c.run(99),
    lambda c: c.upsert([]),
    lambda c: c.upsert("text"),
    lambda c: c.upsert([3]),
    lambda c: c.upsert(None),
    lambda c: c.index([]),
    lambda c: c.index(3),
    lambda c: c.rebuild("nowhere"),
    lambda c: c.rebuild("flat?x=1"),
]


def test_what_cannot_be_meant_is_refused_and_changes_nothing(filled):
    for number, work in enumerate(MEANINGLESS):
        with pytest.raises(embedkit.EmbedkitError) as caught:
            work(filled)
        assert isinstance(caught.value, (ValueError, LookupError)), number
    assert list(filled) == ROWS


def test_another_model_is_refused_and_both_are_named(filled, opened, scripted):
    with pytest.raises(ModelMismatchError) as caught:
        opened(embedder="hashing?dim=64")
    assert "was filled by hashing-1 dim=384, not by hashing-1 dim=64" in str(caught.value)
    with pytest.raises(ModelMismatchError, match="not by scripted"):
        opened(embedder=scripted())
    with pytest.raises(UnknownBackendError):
        opened(embedder="nowhere")
    with pytest.raises(UnknownBackendError):
        opened(index="nowhere")
    assert [hit.id for hit in opened(embedder=None).search("my parcel", k=1)] == ["q2"]


def test_an_embedder_of_ones_own_must_be_passed_again(opened, scripted):
    opened(embedder=scripted()).upsert(ROWS)
    bare = opened(embedder=None)
    assert len(bare) == 3
    assert bare.similar("q1", k=1)
    with pytest.raises(InvalidInputError, match="scripted; pass it as embedder="):
        bare.search("x")
    assert [hit.id for hit in opened(embedder=scripted()).search("my parcel", k=1)] == ["q2"]
    with pytest.raises(ModelMismatchError, match="filled by scripted, not by other"):
        opened(embedder=scripted(model_id="other"))


def test_what_a_collection_says_of_itself(filled):
    info = filled.info()
    assert (info.name, info.records, info.dim, info.metric) == ("q", 3, 384, "cosine")
    assert (info.embedder, info.model_id) == ("hashing", "hashing-1 dim=384")
    assert info.index == "auto (flat)"
    assert info.columns == {"lang": "VARCHAR", "votes": "BIGINT"}
    assert info.bytes == sum(p.stat().st_size for p in filled.path.rglob("*") if p.is_file())
    assert info.last_run.run == 1
    assert info.to_dict()["last_run"]["counts"]["new"] == 3
    assert [run.status for run in filled.runs()] == ["done"]
    assert filled.run(1).source == "upsert"
    assert all(finding.ok for finding in filled.check())
    assert {f.part for f in filled.check(thorough=False)} == {
        "manifest",
        "records",
        "vectors",
        "index",
        "work",
    }


def test_the_index_changes_with_rebuild_and_stays(filled, opened):
    assert filled.rebuild("turbovec").index == "turbovec"
    generation = filled.info().generation
    filled.upsert([("q4", "another question")])
    assert filled.info().index == "turbovec"
    assert filled.info().generation == generation + 1
    assert opened(index="flat").info().index == "turbovec", "only a write changes it"
    opened(index="flat").upsert([("q5", "yet another question")])
    assert filled.info().index == "flat"
    assert {hit.id for hit in filled.search("question", k=9)} == {"q1", "q2", "q3", "q4", "q5"}


def test_closing_lets_go_and_the_next_use_opens_again(filled):
    with filled as same:
        assert same is filled
        assert len(same.search("parcel")) == 3
    filled.close()
    filled.close()
    assert [hit.id for hit in filled.search("my parcel", k=1)] == ["q2"]
    assert repr(filled).startswith("Collection('q', home=")


def test_an_empty_collection_can_be_searched_and_filled_again(filled):
    assert filled.delete(["q1", "q2", "q3"]) == 3
    assert filled.search("parcel") == []
    assert filled.search_many(["a", "b"], where="votes > 1") == [[], []]
    assert list(filled) == []
    assert filled.rebuild().records == 0
    report = filled.upsert(ROWS[:1])
    assert (report.new, report.embedded, report.reused) == (1, 0, 1)
    assert [hit.id for hit in filled.search("money")] == ["q1"]


def test_a_copied_collection_is_a_collection(filled, home, tmp_path):
    import shutil

    shutil.copytree(home / "q", tmp_path / "elsewhere" / "copy")
    copy = embedkit.open("copy", home=tmp_path / "elsewhere")
    copy.delete("q1")
    assert [hit.id for hit in copy.search("my parcel", k=1)] == ["q2"]
    assert (len(copy), len(filled)) == (2, 3)


def test_a_collection_of_a_newer_format_is_refused_when_opened(filled, opened):
    from dataclasses import replace

    from embedkit.store.manifest import Manifest

    path = filled.path / "manifest.json"
    replace(Manifest.read(path), format=99).write(path)
    with pytest.raises(FormatVersionError, match="upgrade embedkit"):
        opened()


def test_an_index_that_is_damaged_is_done_without_and_rebuilt(filled, opened, caplog):
    filled.rebuild("turbovec")
    right = filled.search("my parcel")
    [folder] = [
        p for p in filled.path.glob("index-*") if p.name == f"index-{filled.info().generation}"
    ]
    (folder / "base.json").write_text("{}")
    fresh = opened()
    assert fresh.search("my parcel") == right
    assert "embedkit rebuild q" in caplog.text
    assert [f.part for f in fresh.check() if not f.ok] == ["index"]
    fresh.rebuild()
    assert all(finding.ok for finding in fresh.check())
    assert fresh.search("my parcel") == right


def test_columns_that_differ_by_case_are_one(opened):
    collection = opened()
    collection.upsert([{"id": "a", "text": "one thing", "Lang": "en"}])
    collection.upsert([{"id": "b", "text": "another thing", "lang": "de"}])
    assert {record.id: record.metadata for record in collection} == {
        "a": {"Lang": "en"},
        "b": {"Lang": "de"},
    }
    assert [hit.id for hit in collection.search("thing", where="LANG = 'de'")] == ["b"]


def test_a_first_run_that_was_killed_is_told_from_no_collection(opened, home):
    (home / "q").mkdir(parents=True)
    (home / "q" / "work.duckdb").write_bytes(b"begun")
    with pytest.raises(CollectionNotFoundError, match="its first run did not end"):
        opened().search("x")


def test_a_collection_made_meanwhile_by_another_model_is_refused(opened, home):
    from embedkit.store.layout import Layout
    from embedkit.store.manifest import Model
    from embedkit.store.publisher import Settings
    from embedkit.store.writer import Writer

    opened().upsert(ROWS)
    late = Settings(Model("other", "another model", 384), "cosine", "flat")
    with pytest.raises(ModelMismatchError, match="another model"), Writer(Layout(home / "q"), late):
        raise AssertionError("the session began")
    assert len(opened()) == len(ROWS)


def test_an_upsert_says_nothing_of_the_records_it_leaves_out(opened):
    collection = opened()
    collection.upsert(ROWS)
    assert collection.upsert([("q9", "a new one")]).gone == 0
    collection.index([{"id": "q1", "text": "another question"}], sync=True)
    assert {record.id for record in collection} == {"q1", "q2", "q3", "q9"}


def test_a_k_beyond_all_reason_costs_nothing(filled):
    assert len(filled.search("money", k=2**40)) == len(ROWS)
    assert len(filled.similar("q1", k=2**40)) == len(ROWS) - 1


def test_many_records_of_one_text_come_as_far_as_they_are_wanted(opened):
    collection = opened()
    rows = [{"id": f"n{i}", "text": "n/a", "odd": bool(i % 2)} for i in range(300)]
    collection.upsert([*rows, {"id": "other", "text": "where is my parcel", "odd": True}])
    assert [hit.id for hit in collection.search("n/a", k=3)] == ["n0", "n1", "n2"]
    odd = collection.search("n/a", k=4, where="odd")
    assert [hit.id for hit in odd] == ["n1", "n3", "n5", "n7"]
    assert [hit.id for hit in collection.similar("n1", k=2)] == ["n0", "n2"]
    assert len(collection.search("n/a", k=400)) == 301


def test_closing_while_others_read_harms_nobody(filled):
    first = iter(filled)
    next(first)
    filled.close()
    assert next(first).id == "q2"
    assert len(filled.search("money", k=1)) == 1


def test_an_index_whose_library_is_gone_is_searched_exactly(filled, monkeypatch, caplog):
    filled.rebuild("annoy")
    import dataclasses

    from embedkit import registry

    broken = [
        dataclasses.replace(row, target="embedkit.missing:X", requires=("embedkit",))
        if row.name == "annoy"
        else row
        for row in registry.ROWS
    ]
    monkeypatch.setattr(registry, "ROWS", tuple(broken))
    again = embedkit.open("q", home=filled.home)
    assert again.search("where is my parcel", k=1)[0].id == "q2"
    assert again.upsert([("q4", "a new one")]).new == 1
    assert len(again.search("new", k=10)) == 4


def test_threads_keep_one_thing_between_calls(filled, monkeypatch):
    met = threading.Barrier(2)

    class Slow(warm.Warm):
        def __init__(self):
            # A second thread would come here while the first one is.
            with contextlib.suppress(threading.BrokenBarrierError):
                met.wait(0.3)
            super().__init__()

    monkeypatch.setattr(warm, "Warm", Slow)
    filled.close()
    with ThreadPoolExecutor(2) as threads:
        reading = threads.submit(filled._refreshed)
        kept = [threads.submit(filled._kept).result(), filled._kept()]
        view = reading.result()
    assert kept[0] is kept[1]
    assert view._opened is kept[0].opened
