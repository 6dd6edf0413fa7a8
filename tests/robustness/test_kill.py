"""kill -9 at any moment loses nothing that was committed and embeds little again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest

import embedkit
from embedkit.store.writer import Writer

pytestmark = pytest.mark.slow

ROWS = 1800
KILLS = 9
ALONG = [("embedding", times) for times in range(1, 8)] + [("building", 1)]
"""Words of its progress after which a run is killed, and how often they were said by then."""


def seen_by_a_reader(worker, home: Path, log: Path) -> dict[str, str]:
    """Return what a reader finds, after making sure that everything it finds is right."""
    with embedkit.open("q", home=home, embedder=worker.LoggingEmbedder(log)) as reader:
        texts = {record.id: record.text for record in reader}
        if texts:
            some = random.Random(1).sample(sorted(texts), min(5, len(texts)))
            for id, hits in zip(
                some, reader.search_many([texts[id] for id in some], k=1), strict=True
            ):
                assert hits[0].id == id
                assert hits[0].score == pytest.approx(1, abs=1e-5)
            for id in some:
                assert id in [hit.id for hit in reader.search(texts[id], k=3, mode="lexical")]
    return texts


def test_an_index_run_killed_again_and_again(work, worker, home, tmp_path, logged):
    moments = random.Random(20)
    expected = {row["id"]: row["text"] for row in worker.rows(ROWS)}
    published: dict[str, str] = {}
    for _ in range(KILLS):
        process = work("index", ROWS)
        word, times = moments.choice([("ready", 1), ("reading", 1), *ALONG])
        process.wait_for(word, times, or_end=True)
        time.sleep(moments.uniform(0, 0.03))
        process.kill()
        found = seen_by_a_reader(worker, home, tmp_path / "other")
        assert published.items() <= found.items(), "what a reader saw stays"
        assert found.items() <= expected.items()
        published = found
    sent = len(logged())
    assert sent > worker.BATCH, "some work was done before the kills"
    process = work("index", ROWS)
    assert process.end() == 0, process.errors
    texts = logged()
    assert set(texts) == set(expected.values())
    assert len(texts) - len(set(texts)) <= KILLS * worker.BATCH, "at most the batch in flight"
    assert seen_by_a_reader(worker, home, tmp_path / "other") == expected
    collection = embedkit.open("q", home=home, embedder=worker.LoggingEmbedder(tmp_path / "other"))
    assert all(finding.ok for finding in collection.check()), collection.check()
    assert [record.id for record in collection] == sorted(expected), "in the order of the source"
    statuses = [run.status for run in collection.runs()]
    assert statuses[0] == "done"
    assert set(statuses[1:]) <= {"interrupted", "done"}
    same_as_a_clean_run(worker, collection, tmp_path)
    left = {path.name for path in collection.path.iterdir() if path.suffix == ".tmp"}
    assert left == set()


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_a_run_with_quantised_vectors_killed(
    work, worker, home, tmp_path, logged, monkeypatch, precision
):
    monkeypatch.setenv("WORKER_PRECISION", precision)
    kills = 3
    for i in range(kills):
        process = work("index", 600)
        process.wait_for("embedding", 2 + i, or_end=True)
        process.kill()
        seen_by_a_reader(worker, home, tmp_path / "other")
    assert work("index", 600).end() == 0
    texts = logged()
    assert len(set(texts)) == 600
    assert len(texts) - 600 <= kills * worker.BATCH
    collection = embedkit.open("q", home=home, embedder=worker.LoggingEmbedder(tmp_path / "other"))
    assert all(finding.ok for finding in collection.check()), collection.check()
    assert len(collection) == 600


def test_a_run_with_passages_killed(work, worker, home, tmp_path, logged, monkeypatch):
    """A record is there with all its passages or not at all, and no passage is embedded again."""
    monkeypatch.setenv("WORKER_CHUNK", "tokens=12")
    monkeypatch.setattr(worker, "CHUNK", "tokens=12")
    kills, expected = 4, {row["id"]: row["text"] for row in worker.rows(300)}
    for i in range(kills):
        process = work("index", 300)
        process.wait_for("embedding", 2 + 2 * i, or_end=True)
        process.kill()
        found = seen_by_a_reader(worker, home, tmp_path / "other")
        assert found.items() <= expected.items()
        with embedkit.open(
            "q", home=home, embedder=worker.LoggingEmbedder(tmp_path / "other")
        ) as reader:
            for id in list(found)[:20]:
                assert "".join(p.text for p in reader.passages(id)) == found[id]
                assert len(reader.passages(id)) == 3
    assert work("index", 300).end() == 0
    texts = logged()
    assert len(set(texts)) == 900
    assert len(texts) - 900 <= kills * worker.BATCH
    assert seen_by_a_reader(worker, home, tmp_path / "other") == expected
    collection = embedkit.open("q", home=home, embedder=worker.LoggingEmbedder(tmp_path / "other"))
    assert all(finding.ok for finding in collection.check()), collection.check()
    assert collection.info().passages == 900


def same_as_a_clean_run(worker, collection, tmp_path):
    model = worker.LoggingEmbedder(tmp_path / "clean")
    clean = embedkit.open("q", home=tmp_path / "clean-home", embedder=model)
    clean.index(worker.rows(ROWS))
    assert list(collection) == list(clean)
    queries = [f"query {i}" for i in range(20)]
    for found, wanted in zip(
        collection.search_many(queries, k=10), clean.search_many(queries, k=10), strict=True
    ):
        assert [hit.id for hit in found] == [hit.id for hit in wanted]
        assert np.allclose([hit.score for hit in found], [hit.score for hit in wanted])


def test_deleting_inserting_and_rebuilding_killed_again_and_again(work, worker, home, tmp_path):
    model = worker.LoggingEmbedder(tmp_path / "other")
    everything = worker.rows(100)
    embedkit.open("q", home=home, embedder=model).index(everything)
    expected = {row["id"]: row["text"] for row in everything}
    moments = random.Random(3)
    for times in (1, 1, 2, 3, 1):
        process = work("churn")
        process.wait_for(moments.choice(["deleted", "inserted", "rebuilt"]), times)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        found = seen_by_a_reader(worker, home, tmp_path / "other")
        assert found.items() <= expected.items()
        told = [line.split() for line in process.lines if line.startswith(("deleted", "inserted"))]
        what, id = told[-1]
        missing = set(expected) - set(found)
        # Acknowledged is acknowledged; at most the one operation under way may have come through.
        assert len(missing) <= 1, missing
        if what == "deleted":
            assert missing <= {id}
        collection = embedkit.open("q", home=home, embedder=model)
        assert all(finding.ok for finding in collection.check()), collection.check()
        collection.upsert(everything)
    assert seen_by_a_reader(worker, home, tmp_path / "other") == expected


class PowerCutError(BaseException):
    """What the tests below raise where a process would have died."""


STEPS = ["_index", "_snapshot", "_collect"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_publishing_may_end_at_any_step(opened, scripted, monkeypatch, step, when):
    """No handler runs after a kill: neither here, since closing is all that the error does."""
    model = scripted()
    collection = opened(embedder=model, index="flat")
    collection.upsert([("a", "red"), ("b", "green")])
    whole = getattr(Writer, step)

    def cut(self, *arguments):
        if when == "after":
            whole(self, *arguments)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Writer, step, cut)
        with pytest.raises(PowerCutError):
            collection.upsert([("a", "red"), ("c", "blue")])
    fresh = opened(embedder=model)
    before = {record.id: record.text for record in fresh}
    assert before in ({"a": "red", "b": "green"}, {"a": "red", "b": "green", "c": "blue"})
    assert (len(before) == 3) == (step == "_collect"), "published once the manifest is there"
    model.sent.clear()
    fresh.upsert([("d", "white")])
    assert {record.id for record in fresh} == {"a", "b", "c", "d"}, "what was committed comes back"
    assert model.sent == ["white"]
    assert all(finding.ok for finding in fresh.check())
