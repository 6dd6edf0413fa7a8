from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

ROWS = [
    (f"{word} {i} {rest}", label)
    for i in range(10)
    for word, label in (("refund", "money"), ("parcel", "post"))
    for rest in ("is late", "is gone")
]


@pytest.fixture
def labelled(work: Path) -> str:
    with (work / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "topic"])
        writer.writerows([*ROWS, ("no label here", "")])
    return "rows.csv"


def test_a_model_is_tuned_judged_and_named_for_the_next_command(
    run: Run, labelled: str, work: Path
) -> None:
    words = ("classify", "finetune", labelled, "--label", "topic", "--name", "topics")
    done = run(*words, "--epochs", "0.1", "--once", "--device", "cpu", "--format", "table")
    assert "accuracy on 4 held-out texts" in done.stdout
    assert "95 % interval" in done.stdout
    assert "learned from 32 texts" in done.stdout
    assert "1 row without a label set aside" in done.stderr
    folder = work / ".embedkit" / ".models" / "topics"
    assert (folder / "finetuned.json").exists()
    assert f"--embedder 'minilm?weights={folder}' --head " in done.stderr
    again = run(*words, code=2)
    assert "already there" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--label", "topik"), "did you mean 'topic'"),
        (("--label", "topic", "--model", "./nowhere"), "is not there"),
        (("--label", "topic", "--minutes", "0"), "--minutes"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_a_line(
    data: Callable[..., Any], run: Run, labelled: str, words: tuple[str, ...], said: str
) -> None:
    code = 1 if "--model" in words else 2
    done = run("classify", "finetune", labelled, "--name", "x", *words, code=code)
    assert said in done.stderr
    assert done.stdout == ""


def test_one_label_is_not_enough(run: Run, work: Path) -> None:
    (work / "one.csv").write_text("text,label\n" + "a text,a\n" * 20)
    done = run("classify", "finetune", "one.csv", "--name", "x", code=2)
    assert "at least two" in done.stderr
