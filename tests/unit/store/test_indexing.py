"""The index of a collection is kept up to its contract, whatever is added and deleted."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from embedkit import open as open_collection
from embedkit.errors import InvalidInputError, StorageError
from embedkit.indexes.promise import RECALL
from embedkit.store.manifest import FORMAT, Manifest
from embedkit.store.publisher import Settings
from embedkit.store.writer import Writer
from embedkit.testing import clustered_vectors

ROWS, DIM = 4500, 24
"""More than are searched beside an index that is not there yet."""


def records(start, end):
    return [{"id": str(i), "text": f"text {i}"} for i in range(start, end)]


def filled(home, rows=ROWS, **options):
    collection = open_collection("q", home=home, **options)
    vectors = clustered_vectors(9000, DIM)
    collection.upsert(records(0, rows), vectors=vectors[:rows])
    return collection


def entry(collection):
    return Manifest.read(collection.path / "manifest.json").index


def test_what_was_measured_is_kept_and_shown(tmp_path):
    info = filled(tmp_path, index="usearch").info()
    measured = info.measurement
    assert (info.index, info.recall) == ("usearch", RECALL)
    assert measured.met
    assert measured.queries > 0
    assert measured.low >= RECALL
    assert measured.rows == ROWS
    again = open_collection("q", home=tmp_path)
    assert again.info().measurement == measured
    assert json.loads(json.dumps(info.to_dict(), default=str))["measurement"]["target"] == RECALL


def test_readers_search_with_the_setting_that_was_measured(tmp_path):
    collection = filled(tmp_path, index="usearch")
    # Whatever the default is, it is not this.
    path = collection.path / "manifest.json"
    manifest = Manifest.read(path)
    body = manifest.index.measurement.to_dict() | {"setting": {"ef_search": 77}}
    measurement = type(manifest.index.measurement).from_dict(body)
    replace(manifest, index=replace(manifest.index, measurement=measurement)).write(path)
    reader = open_collection("q", home=tmp_path)
    reader.search_vectors(clustered_vectors(1, DIM), 3)
    assert reader._read(lambda view: view.index.backend.setting) == {"ef_search": 77}


def test_a_collection_of_before_is_measured_at_the_next_write(tmp_path):
    collection = filled(tmp_path, index="usearch")
    path = collection.path / "manifest.json"
    manifest = Manifest.read(path)
    replace(manifest, index=replace(manifest.index, measurement=None)).write(path)
    collection = open_collection("q", home=tmp_path)
    assert collection.info().measurement is None
    collection.delete("5")
    assert collection.info().measurement.met
    assert entry(collection).folder == manifest.index.folder, "it was built again"


def test_deletes_are_noticed_and_recall_is_measured_again(tmp_path):
    collection = filled(tmp_path, index="usearch", rows=5000)
    before = entry(collection)
    collection.delete([str(i) for i in range(100)])
    assert entry(collection) == before, "a few deletes are no reason to measure"
    collection.delete([str(i) for i in range(100, 1100)])
    after = entry(collection)
    assert after.folder == before.folder, "it was built again"
    assert after.measurement.changed == 1100
    assert after.measurement.rows == 3900
    assert after.measurement.met


def test_many_new_records_build_it_again(tmp_path):
    collection = filled(tmp_path, index="turbovec")
    before = entry(collection)
    vectors = clustered_vectors(9000, DIM)
    collection.upsert(records(ROWS, 9000), vectors=vectors[ROWS:9000])
    after = entry(collection)
    assert after.folder != before.folder
    assert (after.measurement.rows, after.measurement.changed) == (9000, 0)


def test_another_contract_is_kept_from_the_next_write_on(tmp_path):
    filled(tmp_path, index="usearch")
    collection = open_collection("q", home=tmp_path, recall=1)
    assert collection.info().recall == RECALL
    collection.delete("1")
    info = collection.info()
    assert (info.recall, info.index) == (1, "usearch (flat)")
    body = json.loads((collection.path / "manifest.json").read_text())
    assert (body["format"], body["recall"]) == (FORMAT, 1)
    # It is the collection's, not this session's.
    again = open_collection("q", home=tmp_path)
    again.delete("2")
    assert again.info().recall == 1
    back = again.rebuild(recall=0.9)
    assert (back.recall, back.index, back.measurement.target) == (0.9, "usearch", 0.9)
    assert open_collection("q", home=tmp_path).info().recall == 0.9


@pytest.mark.parametrize("recall", [0, 1.5])
def test_what_cannot_be_promised_is_refused(tmp_path, recall):
    with pytest.raises(InvalidInputError, match=r"in \(0, 1\]"):
        open_collection("q", home=tmp_path, recall=recall)
    collection = filled(tmp_path, rows=5)
    with pytest.raises(InvalidInputError, match=r"in \(0, 1\]"):
        collection.rebuild(recall=recall)
    assert collection.info().recall == RECALL


def test_a_contract_that_cannot_be_kept_is_said_and_not_tried_at_every_write(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((9200, 96)).astype(np.float32)
    poor = "usearch?m=2&ef_construction=1"
    collection = open_collection("q", home=tmp_path, index=poor, recall=0.995)
    report = collection.upsert(records(0, ROWS), vectors=vectors[:ROWS])
    assert any("search is exact" in note for note in report.notes)
    info = collection.info()
    assert info.index == f"{poor} (flat)"
    assert "search is exact" in info.measurement.note
    before = entry(collection)
    collection.delete("7")
    assert entry(collection) == before
    # Twice the rows are another collection: it is tried again.
    collection.upsert(records(ROWS, 9200), vectors=vectors[ROWS:])
    assert entry(collection).measurement.tried[0].spec == poor
    assert entry(collection).folder != before.folder


def test_the_time_of_exact_search_is_measured_again_as_it_grows(tmp_path):
    collection = filled(tmp_path, rows=100)
    assert collection.info().measurement.rows == 100
    collection.upsert(records(100, 105), vectors=clustered_vectors(5, DIM))
    assert collection.info().measurement.rows == 100
    collection.upsert(records(105, 200), vectors=clustered_vectors(95, DIM))
    assert collection.info().measurement.rows == 200


def settings_seen(collection):
    collection.search_vectors(clustered_vectors(1, DIM), 3)
    return collection._read(lambda view: view.index.backend.setting["ef_search"])


def tune_in_manifest(collection, ef_search):
    """Publish what another process that measured the index again would."""
    path = collection.path / "manifest.json"
    manifest = Manifest.read(path)
    measurement = replace(manifest.index.measurement, setting={"ef_search": ef_search})
    tuned = replace(manifest.index, measurement=measurement)
    replace(manifest, index=tuned).write(path)


def test_a_reader_that_stays_open_takes_up_a_new_setting(tmp_path):
    collection = filled(tmp_path, index="usearch")
    reader = open_collection("q", home=tmp_path)
    first = settings_seen(reader)
    view = reader._refreshed()
    open_collection("q", home=tmp_path).delete("7")
    tune_in_manifest(collection, 777)
    assert settings_seen(reader) == 777
    assert view.index.backend.setting["ef_search"] == first, "an older generation was changed"
    assert reader._refreshed().index.backend._index is view.index.backend._index


def test_a_publication_that_fails_changes_no_setting(tmp_path, monkeypatch):
    # Vectors without any structure: 64 is too little for them.
    vectors = np.random.default_rng(0).standard_normal((ROWS, 96)).astype(np.float32)
    collection = open_collection("q", home=tmp_path, index="usearch", recall=0.995)
    collection.upsert(records(0, ROWS), vectors=vectors)
    assert collection.info().measurement.setting["ef_search"] > 64
    collection.delete("0")  # from here on the writer and the readers share what was read
    tune_in_manifest(collection, 64)

    def seen():
        collection.search_vectors(vectors[:1], 3)
        return collection._read(lambda view: view.index.backend)

    before = seen()
    assert before.setting == {"ef_search": 64}

    def full(*given):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "write", full)
        with pytest.raises(StorageError):
            collection.delete([str(i) for i in range(1, 1500)])
    assert before.setting == seen().setting == {"ef_search": 64}
    collection.delete("1501")
    tuned = entry(collection).measurement.setting
    assert tuned == seen().setting
    assert tuned["ef_search"] > 64
    assert before.setting == {"ef_search": 64}, "those who still search the last generation see it"
    assert seen()._index is before._index, "it was built or read again"


def test_a_damaged_index_that_was_tuned_meanwhile_leaves_the_search_exact(tmp_path, caplog):
    collection = filled(tmp_path, index="usearch")
    reader = open_collection("q", home=tmp_path)
    assert reader._read(lambda view: view.index._held.loaded) is None
    tune_in_manifest(collection, 777)
    (graph,) = (collection.path / entry(collection).folder).rglob("*.usearch")
    graph.write_bytes(graph.read_bytes()[:-1])
    assert reader._read(lambda view: view.index._held.get()) is None
    assert "cannot be used" in caplog.text
    assert len(reader.search_vectors(clustered_vectors(1, DIM), 3)[0]) == 3


class Meanwhile:
    """A lock that lets something happen before it is taken for the first time."""

    def __init__(self, happens):
        self._happens, self._lock = happens, threading.RLock()

    def __enter__(self):
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()
        self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()


def test_a_write_that_waits_keeps_what_a_rebuild_decides_meanwhile(tmp_path):
    collection = filled(tmp_path, rows=50, index="flat")
    other = open_collection("q", home=tmp_path)
    other._writing = Meanwhile(lambda: collection.rebuild("usearch", recall=0.9))
    other.delete("7")
    manifest = Manifest.read(collection.path / "manifest.json")
    assert (manifest.index_spec, manifest.recall, manifest.records) == ("usearch", 0.9, 49)


def test_a_session_takes_what_the_index_is_from_the_collection_once_it_has_the_lock(tmp_path):
    collection = filled(tmp_path, rows=50, index="flat")
    early = Settings.of(Manifest.read(collection.path / "manifest.json"))
    late = Writer(collection._layout, early)
    explicit = Writer(collection._layout, early, recall=0.8)
    collection.rebuild("usearch", recall=0.9)
    with late as session:
        published = session.publish()
    assert (published.index_spec, published.recall) == ("usearch", 0.9)
    with explicit as session:
        published = session.publish()
    assert (published.index_spec, published.recall) == ("usearch", 0.8)


def test_what_one_rebuild_decided_another_process_may_change(tmp_path):
    collection = filled(tmp_path, rows=50, index="flat")
    collection.rebuild("usearch", recall=0.9)
    open_collection("q", home=tmp_path).rebuild("annoy", recall=0.8)
    collection.delete("7")
    info = open_collection("q", home=tmp_path).info()
    assert (info.index.split()[0], info.recall) == ("annoy", 0.8)
