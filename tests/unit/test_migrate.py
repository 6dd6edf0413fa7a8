"""Changing the model of a collection: filled, compared, switched, kept, taken back."""

from __future__ import annotations

import json

import numpy as np
import pytest

import embedkit
from embedkit.errors import (
    EmbeddingError,
    InvalidInputError,
    ModelMismatchError,
    UnknownBackendError,
    UnsupportedOperationError,
)
from embedkit.ingest import deliver
from embedkit.store.manifest import Manifest
from embedkit.types import Delivery

COLOURS = ["red", "green", "blue", "black", "white", "yellow"]
THINGS = ["house", "car", "bridge", "letter", "parcel", "ticket", "garden", "river"]
TEXTS = [f"a {colour} {thing}" for colour in COLOURS for thing in THINGS]
OLD, NEW = "hashing?dim=256", "hashing?dim=512"


@pytest.fixture
def filled(opened):
    collection = opened(embedder=OLD)
    rows = [{"id": f"r{i}", "text": text, "n": i} for i, text in enumerate(TEXTS)]
    collection.upsert([*rows, {"id": "twin", "text": TEXTS[0], "n": 99}])
    return collection


@pytest.fixture
def small(monkeypatch):
    """Batches of four texts, so that there is something between the first and the last."""
    for name in ("_FIRST", "_LEAST", "_MOST"):
        monkeypatch.setattr(deliver, name, 4)


def answers(collection, queries=("a red house", "the yellow river", "green letters")):
    return [
        [(hit.id, round(hit.score, 5)) for hit in hits]
        for hits in collection.search_many(list(queries), k=7)
    ]


def sound(collection):
    return [finding for finding in collection.check() if not finding.ok] == []


def names(collection):
    return sorted(path.name for path in collection.path.glob("vectors*"))


def test_it_is_then_as_if_the_new_model_had_filled_it(filled, opened):
    report = filled.migrate(NEW)
    assert (report.old, report.new, report.switched, report.status) == (OLD, NEW, True, "done")
    assert (report.texts, report.embedded, report.reused, report.missing) == (48, 48, 0, 0)
    assert report.compared == "records"
    assert 0.3 < report.overlap_at_10.low <= report.overlap_at_10.mean < 1
    assert report.overlap_at_10.n == 48
    assert report.ndcg_at_10_old is None
    assert report.to_dict()["overlap_at_10"]["n"] == 48
    clean = opened("clean", embedder=NEW)
    clean.upsert([{"id": r.id, "text": r.text, **r.metadata} for r in filled])
    for collection in (filled, opened(embedder=None), opened(embedder=NEW)):
        assert answers(collection) == answers(clean)
        assert collection.search("red", k=5, where="n < 9") == clean.search("red", 5, where="n < 9")
        assert collection.similar("r3", k=4) == clean.similar("r3", k=4)
    assert sound(filled)
    info = filled.info()
    assert (info.embedder, info.dim) == (NEW, 512)
    (kept,) = info.kept
    assert (kept.embedder, kept.vectors, kept.bytes) == (OLD, 48, 48 * (256 * 4 + 32))
    assert kept.retired is not None


def test_what_comes_later_is_embedded_by_the_new_model(filled, opened):
    filled.migrate(NEW)
    report = filled.upsert([("late", "a purple house"), ("r1", "something else")])
    assert (report.embedded, report.new, report.changed) == (2, 1, 1)
    assert filled.search("a purple house", k=1)[0].id == "late"
    with pytest.raises(ModelMismatchError, match="dim=512"):
        opened(embedder=OLD)


def test_a_reader_goes_on_with_the_old_model_and_follows_the_switch(filled, opened, small):
    reader, before = opened(embedder=None), answers(filled)
    insisting = opened(embedder=OLD)
    seen = []
    filled.migrate(NEW, progress=lambda *told: seen.append((told[0], answers(reader) == before)))
    assert {what for what, _ in seen} == {"embedding", "comparing", "building the index"}
    assert all(same for _, same in seen)
    assert len(seen) > 10
    assert answers(reader) == answers(filled) != before
    assert reader.embedder.model_id == "hashing-1 dim=512"
    with pytest.raises(ModelMismatchError):
        insisting.search("red")


