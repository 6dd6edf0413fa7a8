"""A service that fails in every way, processes that die: nothing is lost or paid twice."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit.caching import Space, VectorCache
from embedkit.embedders.cohere import CohereEmbedder
from embedkit.store.vectors import content_key
from tests.servers import vectors as made
from tests.servers.cohere import CohereServer
from tests.servers.limits import Limits

pytestmark = pytest.mark.slow

DIM = 256
EVERY_FAULT = {
    "429:0.02": 0.05, "429-bare": 0.03, "500": 0.05, "503-html": 0.03, "status:502": 0.02,
    "timeout": 0.01, "reset": 0.03, "missing-row": 0.03, "extra-row": 0.02, "nan": 0.03,
    "null": 0.02, "wrong-width": 0.02, "truncated-json": 0.03, "reset-body": 0.03,
    "slow:0.05": 0.1, "close": 0.05,
}  # fmt: skip
KILLS = 10
UNDER_WAY = 8
"""Requests that are sent at a time: the concurrency of embedding in ``managed.limits``."""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CO_API_KEY", "good-key")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of two seconds, and hardly a wait."""
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.005)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 0.05)
    monkeypatch.setattr("embedkit.managed.pacing.WINDOW", 2.0)


def texts(n: int, first: int = 0) -> list[str]:
    words = ["refund", "ship", "order", "late", "lost", "card", "bank", "price", "size", "return"]
    dice = random.Random(n)
    return [
        f"question {i}: {' '.join(dice.choices(words, k=dice.randint(1, 12)))}"
        for i in range(first, first + n)
    ]


def write(path: Path, lines: list[str]) -> Path:
    rows = [f'r{i},"{text}"' for i, text in enumerate(lines)]
    path.write_text("\n".join(["id,text", *rows]) + "\n", encoding="utf-8")
    return path


def all_right(collection: embedkit.Collection, lines: list[str]) -> None:
    """Every record has its own text and the vector that the service gives that text."""
    held = {record.id: record.text for record in collection}
    assert held == {f"r{i}": text for i, text in enumerate(lines)}
    stored = stored_vectors(collection._refreshed())
    assert stored.keys() == held.keys()
    for id, vector in stored.items():
        expected = made.embed("embed-v4.0", held[id], "search_document", DIM)
        assert float(vector @ expected) > 0.99999, id
    assert all(finding.ok for finding in collection.check()), collection.check()


def stored_vectors(view: Any) -> dict[str, np.ndarray]:
    """Return the vector of each record by its id."""
    rows = view.cursor.execute("SELECT id, row FROM records").fetchall()
    return {id: np.array(view.vectors.matrix[row]) for id, row in rows}


def searches(collection: embedkit.Collection, lines: list[str]) -> None:
    some = random.Random(5).sample(lines, 10)
    for text, [hit] in zip(some, collection.search_many(some, k=1), strict=True):
        assert hit.text == text


def test_5000_texts_under_all_faults_at_once(serve: Any, home: Path, quick: None) -> None:
    limits = Limits(inputs=2000, window=2.0)
    faults = {"script": random.Random(4).sample(list(EVERY_FAULT), len(EVERY_FAULT))}
    faults |= {"chances": EVERY_FAULT, "seed": 11}
    server: CohereServer = serve("cohere", faults=faults, limits=limits, latency=0.01)
    lines = texts(5000)
    lines[2500] += " REJECT-ME"
    model = CohereEmbedder(base_url=server.url, dimension=DIM, inputs_per_minute=2000, timeout=0.5)
    collection = embedkit.open("q", home=home, embedder=model, index="flat")
    rows = [{"id": f"r{i}", "text": text} for i, text in enumerate(lines)]
    for _ in range(5):
        report = collection.index(rows)
        if report.failed == 1:
            break
    assert (report.status, report.failed, len(collection)) == ("done", 1, 4999)
    stats = server.stats()
    assert set(stats["faults"]) == {fault.partition(":")[0] for fault in EVERY_FAULT}
    assert stats["resent"] == {}
    assert stats["largest_batch"] <= 96
    assert stats["violations"] == {}
    assert stats["peaks"]["inputs"] <= 2000
    assert set(stats["delivered"]) == set(lines) - {lines[2500]}
    assert set(stats["delivered"].values()) == {1}
    held = {record.id: record.text for record in collection}
    assert held == {f"r{i}": text for i, text in enumerate(lines) if i != 2500}
    vectors = stored_vectors(collection._refreshed())
    for id, text in held.items():
        expected = server.vector(text, dimension=DIM)
        np.testing.assert_allclose(vectors[id], expected, atol=1e-6)


Index = Callable[..., Any]


@pytest.fixture
def index(start: Any, home: Path) -> Index:
    """Start ``embedkit index`` in a process of its own."""

    def begin(url: str, source: Path, name: str = "q", *options: str) -> Any:
        spec = f"cohere:embed-v4.0?base_url={url}&dimension={DIM}&inputs_per_minute=10000000"
        return start(
            [
                sys.executable, "-m", "embedkit_cli", "--home", str(home), "index", str(source),
                "-c", name, "--embedder", spec, "--index", "flat", "--json", *options,
            ]
        )  # fmt: skip

    return begin


def opened(home: Path, url: str, name: str = "q") -> embedkit.Collection:
    model = CohereEmbedder(base_url=url, dimension=DIM)
    return embedkit.open(name, home=home, embedder=model)


def sent_documents(server: Any) -> list[str]:
    return [
        text
        for entry in server.log()
        if entry["input_type"] == "search_document"
        for text in entry["texts"]
    ]


