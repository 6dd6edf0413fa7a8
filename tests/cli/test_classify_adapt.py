"""``embedkit classify adapt``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_EMBEDDER", "hashing?dim=64")


Run = Callable[..., Result]
Data = Callable[..., Any]


@pytest.fixture
def lines(work: Path) -> Path:
    """Texts of which one word in eight says what they are about."""
    rng = np.random.default_rng(3)
    about = [["invoice", "refund", "payment"], ["parcel", "courier", "delivery"]]
    noise = [f"word{i}" for i in range(60)]
    rows = ["text,topic"]
    for i in range(160):
        words = [*rng.choice(noise, 7), rng.choice(about[i % 2])]
        rows.append(f"{' '.join(rng.permutation(words))},{('money', 'post')[i % 2]}")
    path = work / "lines.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_an_adapter_that_helps_is_said_to_and_can_be_searched_by(
    run: Run, data: Data, lines: Path
) -> None:
    table = run("classify", "adapt", "lines.csv", "--label", "topic", "--format", "table")
    assert "adapter:lines: learned on hashing?dim=64 from 160 rows of 2 labels" in table.stdout
    assert "right by the ten nearest rows" in table.stdout
    assert "it helps, by 160 rows held out" in table.stdout
    assert "embedkit migrate COLLECTION --to adapter:lines" in table.stderr
    run("index", "lines.csv", "--text", "text")
    found = data("migrate", "lines", "--to", "adapter:lines")
    assert found["switched"]
    hits = data("search", "invoice word1 word2 word3", "-k", "10")
    about = [hit["metadata"]["topic"] for hit in hits]
    assert about.count("money") >= 8


def test_one_that_does_not_help_is_advised_against(run: Run, work: Path, lines: Path) -> None:
    rows = lines.read_text().splitlines()
    shuffled = np.random.default_rng(1).permutation([row.rpartition(",")[2] for row in rows[1:]])
    texts = [row.rpartition(",")[0] for row in rows[1:]]
    (work / "chance.csv").write_text(
        "text,topic\n" + "".join(f"{a},{b}\n" for a, b in zip(texts, shuffled, strict=True))
    )
    result = run("classify", "adapt", "chance.csv", "--label", "topic", "--name", "c", "--json")
    assert json.loads(result.stdout)["helped"] == "no"
    assert "better not to use it" in result.stderr


def test_pairs_teach_too(data: Data, run: Run, work: Path) -> None:
    rng = np.random.default_rng(2)
    noise = [f"word{i}" for i in range(40)]
    rows = ["question1,question2,is_duplicate"]
    for i in range(60):
        key, other = f"thing{i}", f"thing{i + 500}"
        ours, theirs = (" ".join(rng.choice(noise, 5)) for _ in range(2))
        same = i % 2 == 0
        rows.append(f"{ours} {key},{theirs} {key if same else other},{int(same)}")
    (work / "pairs.csv").write_text("\n".join(rows) + "\n")
    words = ["classify", "adapt", "pairs.csv", "--pairs", "question1,question2"]
    found = data(*words, "--label", "is_duplicate", "--dry-run")
    assert (found["learned_from"], found["rows"], found["held_out"]) == ("pairs", 60, 60)
    assert [measure["name"] for measure in found["measures"]] == ["ndcg@10", "auc"]
    table = run(*words, "--name", "p", "--format", "table").stdout
    assert "adapter:p: learned on hashing?dim=64 from 60 pairs in" in table
    assert "nDCG@10" in table
    assert "AUC" not in table  # without labels there is nothing to tell apart


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (["--label", "topc"], "topic", 2),
        (["--label", "topic", "--name", "../x"], "adapter's name", 2),
        (["--label", "topic", "--name", "x", "--dry-run"], "--dry-run", 2),
        (["--pairs", "text"], "text1,text2", 2),
        (["--pairs", "text,topik"], "did you mean 'topic'", 2),
        (["--pairs", "text,topic", "--text", "text"], "leave --text out", 2),
        (["--label", "topic", "--embedder", "adapter:x"], "a model to adapt", 2),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    run: Run, lines: Path, words: list[str], told: str, code: int
) -> None:
    result = run("classify", "adapt", "lines.csv", *words, code=code)
    assert told in result.stderr
    assert not (lines.parent / ".embedkit" / ".adapters").exists()


def test_a_taken_name_and_one_label_are_refused(run: Run, work: Path, lines: Path) -> None:
    run("classify", "adapt", "lines.csv", "--label", "topic", "--keep", "5")
    again = run("classify", "adapt", "lines.csv", "--label", "topic", code=2)
    assert "there is an adapter 'lines'" in again.stderr
    (work / "one.csv").write_text("text,topic\n" + "some text,only\n" * 5)
    assert "only" in run("classify", "adapt", "one.csv", "--label", "topic", code=2).stderr
