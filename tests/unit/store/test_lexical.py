"""The index of words in the store: current after every commit, sound or mended."""

from __future__ import annotations

import dataclasses
import gc
import logging
import os
import shutil
import threading
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embedkit
from embedkit import Record
from embedkit.errors import DamagedError
from embedkit.lexical import words
from embedkit.store import lexical, publisher
from embedkit.store.layout import Layout
from embedkit.store.manifest import Manifest

FEW = 20
WORDS = [
    "apple",
    "bridge",
    "cloud",
    "desk",
    "engine",
    "forest",
    "garden",
    "house",
    "island",
    "jungle",
]
ANALYZER = words.analyzer()


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Collections of a few records have an index on disk."""
    monkeypatch.setattr(lexical, "LEAST_TAIL", FEW)


def records(n, seed=0, start=0):
    generator = np.random.default_rng(seed)
    return [
        Record(f"r{i}", f"n{i} " + " ".join(generator.choice(WORDS, 5)))
        for i in range(start, start + n)
    ]


def found(collection, query, k=1000, **options):
    return [hit.id for hit in collection.search(query, k=k, mode="lexical", **options)]


def manifest(collection):
    return Manifest.read(Layout(collection.path).manifest)


def holding(collection, word):
    term = ANALYZER.analyze(words.cut(word))[0]
    return {r.id for r in collection if term in ANALYZER.analyze(words.cut(r.text))}


@pytest.fixture
def full(opened):
    collection = opened()
    collection.upsert(records(60))
    return collection


def test_what_a_killed_publication_left_is_no_hindrance(full):
    number = manifest(full).generation + 1
    left = Layout(full.path).lexical(number) / "tantivy"
    left.mkdir(parents=True)
    (left / "meta.json").write_text("{")
    (left / ".tantivy-writer.lock").touch()
    full.upsert(records(FEW + 5, start=60))
    assert manifest(full).lexical.folder == f"lexical-{number}"
    assert found(full, "n70") == ["r70"]
    assert all(finding.ok for finding in full.check())


def test_few_records_need_no_files(opened):
    collection = opened()
    collection.upsert(records(FEW))
    assert manifest(collection).lexical is None
    assert found(collection, "n7") == ["r7"]


def test_many_records_have_an_index_on_disk(full):
    entry = manifest(full).lexical
    assert entry is not None
    assert (full.path / entry.folder / "tantivy" / "meta.json").exists()
    assert found(full, "n7") == ["r7"]
    assert set(found(full, "apple")) == holding(full, "apple")


def test_what_was_just_committed_is_found_and_costs_no_new_index(full):
    before = manifest(full).lexical
    assert found(full, "n5") == ["r5"]
    full.upsert([Record("new", "a zyzzyva, ORA-00942"), Record("r6", "something else")])
    full.delete(["r5"])
    assert manifest(full).lexical == before
    assert found(full, "zyzzyva") == found(full, "ora-00942") == ["new"]
    assert found(full, "n5") == found(full, "n6") == []
    assert found(full, "something") == ["r6"]
    full.upsert([Record("r5", records(60)[5].text)])
    assert found(full, "n5") == ["r5"]


def test_many_new_records_extend_the_index_and_share_its_files(full):
    before = manifest(full).lexical
    full.upsert(records(FEW + 5, start=60))
    after = manifest(full).lexical
    assert after != before
    old = full.path / before.folder / "tantivy"
    linked = [path for path in old.iterdir() if path.stat().st_nlink > 1]
    assert linked or os.name == "nt"
    assert found(full, "n3") == ["r3"]
    assert found(full, f"n{60 + FEW}") == [f"r{60 + FEW}"]
    for start in (200, 300):
        full.upsert(records(FEW + 5, start=start))
    folders = {path.name for path in full.path.glob("lexical-*")}
    assert before.folder not in folders, "what no generation needs goes"
    assert len(folders) == 2


def test_many_deletions_build_the_index_anew(full):
    full.upsert(records(60, start=60))
    full.delete([f"r{i}" for i in range(70)])
    folder = full.path / manifest(full).lexical.folder
    assert lexical.About.load(folder).rows.sum() == 50
    assert set(found(full, "apple")) == holding(full, "apple")


def test_records_of_one_text_are_found_together(full):
    full.upsert([Record("twin", records(60)[9].text)])
    assert set(found(full, "n9")) == {"r9", "twin"}
    full.delete(["r9"])
    assert found(full, "n9") == ["twin"]


@given(st.lists(st.tuples(st.sampled_from("ud"), st.integers(0, 90)), max_size=4))
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_done_words_find_what_holds_them(opened, tmp_path, steps):
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
    collection = opened()
    collection.upsert(records(30))
    for step, (action, at) in enumerate(steps):
        if action == "d":
            collection.delete([f"r{i}" for i in range(at, at + 7)])
        else:
            collection.upsert(records(9 + at % 30, seed=step, start=at))
        for word in ("apple", "n20", f"n{at}"):
            assert set(found(collection, word)) == holding(collection, word)


def test_filters_fill_k(full):
    full.upsert([{"id": f"s{i}", "text": f"apple {i}", "n": i} for i in range(40)])
    matching = [f"s{i}" for i in range(40) if i % 4 == 0]
    assert set(found(full, "apple", k=10, where="n % 4 = 0")) <= set(matching)
    assert len(found(full, "apple", k=10, where="n % 4 = 0")) == 10
    assert found(full, "apple", where="n = 39") == ["s39"]


@pytest.mark.parametrize("part", ["meta.json", "store", "words.json", "files.json"])
@pytest.mark.parametrize("harm", ["cut", "delete"])
def test_damage_is_told_and_searching_goes_on(full, opened, caplog, part, harm):
    folder = full.path / manifest(full).lexical.folder
    path = next(path for path in sorted(folder.rglob("*")) if path.name.endswith(part))
    data = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING, "embedkit"):
        assert found(opened(), "n7") == ["r7"]
    assert "the index of words" in caplog.text
    assert "embedkit rebuild q" in caplog.text
    findings = {finding.part: finding for finding in full.check()}
    assert not findings["lexical"].ok
    assert findings["lexical"].remedy == "run: embedkit rebuild q"
    assert all(finding.ok for part, finding in findings.items() if part != "lexical")
    assert all(finding.ok for finding in full.repair())
    assert all(finding.ok for finding in full.check())
    assert found(opened(), "n7") == ["r7"]


def test_a_damaged_index_is_made_anew_by_the_next_run(full, caplog):
    folder = full.path / manifest(full).lexical.folder
    (folder / "rows.npy").unlink()
    with caplog.at_level(logging.WARNING, "embedkit"):
        full.upsert([Record("new", "a zyzzyva")])
    assert "made anew" in caplog.text
    assert all(finding.ok for finding in full.check())
    assert found(full, "zyzzyva") == ["new"]


def test_a_collection_without_an_index_gets_one(full, opened):
    layout = Layout(full.path)
    old = dataclasses.replace(manifest(full), lexical=None)
    shutil.rmtree(full.path / manifest(full).lexical.folder)
    old.write(layout.manifest)
    reader = opened()
    assert found(reader, "n7") == ["r7"], "made for the process meanwhile"
    full.upsert([Record("new", "a zyzzyva")])
    assert manifest(full).lexical is not None
    assert found(reader, "zyzzyva") == ["new"]


def test_an_index_of_an_earlier_cutting_is_made_anew(full, opened, monkeypatch):
    before = manifest(full).lexical
    monkeypatch.setattr(words, "ANALYSIS", words.ANALYSIS + 1)
    assert found(opened(), "n7") == ["r7"]
    full.upsert([Record("new", "a zyzzyva")])
    assert manifest(full).lexical != before
    assert found(full, "n7") == ["r7"]


def unindexed(collection):
    """Publish a collection again as one without an index of words."""
    old = dataclasses.replace(manifest(collection), lexical=None)
    old.write(Layout(collection.path).manifest)


def held(collection):
    collection.search("apple", mode="lexical")
    return collection._existing()._lexical


def test_an_index_made_for_the_process_stays_while_it_is_in_use(full, opened):
    harm(full)
    reader = opened()
    folder = Path(held(reader).made.name)
    for i in range(3):
        full.upsert([Record(f"new{i}", f"a zyzzyva {i}")])
        assert found(reader, f"n{i}") == [f"r{i}"]
        assert set(found(reader, "zyzzyva")) == {f"new{j}" for j in range(i + 1)}
        gc.collect()
        assert held(reader).made.name == str(folder)
        assert (folder / "lexical" / "tantivy" / "meta.json").exists()


def test_an_index_made_for_the_process_serves_while_little_changes(full, opened):
    reader = opened()
    unindexed(full)
    first = held(reader).base
    assert first is not None
    full.upsert([Record("new", "a zyzzyva"), Record("r5", "a capybara")])
    full.delete(["r6"])
    unindexed(full)
    assert held(reader).base is first
    assert held(reader).index.sizes == (58, 2)
    assert found(reader, "zyzzyva") == ["new"]
    assert found(reader, "capybara") == ["r5"]
    assert found(reader, "n5") == found(reader, "n6") == []
    assert found(reader, "n7") == ["r7"]
    full.upsert(records(FEW, start=100))
    unindexed(full)
    assert held(reader).base is not first
    assert held(reader).index.sizes == (80, 0)
    assert found(reader, "n110") == ["r110"]
    assert found(reader, "zyzzyva") == ["new"]
    folder = Path(held(reader).made.name)
    assert folder.exists()
    reader.close()
    gc.collect()
    assert not folder.exists()


def test_an_index_made_for_the_process_is_not_used_for_another_collection(full, opened):
    reader = opened()
    unindexed(full)
    assert found(reader, "n7") == ["r7"]
    embedkit.delete("q", home=full.home)
    again = opened()
    again.upsert([Record(f"s{i}", f"m{i}") for i in range(60)])
    unindexed(again)
    assert held(reader).made is not None
    assert found(reader, "m7") == ["s7"]
    assert found(reader, "n7") == []


def test_a_failure_to_read_the_texts_names_the_file(full, opened, monkeypatch):
    def fail(*_, **__):
        raise duckdb.IOException("Could not read enough bytes")

    monkeypatch.setattr(publisher, "LEAST_SNAPSHOT", 0)
    full.upsert([Record("new", "a zyzzyva")])
    now = manifest(full)
    assert now.snapshot < now.generation
    monkeypatch.setattr(lexical, "row_texts", fail)
    with pytest.raises(DamagedError, match="Could not read") as caught:
        found(opened(), "n7")
    path = Layout(full.path).records(now.snapshot)
    assert path.exists()
    assert str(path) in caught.value.message


def own_index(collection):
    from embedkit.store.view import open_view

    view = open_view(Layout(collection.path))
    by_row = dict(view.query("SELECT row, string_agg(id, ' ' ORDER BY id) FROM records GROUP BY 1"))

    def search(query):
        keys = view.lexical.search([query], 5).keys[0]
        return sorted(" ".join(by_row[k] for k in keys.tolist() if k >= 0).split())

    return search


@pytest.mark.parametrize("embedder", [None, "hashing"])
@pytest.mark.parametrize("n", [FEW // 2, 3 * FEW])
def test_texts_that_change_under_a_vector_of_ones_own_are_noticed(opened, embedder, n):
    collection = opened(embedder=embedder)
    dim = 4 if embedder is None else collection.embedder.dim
    vectors = np.random.default_rng(0).normal(size=(n, dim)).astype(np.float32)
    collection.upsert([(f"a{i}", f"r{i}") for i in range(n)], vectors=vectors)
    collection.upsert([("twin", "crimson")], vectors=vectors[:1])
    search = own_index(collection)
    assert search("crimson") == search("r0") == ["a0", "twin"]
    collection.upsert([("a0", "blue")], vectors=vectors[:1])
    search = own_index(collection)
    assert search("r0") == []
    assert search("blue") == search("crimson") == ["a0", "twin"]
    collection.delete(["twin"])
    search = own_index(collection)
    assert search("crimson") == []
    assert search("blue") == ["a0"]


def harm(collection, name=".store"):
    """Damage the index of words where neither the writer nor a reader that has it open looks."""
    folder = collection.path / manifest(collection).lexical.folder
    path = next(path for path in sorted(folder.rglob("*")) if path.name.endswith(name))
    data = path.read_bytes()
    path.unlink()  # it may be shared with another index
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("damaged", [False, True])
def test_all_texts_of_a_row_are_found_without_the_index_on_disk(opened, caplog, damaged):
    collection = opened()
    vectors = np.random.default_rng(0).normal(size=(3 * FEW, collection.embedder.dim))
    collection.upsert([(f"a{i}", f"r{i}") for i in range(3 * FEW)], vectors=vectors)
    collection.upsert([("twin", "crimson")], vectors=vectors[:1])
    if damaged:
        harm(collection)
    else:
        unindexed(collection)
    search = own_index(collection)
    assert search("crimson") == search("r0") == ["a0", "twin"]
    assert ("the index of words" in caplog.text) == damaged


def test_an_index_of_before_there_were_vectors_of_ones_own_still_serves(full, monkeypatch):
    old = manifest(full).lexical
    vector = np.ones((1, full.embedder.dim), np.float32)

    def keep(writer, *_, **__):
        return writer.manifest.lexical

    # As in a long run, which makes the index at its end.
    monkeypatch.setattr(publisher, "update_lexical", keep)
    full.upsert([("mine", "a zyzzyva"), ("also", "a capybara")], vectors=vector.repeat(2, 0))
    assert manifest(full).lexical == old
    search = own_index(full)
    assert search("zyzzyva") == search("capybara") == ["also", "mine"]
    assert search("n7") == ["r7"]
    assert held(full).made is None
    assert held(full).index.sizes == (60, 1)


def test_vectors_of_ones_own_among_those_of_a_model(full):
    full.upsert([Record("first", "a quokka")])
    vector = np.ones((1, full.embedder.dim), np.float32)
    full.upsert([("mine", "a zyzzyva")], vectors=vector)
    assert found(full, "zyzzyva") == ["mine"]
    full.upsert([("mine", "a capybara")], vectors=vector)
    assert found(full, "capybara") == ["mine"]
    assert found(full, "zyzzyva") == []
    assert found(full, "quokka") == ["first"]


def test_passages_are_indexed_each_with_its_text(opened):
    collection = opened(chunk="tokens=8,overlap=0")
    text = " ".join(f"Sentence{i} speaks of t{i}, at some length." for i in range(12))
    collection.upsert([Record("long", text), *records(30)])
    from embedkit.store.view import open_view

    view = open_view(Layout(collection.path))
    rows = [int(view.lexical.search([f"t{i}"], 2).keys[0][0]) for i in (0, 11)]
    assert -1 not in rows
    assert rows[0] != rows[1], "two passages of one record"
    assert found(collection, "t11") == ["long"]


def test_threads_search_while_another_writes(full):
    errors, stop = [], threading.Event()

    def search():
        while not stop.is_set():
            try:
                assert found(full, "n7") == ["r7"]
            except Exception as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for i in range(3):
            full.upsert(records(FEW, seed=i, start=100 + 30 * i))
            assert found(full, f"n{100 + 30 * i}") == [f"r{100 + 30 * i}"], "nothing stale"
            full.delete([f"r{100 + 30 * i + j}" for j in range(5)])
            assert found(full, f"n{100 + 30 * i}") == []
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors
