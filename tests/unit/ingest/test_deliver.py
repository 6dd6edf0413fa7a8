"""Bad texts stand alone; what stops a run keeps what was done."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import CredentialsError, ProviderError
from embedkit.ingest import deliver
from embedkit.types import Embeddings

TEXTS = [f"text number {i}" for i in range(40)]


def rows(texts):
    return [{"id": f"r{i}", "text": text} for i, text in enumerate(texts)]


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(deliver, "_FIRST", 8)
    monkeypatch.setattr(deliver, "_LEAST", 8)
    monkeypatch.setattr(deliver, "_MOST", 8)


def test_bad_texts_stand_alone_and_the_rest_goes_on(opened, scripted):
    model = scripted()
    model.refuses = frozenset((TEXTS[0], TEXTS[17], TEXTS[39]))
    collection = opened(embedder=model)
    report = collection.index(rows(TEXTS))
    assert (report.records, report.new, report.failed) == (40, 37, 3)
    assert (report.embedded, report.reused, report.status) == (37, 0, "done")
    assert sorted(model.done) == sorted(set(TEXTS) - model.refuses)
    failures = collection.run(report.run).failures
    assert [(f.line, f.id) for f in failures] == [(1, "r0"), (18, "r17"), (40, "r39")]
    for failure in failures:
        assert "could not be embedded" in failure.reason
        assert repr(failure.excerpt) in failure.reason
    assert {record.id for record in collection} == {f"r{i}" for i in range(40)} - {
        "r0",
        "r17",
        "r39",
    }
    # Once the model takes them, only they are new.
    model.refuses, model.sent = frozenset(), []
    report = collection.index(rows(TEXTS))
    assert (report.new, report.unchanged, report.failed) == (3, 37, 0)
    assert sorted(model.sent) == sorted(TEXTS[i] for i in (0, 17, 39))


def test_a_changed_text_that_cannot_be_embedded_leaves_the_record_as_it_was(opened, scripted):
    model = scripted()
    collection = opened(embedder=model)
    collection.index(rows(TEXTS[:3]))
    model.refuses = frozenset(["a bad text"])
    report = collection.index(rows([TEXTS[0], "a bad text"]), sync=True)
    assert (report.unchanged, report.changed, report.failed, report.removed) == (1, 0, 1, 1)
    assert collection.get("r1").text == TEXTS[1], "the old text stands, and is not gone"
    assert "r2" not in collection


def test_equal_bad_texts_all_fail(opened, scripted):
    model = scripted()
    model.refuses = frozenset(["bad"])
    collection = opened(embedder=model)
    report = collection.index(rows(["good", "bad", "bad"]))
    assert (report.records, report.new, report.failed, report.embedded) == (3, 1, 2, 1)
    assert [failure.line for failure in collection.run(report.run).failures] == [2, 3]


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "interrupted"), (RuntimeError("the model fell over"), "failed")],
    ids=["interrupt", "failure"],
)
def test_what_stops_a_run_keeps_what_was_done(opened, scripted, small_batches, error, status):
    model = scripted()
    model.stop_after, model.stop_with = 20, error
    collection = opened(embedder=model)
    with pytest.raises(type(error)):
        collection.index(rows(TEXTS))
    done = list(model.done)
    assert done == TEXTS[:16]
    assert [record.text for record in collection] == done, "published, in the order of the source"
    for hit, text in zip(collection.search_many(done, k=1), done, strict=True):
        assert hit[0].text == text
    run = collection.run(1)
    assert run.status == status
    assert (run.counts["new"], run.counts["embedded"]) == (16, 16)
    assert run.finished is not None
    assert run.notes
    model.stop_after, model.sent = None, []
    report = collection.index(rows(TEXTS))
    assert model.sent == TEXTS[16:], "only the rest is embedded"
    assert (report.new, report.unchanged, report.embedded, report.status) == (24, 16, 24, "done")
    assert [run.status for run in collection.runs()] == ["done", status]


def test_what_was_embedded_but_not_committed_is_found_again(
    opened, scripted, small_batches, monkeypatch
):
    from embedkit.store import ledger

    model = scripted()
    collection = opened(embedder=model)

    def fail(*arguments):
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "record_batch", fail)
        with pytest.raises(RuntimeError):
            collection.index(rows(TEXTS[:8]))
    assert len(collection) == 0
    model.sent = []
    report = collection.index(rows(TEXTS[:8]))
    assert model.sent == []
    assert (report.new, report.embedded, report.reused) == (8, 0, 8)
    assert [hit.text for hit in collection.search(TEXTS[3], k=1)] == [TEXTS[3]]


def test_a_refused_key_stops_the_run_at_once(opened, scripted):
    model = scripted()
    model.stop_after, model.stop_with = 0, CredentialsError("the key was refused")
    collection = opened(embedder=model)
    with pytest.raises(CredentialsError):
        collection.index(rows(TEXTS[:4]))
    assert len(model.sent) == 4, "halving would send the texts again for nothing"
    assert collection.runs()[0].status == "failed"


class Foreign:
    """An embedder that inherits nothing and may return anything."""

    model_id = "foreign"
    dim = 8

    def __init__(self, spoil):
        self.spoil = spoil
        self.inner = HashingEmbedder(dim=8)

    def embed(self, texts, *, input_type="document"):
        return self.embed_batch(texts, input_type=input_type).vectors

    def embed_batch(self, texts, *, input_type="document"):
        vectors = self.inner.embed(texts, input_type=input_type)
        if input_type == "document" and any("spoil" in text for text in texts):
            vectors = self.spoil(vectors)
        return Embeddings(vectors)


def gathered(embedder, texts):
    """Return the vectors and the failures of what was delivered, by place."""
    vectors, failed = {}, {}
    for delivery in deliver.deliver(embedder, texts):
        if delivery.embeddings is None:
            failed.update(dict.fromkeys(delivery.places, delivery.failure))
        else:
            vectors.update(zip(delivery.places, delivery.embeddings.vectors, strict=True))
    return vectors, failed


@pytest.mark.parametrize(
    "spoil",
    [
        lambda vectors: vectors[:-1],
        lambda vectors: np.concatenate([vectors, vectors]),
        lambda vectors: vectors[:, :4],
        lambda vectors: np.full_like(vectors, np.nan),
        lambda vectors: "nothing",
    ],
    ids=["too few", "too many", "too narrow", "nan", "no vectors"],
)
def test_vectors_that_are_not_one_a_text_are_refused_from_any_embedder(spoil):
    texts = ["one", "two", "spoil", "four", "five"]
    vectors, failed = gathered(Foreign(spoil), texts)
    assert list(vectors) == [0, 1, 3, 4]
    assert list(failed) == [2]
    expected = HashingEmbedder(dim=8).embed([texts[i] for i in (0, 1, 3, 4)])
    assert np.array_equal(list(vectors.values()), expected)


def test_provider_errors_stand_alone_too_and_all_may_fail():
    class Failing(Foreign):
        def embed_batch(self, texts, *, input_type="document"):
            raise ProviderError("the service is down")

    vectors, failed = gathered(Failing(None), ["a", "b", "c"])
    assert vectors == {}
    assert failed == dict.fromkeys(range(3), "the service is down")


def test_tokens_beyond_the_models_limit_are_counted():
    class Counting(Foreign):
        def embed_batch(self, texts, *, input_type="document"):
            counts = np.array([len(text.split()) for text in texts])
            return Embeddings(self.inner.embed(texts), counts, 3)

    (delivery,) = deliver.deliver(Counting(None), ["a b c d e", "a b c", "a b c d"])
    assert deliver.count_tokens(delivery.embeddings) == (12, 2, 3)


def test_batches_grow_and_shrink_towards_their_seconds_within_bounds():
    size = deliver.BatchSize()
    assert size.texts == deliver._FIRST
    size.learn(256, 1e-9)
    assert size.texts == 1024, "at most four times as much"
    size.learn(16_000, 0.001)
    assert size.texts == deliver._MOST
    size.learn(1024, 1e9)
    assert size.texts == 256, "at most four times as little"
    size.learn(16, 1e9)
    assert size.texts == deliver._LEAST
    size.learn(100, deliver._SECONDS)
    assert size.texts == 100


def test_the_report_and_the_ledger_say_what_was_cut(opened):
    class Short(HashingEmbedder):
        def _embed(self, texts, input_type):
            vectors = super()._embed(texts, input_type).vectors
            return Embeddings(vectors, np.array([len(text.split()) for text in texts]), 2)

    collection = opened(embedder=Short(dim=8))
    report = collection.index(rows(["a b c d", "a b", "a b c"]))
    assert (report.truncated, report.tokens_cut) == (2, 3)
    assert collection.run(1).counts["tokens_cut"] == 3