def test_a_limit_stops_it_and_the_same_call_goes_on(filled, scripted, small):
    before = answers(filled)
    model = scripted()
    report = filled.migrate(model, max_texts=10)
    assert (report.embedded, report.missing, report.status) == (10, 38, "stopped")
    assert not report.switched
    assert answers(filled) == before
    assert filled.info().kept[0].retired is None
    report = filled.migrate(model, max_texts=38)
    assert (report.embedded, report.reused, report.switched) == (38, 10, True)
    assert sorted(model.sent) == sorted(TEXTS), "each text once, in two runs"
    assert [run.status for run in filled.runs()][:2] == ["done", "stopped"]
    assert filled.runs()[0].source == "migrate to scripted"
    assert filled.migrate(NEW, max_texts=0).embedded == 0
    with pytest.raises(InvalidInputError, match="max_texts"):
        filled.migrate(NEW, max_texts=-1)


@pytest.mark.parametrize("error", [RuntimeError("it fell over"), KeyboardInterrupt()])
def test_what_was_embedded_before_an_error_is_kept(filled, scripted, small, error):
    model, before = scripted(), answers(filled)
    model.stop_after, model.stop_with = 20, error
    with pytest.raises(type(error)):
        filled.migrate(model)
    assert answers(filled) == before
    assert sound(filled)
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    assert filled.runs()[0].status == status
    assert filled.runs()[0].counts["embedded"] == 20
    model.stop_after = None
    report = filled.migrate(model)
    assert (report.reused, report.embedded, report.switched) == (20, 28, True)
    assert sorted(model.done) == sorted(TEXTS)


def test_records_that_change_between_two_attempts(filled, scripted):
    model = scripted()
    filled.migrate(model, max_texts=20)
    filled.delete([f"r{i}" for i in range(5)])
    filled.upsert([("r9", "a new text"), ("x", "another new text")])
    report = filled.migrate(model)
    assert report.switched
    assert report.texts == len({record.text for record in filled}) == 45
    assert report.embedded == 30
    assert filled.search("another new text", k=1)[0].id == "x"


def test_texts_that_fail_keep_it_from_switching_and_are_listed(filled, scripted):
    model, before = scripted(), answers(filled)
    model.refuses = frozenset([TEXTS[0], TEXTS[7]])
    report = filled.migrate(model)
    assert (report.failed, report.missing, report.switched) == (2, 2, False)
    assert report.status == "failed"
    assert [(row.id, row.line) for row in report.failures] == [("r0", 1), ("r7", 8)]
    assert "does not take 'a red house'" in report.failures[0].reason
    assert "delete the records" in report.notes[0]
    assert report.overlap_at_10 is None
    assert [row.id for row in filled.run(report.run).failures] == ["r0", "r7"]
    assert answers(filled) == before
    filled.delete(["r0", "twin", "r7"])
    model.sent.clear()
    assert filled.migrate(model).switched
    assert model.sent == [], "the others were there"


def test_back_and_forth(filled, scripted):
    model, before = scripted(), answers(filled)
    filled.migrate(model)
    after = answers(filled)
    filled.upsert([("late", "a late text")])
    report = filled.migrate_back()
    assert (report.new, report.switched) == (OLD, True)
    assert (report.embedded, report.reused) == (1, 48)
    assert filled.search("a late text", k=1)[0].id == "late"
    filled.delete("late")
    assert answers(filled) == before
    model.sent.clear()
    with pytest.raises(InvalidInputError, match=r"embedder of your own, scripted; pass it"):
        filled.migrate_back()
    with pytest.raises(InvalidInputError, match="is scripted, got other"):
        filled.migrate_back(embedder=scripted(model_id="other"))
    assert filled.migrate_back(embedder=model).switched
    assert answers(filled) == after
    assert model.sent == []
    labels = [run.source for run in filled.runs() if run.source.startswith("migrate")]
    assert labels == ["migrate back to scripted", f"migrate back to {OLD}", "migrate to scripted"]


