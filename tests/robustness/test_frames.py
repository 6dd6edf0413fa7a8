"""Small publications: killed at any step, damaged, read and written by two processes."""

from __future__ import annotations

import itertools
import random
import time

import pytest

import embedkit
from embedkit.errors import DamagedError
from embedkit.store import publisher
from embedkit.store.manifest import Manifest
from embedkit.store.writer import Writer

pytestmark = pytest.mark.slow


class PowerCutError(BaseException):
    """What the tests below raise where a process would have died."""


@pytest.fixture
def frames(worker, monkeypatch):
    """Publish frames of small collections too."""
    for name in ("LEAST_SNAPSHOT", "LARGEST_SHARE", "MOST_FRAMES"):
        monkeypatch.setattr(publisher, name, getattr(publisher, name))
    worker.always_frames(50)


def delta_of(collection):
    return Manifest.read(collection.path / "manifest.json").delta


def texts_of(collection) -> dict[str, str]:
    return {record.id: record.text for record in collection}


def all_sound(collection) -> None:
    assert all(finding.ok for finding in collection.check()), collection.check()


@pytest.mark.parametrize("step", ["_frame", "_index", "_append", "_write", "_collect"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_publishing_a_frame_may_end_at_any_step(opened, scripted, monkeypatch, frames, step, when):
    model = scripted()
    collection = opened(embedder=model, index="flat")
    collection.upsert([("a", "red"), ("b", "green")])
    collection.upsert([("c", "black")])
    assert delta_of(collection) is not None
    whole = getattr(Writer, step)

    def cut(self, *arguments):
        if when == "after":
            whole(self, *arguments)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Writer, step, cut)
        with pytest.raises(PowerCutError):
            collection.upsert([("a", "blue"), ("d", "white")])
    before = {"a": "red", "b": "green", "c": "black"}
    after = before | {"a": "blue", "d": "white"}
    published = step == "_collect" or (step, when) == ("_write", "after")
    for reader in (collection, opened(embedder=model)):
        assert texts_of(reader) == (after if published else before)
    model.sent.clear()
    collection.upsert([("e", "grey")])
    assert model.sent == ["grey"], "nothing is embedded again"
    for reader in (collection, opened(embedder=model)):
        assert texts_of(reader) == after | {"e": "grey"}
        assert reader.search("blue", k=1)[0].id == "a"
    all_sound(collection)


def stepped(worker, texts: dict[str, str], what: str, number: int) -> dict[str, str]:
    """Return the texts after a step of ``do_trickle``."""
    added = {row["id"]: row["text"] for row in worker.rows(3, 1000 + 3 * number)}
    if what == "inserted":
        return texts | added
    return {id: text for id, text in texts.items() if id != f"r{1000 + 3 * number:05}"}


def test_a_trickle_killed_again_and_again(work, worker, home, tmp_path):
    model = worker.LoggingEmbedder(tmp_path / "other")
    start = {row["id"]: row["text"] for row in worker.rows(40)}
    embedkit.open("q", home=home, embedder=model).upsert(worker.rows(40))
    moments = random.Random(5)
    expected, first = dict(start), 0
    for times in (1, 3, 7, 2, 4):
        process = work("trickle", first)
        process.wait_for(moments.choice(["inserted", "deleted"]), times)
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        told = [line.split() for line in process.lines[1:]]
        for what, number in told:
            expected = stepped(worker, expected, what, int(number))
        what, last = told[-1][0], int(told[-1][1])
        under_way = ("deleted", last) if what == "inserted" else ("inserted", last + 1)
        # Acknowledged is acknowledged; of what was under way all comes through, or nothing. What
        # was committed and not published yet comes with the next publication.
        possible = [expected, stepped(worker, expected, *under_way)]
        with embedkit.open("q", home=home, embedder=model) as collection:
            assert texts_of(collection) in possible
            all_sound(collection)
            collection.upsert(worker.rows(1))
            expected = texts_of(collection)
            assert expected in possible
        first = last + 2
    assert list((home / "q").glob(".*.tmp")) == []


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "remove"])
def test_a_damaged_delta_is_told_and_mended(opened, scripted, frames, harm):
    model = scripted()
    collection = opened(embedder=model, index="flat")
    collection.upsert([("a", "red"), ("b", "green")])
    collection.upsert([("c", "black"), ("a", "blue")])
    delta = delta_of(collection)
    path = collection.path / f"records-{delta.snapshot}.delta"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 64
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes({"flip": data, "cut": data[:-9], "empty": b""}[harm])
    fresh = opened(embedder=model)
    with pytest.raises(DamagedError, match=r"\.delta .*doctor .* --repair"):
        fresh.get("a")
    assert [finding.part for finding in fresh.check() if not finding.ok] == ["records"]
    fresh.repair()
    all_sound(fresh)
    assert texts_of(fresh) == {"a": "blue", "b": "green", "c": "black"}
    assert delta_of(fresh) is None


def test_the_writers_database_is_mended_from_a_snapshot_and_its_frames(opened, scripted, frames):
    collection = opened(embedder=scripted(), index="flat")
    collection.upsert([("a", "red"), ("b", "green")])
    collection.upsert([("c", "black"), ("a", "blue")])
    collection.delete("b")
    runs = collection.runs()
    (collection.path / "work.duckdb").write_bytes(b"")
    (collection.path / "work.duckdb.wal").unlink()
    collection.repair()
    all_sound(collection)
    assert texts_of(collection) == {"a": "blue", "c": "black"}
    assert collection.runs() == runs


def test_two_processes_write_in_turn_and_both_read(work, worker, home, tmp_path, frames):
    model = worker.LoggingEmbedder(tmp_path / "other")
    with embedkit.open("q", home=home, embedder=model) as collection:
        collection.upsert(worker.rows(10))
        expected = texts_of(collection)
        for turn in range(3):
            collection.upsert(worker.rows(2, 100 + 2 * turn))
            assert work("trickle", 4 * turn, 4).end() == 0
            expected |= {row["id"]: row["text"] for row in worker.rows(2, 100 + 2 * turn)}
            for i in range(4 * turn, 4 * turn + 4):
                expected |= {r["id"]: r["text"] for r in worker.rows(2, 1001 + 3 * i)}
            assert texts_of(collection) == expected
            some = random.Random(turn).choice(sorted(expected))
            assert collection.search(expected[some], k=1)[0].id == some
            assert len(collection.search("anything", k=500)) == len(expected)
        all_sound(collection)


def test_a_reader_beside_a_trickle_sees_whole_generations(work, worker, home, tmp_path):
    model = worker.LoggingEmbedder(tmp_path / "other")
    embedkit.open("q", home=home, embedder=model).upsert(worker.rows(10))
    process = work("trickle", 0, 12)
    with embedkit.open("q", home=home, embedder=model) as reader:
        sizes = [len(texts_of(reader))]
        while process.popen.poll() is None:
            found = texts_of(reader)
            sizes.append(len(found))
            hits = reader.search("anything", k=200)
            assert len(hits) >= len(found) - 1, "but for one deleted meanwhile"
        assert process.end() == 0, process.errors
        assert len(texts_of(reader)) == 10 + 2 * 12
    steps = {after - before for before, after in itertools.pairwise(sizes)}
    assert all(step >= -1 for step in steps), steps