def in_the_cache(home: Path, lines: list[str]) -> set[str]:
    """Return the texts whose vectors are kept, whatever happens next."""
    cache = VectorCache(home)
    keys: set[bytes] = set()
    for found in cache.info().spaces:
        space = Space(found.model_id, "document", found.dim)
        keys |= {bytes(key) for key in cache.contents(space).tolist()}
    cache.close()
    return {line for line in lines if content_key(line) in keys}


def test_killed_at_ten_random_moments(serve: Any, index: Index, home: Path, tmp_path: Path) -> None:
    server = serve("cohere", process=True, latency=0.03)
    lines = texts(3000)
    source = write(tmp_path / "rows.csv", lines)
    moments = random.Random(8)
    kept: set[str] = set()
    seen = 0
    for _ in range(KILLS):
        before = server.stats()["requests"]
        process = index(server.url, source)
        wanted = before + moments.randint(0, 4)
        while process.popen.poll() is None and server.stats()["requests"] < wanted:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        sent = sent_documents(server)[seen:]
        seen += len(sent)
        assert not kept.intersection(sent), "what is in the cache is not sent again"
        kept = in_the_cache(home, lines)
        # What a kill may cost is what was under way: being sent, or waiting to be written.
        assert len(set(sent) - kept) <= 2 * UNDER_WAY * 96
    assert len(kept) > 96
    done = len(set(sent_documents(server)))
    assert 96 < done < 3000, "the kills came while there was work"
    process = index(server.url, source)
    assert process.end() == 0, process.errors
    sent = sent_documents(server)
    assert set(sent) == set(lines)
    assert not kept.intersection(sent[seen:])
    stats = server.stats()
    assert stats["largest_batch"] <= 96
    with opened(home, server.url) as collection:
        all_right(collection, lines)
        searches(collection, lines)
        assert collection.runs()[0].status == "done"
        assert {run.status for run in collection.runs()[1:]} <= {"interrupted"}


def test_a_network_that_is_cut(serve: Any, index: Index, home: Path, tmp_path: Path) -> None:
    server: CohereServer = serve("cohere", latency=0.03)
    lines = texts(2500)
    source = write(tmp_path / "rows.csv", lines)
    (tmp_path / "embedkit.toml").write_text("[limits.cohere]\nattempts = 2\n")
    process = index(server.url, source)
    while len(server.entries()) < 8:
        time.sleep(0.005)
    server.stop()
    assert process.end() == 1, process.lines
    assert len(process.errors) == 1, process.errors
    assert "run the same command again" in process.errors[0]
    with opened(home, server.url) as collection:
        assert len(collection) == server.stats()["texts_delivered"] > 0
    server.start()
    process = index(server.url, source)
    assert process.end() == 0, process.errors
    assert server.stats()["resent"] == {}
    with opened(home, server.url) as collection:
        all_right(collection, lines)


def test_a_quota_that_is_used_up_and_restored(
    serve: Any, index: Index, home: Path, tmp_path: Path
) -> None:
    server: CohereServer = serve("cohere", quota=7)
    lines = texts(1500)
    source = write(tmp_path / "rows.csv", lines)
    process = index(server.url, source)
    assert process.end() == 1, process.lines
    [line] = process.errors
    assert "allowance of this key is used up" in line
    assert len([entry for entry in server.entries() if entry.violated]) <= 8
    server.quota = None
    with opened(home, server.url) as collection:
        assert len(collection) == server.stats()["texts_delivered"] == 7 * 96
    process = index(server.url, source)
    assert process.end() == 0, process.errors
    assert server.stats()["resent"] == {}
    assert server.stats()["texts_delivered"] == 1500
    with opened(home, server.url) as collection:
        all_right(collection, lines)


def test_ctrl_c_keeps_all_that_was_delivered(
    serve: Any, index: Index, home: Path, tmp_path: Path
) -> None:
    server: CohereServer = serve("cohere", latency=0.02)
    lines = texts(2500)
    source = write(tmp_path / "rows.csv", lines)
    process = index(server.url, source)
    while len(server.entries()) < 7:
        time.sleep(0.001)
    process.popen.send_signal(signal.SIGINT)
    assert process.end() == 130, (process.lines, process.errors)
    assert len(process.errors) == 1, process.errors
    assert process.errors[0].startswith("embedkit: interrupted; what was finished is kept")
    kept = server.stats()["texts_delivered"]
    with opened(home, server.url) as collection:
        assert len(collection) == kept < 2500
    process = index(server.url, source)
    assert process.end() == 0, process.errors
    report = json.loads("\n".join(process.lines))
    assert (report["unchanged"], report["new"]) == (kept, 2500 - kept)
    assert server.stats()["resent"] == {}


def test_two_processes_share_a_key(serve: Any, index: Index, home: Path, tmp_path: Path) -> None:
    """Neither knows of the other: the service refuses what is too much, and both come through."""
    limits = Limits(inputs=600, window=1.0, retry_after=True)
    server: CohereServer = serve("cohere", limits=limits, latency=0.01)
    halves = [texts(1000), texts(1000, 5000)]
    processes = [
        index(server.url, write(tmp_path / f"{name}.csv", lines), name)
        for name, lines in zip("ab", halves, strict=True)
    ]
    for process in processes:
        assert process.end() == 0, process.errors
    assert server.stats()["resent"] == {}
    assert server.stats()["violations"]
    for name, lines in zip("ab", halves, strict=True):
        with opened(home, server.url, name) as collection:
            all_right(collection, lines)