def test_of_several_earlier_models_back_is_the_last_used(filled):
    filled.migrate(NEW)
    filled.migrate("hashing?dim=128")
    assert [kept.embedder for kept in filled.info().kept] == [OLD, NEW]
    assert filled.migrate_back().new == NEW
    assert filled.migrate_back().new == "hashing?dim=128"
    report = filled.migrate(OLD)
    assert (report.embedded, report.reused) == (0, 48), "also by name nothing is made again"
    assert sound(filled)


def test_dropping_the_old_vectors(filled, opened):
    filled.migrate(NEW)
    assert names(filled) == ["vectors-1.f32", "vectors-1.keys", "vectors.f32", "vectors.keys"]
    before = answers(filled)
    (dropped,) = filled.drop_old()
    assert (dropped.embedder, dropped.vectors) == (OLD, 48)
    assert names(filled) == ["vectors-1.f32", "vectors-1.keys"]
    assert filled.info().kept == ()
    assert answers(opened(embedder=None)) == before
    assert sound(filled)
    assert filled.drop_old() == ()
    with pytest.raises(InvalidInputError, match="no vectors of an earlier model"):
        filled.migrate_back()
    assert filled.migrate(OLD).embedded == 48
    assert names(filled)[:2] == ["vectors-1.f32", "vectors-1.keys"]
    assert names(filled)[2:] == ["vectors-2.f32", "vectors-2.keys"]


def test_a_half_filled_set_can_be_given_up(filled):
    filled.migrate(NEW, max_texts=5)
    with pytest.raises(InvalidInputError, match="no vectors of an earlier model"):
        filled.migrate_back()
    assert [kept.vectors for kept in filled.drop_old()] == [5]
    assert names(filled) == ["vectors.f32", "vectors.keys"]
    assert json.loads((filled.path / "manifest.json").read_text())["format"] == 1
    assert filled.migrate("hashing?dim=64").switched


def test_files_that_a_dropped_set_left_are_never_taken_for_another_s(filled):
    (filled.path / "vectors-7.f32").write_bytes(b"x" * 4096)
    (filled.path / "vectors-7.keys").write_bytes(b"x" * 64)
    filled.migrate(NEW)
    assert names(filled) == ["vectors-8.f32", "vectors-8.keys", "vectors.f32", "vectors.keys"]


def test_a_dry_run_writes_nothing(filled, snapshot):
    filled.migrate(NEW, max_texts=8)
    before = snapshot(filled.path)
    report = filled.migrate(NEW, dry_run=True)
    assert (report.texts, report.reused, report.embedded) == (48, 8, 40)
    assert (report.status, report.run, report.switched) == ("planned", None, False)
    assert filled.migrate("hashing?dim=64", dry_run=True).embedded == 48
    assert snapshot(filled.path) == before


def test_comparing_without_switching(filled):
    before = answers(filled)
    report = filled.migrate(NEW, compare_only=True)
    assert (report.switched, report.status, report.embedded) == (False, "done", 48)
    assert report.overlap_at_10.n == 48
    assert answers(filled) == before
    again = filled.migrate(NEW, compare_only=True)
    assert again.overlap_at_10 == report.overlap_at_10
    assert again.embedded == 0
    assert "overlap@10" in filled.runs()[0].notes[0]


def test_the_same_vectors_under_another_name_overlap_wholly(opened, scripted):
    collection = opened(embedder=scripted(model_id="one"))
    collection.upsert([(str(i), text) for i, text in enumerate(TEXTS)])
    collection.delete(["3", "17"])
    collection.upsert([("3", TEXTS[3]), ("17", TEXTS[17])])
    report = collection.migrate(scripted(model_id="two"))
    assert report.overlap_at_10.mean == 1


