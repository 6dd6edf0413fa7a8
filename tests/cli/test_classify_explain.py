from __future__ import annotations

import csv
import json
import os
import pty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
Data = Callable[..., Any]

ASKED = ("classify", "explain", "--name", "topics")
TEXT = "pay the bill for the parcel, please"


@pytest.fixture
def trained(run: Run, work: Path) -> Path:
    money = ["how do I pay my bill", "pay the bill by card", "can I pay by card", "a high bill"]
    post = ["where is my parcel", "the parcel is late", "track my parcel please", "a late parcel"]
    rows = [(text, "money") for text in money] + [(text, "post") for text in post]
    with Path("train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "topic"), *rows])
    words = ["classify", "train", "train.csv", "--label", "topic", "--head", "logreg"]
    run(*words, "--name", "topics")
    return work


def test_words_and_rows_tell_why(run: Run, data: Data, trained: Path) -> None:
    found = data(*ASKED, TEXT)
    assert found["text"] == TEXT
    words = {word["word"]: word for word in found["words"]}
    assert words["parcel"]["effect"] * words["bill"]["effect"] < 0
    assert TEXT[slice(*words["parcel"]["spans"][0])] == "parcel"
    assert len(found["nearest"]) == 5
    told = run(*ASKED, TEXT, "--rows", "2", "--format", "table", "--label", "money").stdout
    assert "rather than post" in told
    assert "+bill+" in told
    assert "-parcel-," in told, "a sign stands at the word, the comma stays outside"
    assert "without 'bill'" in told or "without 'pay'" in told
    assert "nearest of post" in told
    rows = list(csv.DictReader(run(*ASKED, TEXT, "--format", "csv").stdout.splitlines()))
    assert {row["word"] for row in rows} == set(words)


@pytest.mark.slow
def test_colours_mark_words_where_they_are_seen(
    trained: Path, start: Any, monkeypatch: Any
) -> None:
    words = [*ASKED, TEXT, "--label", "money"]
    told = on_a_terminal(start, words)
    assert "\x1b[32m\x1b[1mbill\x1b[0m" in told
    assert "\x1b[31m\x1b[1mparcel\x1b[0m" in told
    assert "+bill+" not in told
    monkeypatch.setenv("NO_COLOR", "1")
    told = on_a_terminal(start, words)
    assert "\x1b[" not in told
    assert "+bill+" in told


def on_a_terminal(start: Any, words: list[str]) -> str:
    parent, child = pty.openpty()
    process = start(words, stdout=child)
    os.close(child)
    told = b""
    try:
        while part := os.read(parent, 4096):
            told += part
    except OSError:  # the other end has gone
        pass
    assert process.wait(60) == 0, process.stderr.read()
    os.close(parent)
    return told.decode()


@pytest.mark.parametrize("columns", [30, 60, 100])
def test_the_text_is_as_wide_as_the_terminal(
    run: Run, trained: Path, monkeypatch: Any, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    told = run(*ASKED, " ".join([TEXT] * 5), "--rows", "0", "--format", "table").stdout
    lines = [line for line in told.splitlines() if line.startswith("  ")]
    assert max(map(len, lines[:-1])) <= columns
    shown = " ".join(lines[:-1]).replace("+", "").replace("-", "")
    assert shown.split() == [word for _ in range(5) for word in TEXT.split()]


def test_without_a_text_each_label_is_shown(run: Run, data: Data, trained: Path) -> None:
    found = data(*ASKED, "--rows", "2")
    assert [one["label"] for one in found] == ["money", "post"]
    assert len(found[0]["typical"]) == len(found[0]["borderline"]) == 2
    assert "bill" in {word["word"] for word in found[0]["words"]}
    told = run(*ASKED, "--label", "post", "--format", "table").stdout
    assert told.startswith("post: 4 rows")
    assert "words (z)  parcel" in told
    assert "borderline" in told
    assert "money: 4 rows" not in told
    rows = list(csv.DictReader(run(*ASKED, "--format", "csv").stdout.splitlines()))
    assert {row["kind"] for row in rows} == {"typical", "borderline", "word"}


def test_several_texts(run: Run, trained: Path) -> None:
    lines = run(*ASKED, "my bill", "my parcel", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["money", "post"]


def test_the_text_cannot_steer_the_terminal(run: Run, trained: Path) -> None:
    told = run(*ASKED, "the bill\x1b[2J and\nmore", "--format", "table").stdout
    assert "\x1b" not in told
    assert "\\x1b[2J" in told


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([" "], 2, "a text to explain, got an empty one"),
        ([TEXT, "--label", "pots"], 2, "did you mean 'post'?"),
        ([TEXT, "--label", "post", "--label", "money"], 2, "expected one --label"),
        (["--against", "post"], 2, "--against needs a TEXT"),
        ([TEXT, "--name", "topic"], 1, "did you mean 'topics'?"),
    ],
)
def test_what_cannot_be_explained(
    run: Run, trained: Path, words: list[str], code: int, said: str
) -> None:
    assert said in run("classify", "explain", *words, code=code).stderr
