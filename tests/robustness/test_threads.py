"""One collection, many threads: eight search while another adds and deletes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest

from embedkit.embedders.hashing import HashingEmbedder
from embedkit.indexes import rows
from embedkit.testing.measures import backends_always

READERS = 8
ROUNDS = 4
STABLE = 400
K = 7


def text_of(number: int) -> str:
    return f"record {number} of {number % 13} tells of {number * 7919 % 1009} and {number % 101}"


@dataclass
class Known:
    """What has been committed; a thread that looks before it searches must not see less."""

    added: set[str] = field(default_factory=set)
    going: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    done: threading.Event = field(default_factory=threading.Event)
    searches: int = 0


@pytest.fixture(autouse=True)
def _ask_backends_always(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(rows, "EXACT_ROWS", STABLE // 2)
    with backends_always():
        yield


@pytest.mark.parametrize("index", ["flat", "turbovec"])
def test_eight_threads_search_while_another_adds_and_deletes(opened, index):
    collection = opened(index=index)
    collection.upsert(
        {"id": f"s{n}", "text": text_of(n), "part": n % 10, "moving": False} for n in range(STABLE)
    )
    known = Known()
    with ThreadPoolExecutor(READERS + 1) as pool:
        readers = [pool.submit(read, collection, known, seed) for seed in range(READERS)]
        try:
            write(collection, known)
        finally:
            known.done.set()
        for reader in readers:
            reader.result()
    assert known.searches >= READERS
    assert len(collection) == STABLE + len(known.added - known.deleted)


def write(collection, known: Known) -> None:
    number = 10**6
    for _ in range(ROUNDS):
        new = {f"m{n}": text_of(n) for n in range(number, number + 5)}
        number += 5
        collection.upsert(
            {"id": id, "text": text, "part": 3, "moving": True} for id, text in new.items()
        )
        known.added |= set(new)
        for id, text in new.items():
            assert collection.search(text, 1)[0].id == id, "a stale read after a commit"
            assert collection.search(text, 1, where="moving")[0].id == id
        gone = sorted(known.added - known.deleted)[:3]
        known.going |= set(gone)
        collection.delete(gone)
        known.deleted |= set(gone)
        left = {hit.id for hit in collection.search("record", 1000, where="moving")}
        assert left == known.added - known.deleted, "a stale read after a commit"


def read(collection, known: Known, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embedder = HashingEmbedder()
    while not known.done.is_set():
        number, part = int(rng.integers(STABLE)), int(rng.integers(10))
        query = text_of(number)
        gone = set(known.deleted)
        plain = collection.search(query, K)
        assert (plain[0].text, plain[0].id) == (query, f"s{number}")
        check(plain, query, gone, embedder)
        filtered = collection.search(query, K, where=f"part = {part}")
        assert {hit.metadata["part"] for hit in filtered} == {part}
        check(filtered, query, gone, embedder)
        there = set(known.added)
        moving = {hit.id for hit in collection.search(query, 1000, where="moving")}
        # What is deleted meanwhile may be seen or not.
        assert there - known.going <= moving
        assert not moving & gone
        known.searches += 1


def check(hits, query: str, gone: set[str], embedder: HashingEmbedder) -> None:
    """Every hit is the record that its id says, with the exact score of its text."""
    assert [hit.rank for hit in hits] == list(range(1, K + 1))
    assert not gone & {hit.id for hit in hits}, "a record that was deleted before"
    for hit in hits:
        assert hit.text == text_of(int(hit.id[1:]))
        assert hit.metadata["moving"] == (hit.id[0] == "m")
    vectors = embedder.embed([query, *(hit.text for hit in hits)])
    scores = vectors[1:] @ vectors[0]
    assert np.allclose([hit.score for hit in hits], scores, atol=1e-5)