def test_queries_and_judgements(filled):
    queries = {"a": "a red house", "b": "the yellow river", "c": "unjudged"}
    qrels = {"a": {"r0": 2, "twin": 1}, "b": {"r47": 1}, "d": {"r1": 1}}
    report = filled.migrate(NEW, queries=queries, qrels=qrels)
    assert (report.compared, report.overlap_at_10.n) == ("queries", 3)
    # Both models put the very text first, and its twin, a later record, behind it.
    assert report.ndcg_at_10_old.n == report.ndcg_at_10_new.n == 2
    assert report.ndcg_at_10_new.mean == pytest.approx(1)
    plain = filled.migrate_back(queries=["red", "blue"])
    assert (plain.compared, plain.overlap_at_10.n, plain.ndcg_at_10_new) == ("queries", 2, None)
    with pytest.raises(InvalidInputError, match="queries with ids"):
        filled.migrate(NEW, qrels=qrels)
    with pytest.raises(InvalidInputError, match="queries with ids"):
        filled.migrate(NEW, queries=["red"], qrels=qrels)
    report = filled.migrate(NEW, queries={"x": "red"}, qrels={"a": {"r0": 1}})
    assert "none of the queries has a judgement" in report.notes[0]


def test_the_same_model_leaves_nothing_to_do(filled, snapshot):
    before = snapshot(filled.path)
    report = filled.migrate(OLD)
    assert (report.status, report.switched, report.run) == ("done", False, None)
    assert report.notes == ("there is nothing to do: q uses hashing-1 dim=256 already",)
    assert snapshot(filled.path) == before


def test_what_cannot_be_migrated_is_said(filled, opened, home):
    with pytest.raises(UnknownBackendError, match="hashing"):
        filled.migrate("hashin")
    with pytest.raises(embedkit.EmbedkitError, match="no collection 'none'"):
        opened("none").migrate(NEW)
    own = opened("own", embedder=None)
    own.upsert([("a", "red")], vectors=np.ones((1, 8)))
    with pytest.raises(UnsupportedOperationError, match="vectors of your own"):
        own.migrate(NEW)
    filled.upsert([("mine", "my own")], vectors=np.ones((1, 256)))
    for dry_run in (True, False):
        with pytest.raises(UnsupportedOperationError, match="vectors of your own, 1 of them"):
            filled.migrate(NEW, dry_run=dry_run)
    assert not filled.runs()[0].source.startswith("migrate")
    filled.upsert([("mine", "my own, in words")])
    assert filled.migrate(NEW).switched


def test_an_embedder_of_one_s_own(opened, scripted, filled):
    model = scripted()
    filled.migrate(model)
    assert filled.search("a red house", k=1)[0].id == "r0", "this collection follows"
    with pytest.raises(InvalidInputError, match="embedder of your own"):
        opened(embedder=None).search("red")
    assert opened(embedder=model).migrate(OLD).switched
    assert opened(embedder=None).search("a red house", k=1)[0].id == "r0"


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_to_quantised_vectors_and_back(filled, quantised, precision):
    before = answers(filled)
    model = quantised(precision, 256)
    report = filled.migrate(model)
    assert report.switched
    assert report.overlap_at_10.mean > 0.3
    assert filled.info().precision == precision
    assert names(filled)[0] == f"vectors-1.{ {'int8': 'i8', 'binary': 'bit'}[precision] }"
    assert filled.search("a red house", k=1)[0].text == "a red house"
    assert sound(filled)
    filled.upsert([("late", "a late text")])
    assert filled.migrate_back().embedded == 1
    filled.delete("late")
    assert answers(filled) == before


def test_collections_without_records_or_with_one(opened):
    collection = opened(embedder=OLD)
    collection.upsert([("a", "red")])
    report = collection.migrate(NEW)
    assert report.switched
    assert report.overlap_at_10 is None
    assert "too few records" in report.notes[0]
    collection.delete("a")
    assert collection.migrate_back(queries=["red"]).switched
    assert collection.search("red") == []


