from __future__ import annotations

import csv
import io
import os
import pty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embedkit
from embedkit.embedders.cached import CachedEmbedder

MODEL = "hashing-1 dim=64"


@pytest.fixture
def cached(work: Path) -> Path:
    """The working folder, whose home has five documents and a query of two models in its cache."""
    kept = embedkit.cache(work / ".embedkit")
    for dim in (64, 96):
        embedder = CachedEmbedder(embedkit.embedder(f"hashing?dim={dim}"), kept)
        embedder.embed([f"text {i}" for i in range(5)])
        embedder.embed(["a question"], input_type="query")
    kept.close()
    return work


def test_nothing_yet(data: Any, work: Path) -> None:
    shown = data("cache")
    assert shown == {
        "path": str(work / ".embedkit" / ".cache" / "vectors.sqlite"),
        "bound": 4_000_000_000,
        "bytes": 0,
        "entries": 0,
        "spaces": [],
    }
    assert data("cache", "clear", "--yes")["deleted"] == 0
    assert not (work / ".embedkit").exists()


def test_show(run: Any, data: Any, cached: Path) -> None:
    shown = data("cache")
    assert shown == data("cache", "show")
    assert shown["entries"] == 12
    assert shown["bytes"] == (cached / ".embedkit/.cache/vectors.sqlite").stat().st_size
    found = [(s["model_id"], s["input_type"], s["dim"], s["entries"]) for s in shown["spaces"]]
    assert found == [
        (MODEL, "document", 64, 5),
        (MODEL, "query", 64, 1),
        ("hashing-1 dim=96", "document", 96, 5),
        ("hashing-1 dim=96", "query", 96, 1),
    ]
    lines = run("cache", "--format", "table").stdout.splitlines()
    assert lines[1].split() == ["bound", "4.0", "GB"]
    assert lines[3].split() == ["entries", "12"]
    assert lines[5].split()[:4] == ["model", "input", "type", "dim"]
    assert lines[6].split()[:7] == ["hashing-1", "dim=64", "document", "64", "float32", "5", "1.3"]
    rows = list(csv.DictReader(io.StringIO(run("cache", "show", "--format", "csv").stdout)))
    assert [row["entries"] for row in rows] == ["5", "1", "5", "1"]


def test_the_bound_is_a_setting(
    run: Any, data: Any, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "embedkit.toml").write_text('cache_size = "0"\n', encoding="utf-8")
    assert data("cache")["bound"] == 0
    assert "nothing is cached" in run("cache", "--format", "table").stdout
    monkeypatch.setenv("EMBEDKIT_CACHE_SIZE", "4 apples")
    assert "EMBEDKIT_CACHE_SIZE: expected a size" in run("cache", code=2).stderr


def test_clear_asks_first(run: Any, data: Any, cached: Path) -> None:
    said = run("cache", "clear", code=2).stderr
    assert "12 cached vectors (3.8 kB, in " in said
    assert "--yes" in said
    said = run("cache", "clear", "--model", MODEL, code=2).stderr
    assert f"6 cached vectors of {MODEL} (1.5 kB" in said
    assert data("cache")["entries"] == 12


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, 0), (b"n\n", 130, 12)])
def test_clear_asks_a_person(
    start: Callable[..., Any], data: Any, cached: Path, answer: bytes, code: int, left: int
) -> None:
    parent, child = pty.openpty()
    process = start(["cache", "clear"], stdin=child)
    os.close(child)
    os.write(parent, answer)
    _, errors = process.communicate(timeout=60)
    os.close(parent)
    assert process.returncode == code, errors
    assert b"Delete 12 cached vectors (" in errors
    assert data("cache")["entries"] == left


def test_clear(run: Any, data: Any, cached: Path) -> None:
    assert data("cache", "clear", "--older-than", "1h", "--yes")["deleted"] == 0
    assert run("cache", "clear", "--older-than", "1w", "--format", "table").stdout == (
        "nothing to delete\n"
    )
    assert data("cache", "clear", "--model", MODEL, "--yes")["deleted"] == 6
    assert [space["dim"] for space in data("cache")["spaces"]] == [96, 96]
    assert "deleted 6 cached vectors" in run("cache", "clear", "--yes", "--format", "table").stdout
    assert data("cache")["entries"] == 0


def test_clear_never_guesses(run: Any, data: Any, cached: Path) -> None:
    said = run("cache", "clear", "--model", "hashing-1 dim=644", "--yes", code=2).stderr
    assert f"did you mean '{MODEL}'?" in said
    for time in ("30", "d", "-3d", "1y", "many days"):
        said = run("cache", "clear", "--older-than", time, "--yes", code=2).stderr
        assert "30d, 12h or 4w" in said
    assert data("cache")["entries"] == 12


def test_a_damaged_cache_can_be_shown_and_cleared(run: Any, data: Any, cached: Path) -> None:
    file = cached / ".embedkit" / ".cache" / "vectors.sqlite"
    file.write_bytes(b"garbage" * 1000)
    assert data("cache")["entries"] == 0
    assert file.with_name("vectors.sqlite.damaged").exists()
    assert data("cache", "clear", "--yes")["deleted"] == 0


def test_a_cache_is_no_collection(data: Any, cached: Path) -> None:
    assert data("collections") == []
