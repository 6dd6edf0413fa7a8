"""kill -9 while a classifier is trained or used leaves what was there, whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embedkit

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
QUESTIONS = ROOT / "examples" / "questions.csv"
LEARN = ["classify", "train", str(QUESTIONS), "--text", "question", "--label", "topic"]
LEARN += ["--embedder", "hashing", "--head", "logreg", "--name", "topics"]

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(home: Path) -> Start:
    """Start a command line in a process of its own, for the test's home."""

    def begin(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "cli", ROOT / "connectors")))
        return subprocess.Popen(
            [sys.executable, "-m", "embedkit_cli", *words, "--home", str(home)],
            env={**os.environ, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.DEVNULL),
            stderr=subprocess.PIPE,
            **options,
        )

    return begin


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def many(path: Path, n: int) -> Path:
    with path.open("w") as file:
        file.write("n,question\n")
        for i in range(n):
            file.write(f"{i},what about number {i} of these questions\n")
    return path


def test_training_killed_leaves_the_old_one(start: Start, home: Path) -> None:
    finish(start(*LEARN))
    before = embedkit.classifiers(home)[0]
    said = embedkit.classifier("topics", home=home).predict_proba(["where is my parcel"])
    began = time.monotonic()
    finish(start(*LEARN))
    whole = time.monotonic() - began
    moments = random.Random(3)
    for _ in range(3):
        process = start(*LEARN)
        time.sleep(moments.uniform(0.6, 1.05) * whole)
        process.kill()
        process.communicate()
        (info,) = embedkit.classifiers(home)
        assert info.labels == before.labels
        assert info.origin == before.origin
        now = embedkit.classifier("topics", home=home).predict_proba(["where is my parcel"])
        assert now == pytest.approx(said, abs=1e-6)
    finish(start(*LEARN))
    folder = home / ".classifiers" / "topics"
    assert not list(folder.glob("*.tmp")), "what was left half-written is cleared"


def test_two_that_train_the_same_name_both_end_well(start: Start, home: Path) -> None:
    both = [start(*LEARN, stdout=subprocess.PIPE) for _ in range(2)]
    for process in both:
        told, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
        assert json.loads(told)["name"] == "topics"
    assert embedkit.classifiers(home)[0].report.rows == 503


def test_predicting_killed_leaves_no_half_file(start: Start, home: Path, tmp_path: Path) -> None:
    finish(start(*LEARN))
    source, out = many(tmp_path / "many.csv", 30_000), tmp_path / "out.csv"
    out.write_text("old\n")
    words = ["classify", "predict", str(source), "-o", str(out), "--force"]
    moments = random.Random(4)
    for _ in range(3):
        process = start(*words)
        time.sleep(moments.uniform(0.3, 1.2))
        process.kill()
        process.communicate()
        told = out.read_text()
        assert told == "old\n" or told.count("\n") == 30_001
    finish(start(*words))
    assert out.read_text().count("\n") == 30_001


def test_labelling_a_collection_killed(start: Start, home: Path) -> None:
    finish(start(*LEARN))
    finish(start("index", str(QUESTIONS), "--embedder", "hashing"))
    words = ["classify", "predict", "-c", "questions", "--name", "topics", "--column", "kind"]
    moments = random.Random(5)
    for _ in range(2):
        process = start(*words)
        time.sleep(moments.uniform(0.3, 1.2))
        process.kill()
        process.communicate()
        with embedkit.open("questions", home=home) as collection:
            kinds = [record.metadata.get("kind") for record in collection]
            assert len(kinds) == 503
            assert all(kinds) or not any(kinds), "all labels or none"
    finish(start(*words))
    with embedkit.open("questions", home=home) as collection:
        assert all(record.metadata["kind"] for record in collection)
        assert all(finding.ok for finding in collection.check())


def test_a_reader_that_goes_away(start: Start, home: Path, tmp_path: Path) -> None:
    finish(start(*LEARN))
    source = many(tmp_path / "many.csv", 30_000)
    process = start("classify", "predict", str(source), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"n,question,label,probability,abstained")
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert errors == b""