def test_a_large_index_is_built_for_the_new_vectors(opened):
    collection = opened(embedder="hashing?dim=64", index="turbovec")
    collection.upsert([(str(i), f"text number {i} of many") for i in range(2600)])
    report = collection.migrate("hashing?dim=128")
    assert report.switched
    assert collection.info().index == "turbovec"
    assert collection.search("text number 77 of many", k=1)[0].id == "77"
    assert collection.migrate_back().switched
    assert collection.search("text number 77 of many", k=1)[0].id == "77"
    assert sound(collection)


class Streaming:
    """A service that delivers out of order, in parts, and may stop after some of them."""

    dim = 64
    model_id = "streaming"

    def __init__(self, scripted, stop_after=None):
        self._model = scripted()
        self.stop_after = stop_after
        self.sent = []

    def embed(self, texts, *, input_type="document"):
        return self._model.embed(texts, input_type=input_type)

    def embed_batch(self, texts, *, input_type="document"):
        raise AssertionError("a model that streams is asked to stream")

    def embed_stream(self, texts, *, input_type="document", meter=None):
        for start in reversed(range(0, len(texts), 5)):
            if self.stop_after is not None and len(self.sent) >= self.stop_after:
                raise EmbeddingError("the line is down")
            places = list(range(start, min(start + 5, len(texts))))[::-1]
            part = [texts[place] for place in places]
            self.sent += part
            yield Delivery(places, self._model.embed_batch(part), sent=len(part), billed_tokens=7)


def test_a_model_that_streams_loses_nothing_that_was_delivered(filled, scripted):
    model = Streaming(scripted, stop_after=20)
    with pytest.raises(EmbeddingError, match="line is down"):
        filled.migrate(model)
    model.stop_after = None
    report = filled.migrate(model)
    assert (report.reused, report.embedded, report.switched) == (23, 25, True)
    assert sorted(model.sent) == sorted(TEXTS)
    assert filled.search(TEXTS[11], k=1)[0].id == "r11"


def test_an_older_embedkit_refuses_what_it_would_misread(filled):
    path = filled.path / "manifest.json"
    assert Manifest.read(path).format == 1
    filled.migrate(NEW, max_texts=1)
    manifest = Manifest.read(path)
    assert (manifest.format, manifest.vector_set) == (2, 0)
    assert [vectors.rows for vectors in manifest.sets] == [1]
    filled.migrate(NEW)
    manifest = Manifest.read(path)
    assert (manifest.format, manifest.vector_set, manifest.model.dim) == (2, 1, 512)


@pytest.mark.slow
def test_a_real_model_and_its_quicker_form_find_much_the_same(filled):
    assert filled.migrate("minilm").switched
    assert filled.search("a scarlet home", k=1)[0].id == "r0", "by meaning now"
    report = filled.migrate("minilm:int8")
    assert report.switched
    assert report.overlap_at_10.mean > 0.8


def test_the_queries_of_a_comparison_count_against_the_limits(filled, cohere_server, monkeypatch):
    monkeypatch.setenv("CO_API_KEY", "good-key")
    spec = f"cohere:embed-v4.0?dimension=256&base_url={cohere_server.url}"
    texts = len({record.text for record in filled})
    queries = [f"question number {i}" for i in range(50)]
    report = filled.migrate(spec, queries=queries, max_texts=texts + 20)
    assert (report.status, report.switched) == ("stopped", False)
    assert cohere_server.stats()["texts_sent"] <= texts + 20
    assert filled.migrate(spec, queries=queries, max_cost=0.0).status == "stopped"
    assert cohere_server.stats()["texts_sent"] <= texts + 20
    plan = filled.migrate(spec, queries=queries, dry_run=True)
    assert "50 queries" in plan.notes[0]
    report = filled.migrate(spec, queries=queries, max_cost=1.0)
    assert (report.switched, report.compared) == (True, "queries")
    assert report.billed_tokens == 30 * 3, "twenty of the queries were in the cache by then"
    assert cohere_server.stats()["texts_sent"] == texts + 50
