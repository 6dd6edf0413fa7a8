"""Several processes and threads: one writer, and readers that never wait for it."""

from __future__ import annotations

import re
import threading
import time

import pytest

import embedkit
from embedkit.errors import CollectionLockedError, CollectionNotFoundError

pytestmark = pytest.mark.slow


def test_a_second_writer_is_told_who_the_first_is_while_readers_go_on(work, worker, home, tmp_path):
    model = worker.LoggingEmbedder(tmp_path / "other")
    collection = embedkit.open("q", home=home, embedder=model)
    collection.upsert(worker.rows(3))
    process = work("hold")
    process.wait_for("row", 3)
    for write in (
        lambda: collection.upsert(worker.rows(1)),
        lambda: collection.delete("r00001"),
        collection.rebuild,
        lambda: embedkit.delete("q", home=home),
    ):
        with pytest.raises(CollectionLockedError) as caught:
            write()
        message = str(caught.value)
        assert f"process {process.popen.pid} on " in message
        assert re.search(r"since \d{4}-\d\d-\d\dT", message)
        assert "\n" not in message
    assert [hit.id for hit in collection.search("text 00001", k=1)] == ["r00001"]
    assert [hit.id for hit in collection.similar("r00001", k=2)] != []
    assert len(collection) == 3
    work_finding = [f for f in collection.check() if f.part == "work"]
    assert [finding.ok for finding in work_finding] == [True], "a writer has it: nothing is wrong"
    process.kill()
    assert collection.delete("r00001") == 1, "the lock goes with its process"


def test_readers_see_newer_generations_of_a_long_run_without_reopening(
    work, worker, home, tmp_path
):
    model = worker.LoggingEmbedder(tmp_path / "other")
    with embedkit.open("q", home=home, embedder=model) as reader:
        with pytest.raises(CollectionNotFoundError):
            reader.search("anything")
        process = work("index", 2000)
        process.wait_for("embedding")
        sizes = [len(reader)]
        while process.popen.poll() is None:
            size = len(reader)
            assert size >= sizes[-1], "a reader never goes back"
            if size:
                last = f"text {size - 1:05}"
                hits = reader.search(last, k=1)
                assert hits[0].score == pytest.approx(1, abs=1e-5)
                assert hits[0].text == last
            if size != sizes[-1]:
                sizes.append(size)
            time.sleep(0.02)
        assert process.end() == 0, process.errors
        assert len(reader) == 2000
        assert len(sizes) > 2, "some of it was seen on the way"


def test_readers_in_other_threads_while_the_index_is_rebuilt_and_records_come_and_go(opened, rng):
    collection = opened(embedder=None, index="turbovec")
    n, dim = 2600, 32
    vectors = rng.standard_normal((n, dim)).astype("float32")
    collection.upsert([{"id": f"r{i}", "text": f"t{i}", "n": i} for i in range(n)], vectors=vectors)
    stop, errors, answered = threading.Event(), [], []

    def read(first: int) -> None:
        i = first
        try:
            while not stop.is_set():
                i = (i + 7) % 2500
                hits = collection.search_vectors(vectors[i], k=3)[0]
                assert (hits[0].id, hits[0].text) == (f"r{i}", f"t{i}")
                assert len({hit.id for hit in hits}) == 3
                assert all(hit.metadata["n"] == int(hit.id[1:]) for hit in hits)
                assert collection.get(f"r{i}").text == f"t{i}"
                answered.append(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        for i in range(4):
            collection.delete(f"r{2500 + i}")
            collection.rebuild(("flat", "turbovec")[i % 2])
            collection.upsert(
                [{"id": f"r{2500 + i}", "text": "back", "n": 2500 + i}], vectors=vectors[2500 + i]
            )
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert len(answered) > 20
    assert len(collection) == n


def test_several_collections_in_one_process_see_each_others_writes(opened, home):
    writer, reader = opened(), opened()
    writer.upsert([("a", "red")])
    assert [hit.id for hit in reader.search("red")] == ["a"]
    reader.upsert([("b", "blue")])
    assert {hit.id for hit in writer.search("red")} == {"a", "b"}
    iterator = iter(writer)
    assert next(iterator).id == "a"
    reader.delete("b")
    assert [record.id for record in iterator] == ["b"], "as it was when this began"
    assert len(writer) == 1


def test_a_reader_that_never_searches_keeps_no_old_generation_open(opened):
    from pathlib import Path

    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        descriptors = Path("/dev/fd")
    collection = opened()
    collection.upsert([("a", "red")])
    collection.get("a")

    def count() -> int:
        return len(list(descriptors.iterdir()))

    before = count()
    for i in range(8):
        collection.upsert([("a", f"red {i}")])
        assert collection.get("a").text == f"red {i}"
    assert count() <= before + 4


def test_only_two_generations_stay_on_disk(opened):
    collection = opened(index="flat")
    for i in range(5):
        collection.upsert([("a", f"red {i}")])
        collection.search("red")
    names = sorted(path.name for path in collection.path.iterdir())
    assert sum(name.startswith("records-") for name in names) == 2
    assert sum(name.startswith("index-") for name in names) <= 2
