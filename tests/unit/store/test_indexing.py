"""The index of a collection is kept up to its contract, whatever is added and deleted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from embedkit import open as open_collection
from embedkit.errors import InvalidInputError
from embedkit.indexes.promise import RECALL
from embedkit.store.manifest import FORMAT, Manifest
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
    from dataclasses import replace

    measurement = type(manifest.index.measurement).from_dict(body)
    replace(manifest, index=replace(manifest.index, measurement=measurement)).write(path)
    reader = open_collection("q", home=tmp_path)
    reader.search_vectors(clustered_vectors(1, DIM), 3)
    assert reader._read(lambda view: view.index.backend.setting) == {"ef_search": 77}


def test_a_collection_of_before_is_measured_at_the_next_write(tmp_path):
    collection = filled(tmp_path, index="usearch")
    path = collection.path / "manifest.json"
    manifest = Manifest.read(path)
    from dataclasses import replace

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
