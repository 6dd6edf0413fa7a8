from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def judged(data: Any, questions: Path) -> Path:
    """Queries of which the first two hits are relevant."""
    asked = ["money back", "delivery time", "forgot my password", "opening hours", "gift card"]
    Path("queries.txt").write_text("\n".join(asked) + "\n")
    lines = []
    for number, text in enumerate(asked, start=1):
        lines += [f"{number} 0 {hit['id']} 1\n" for hit in data("search", text, "-k", "2")]
    Path("qrels").write_text("".join(lines))
    return questions


FILES = ("--queries", "queries.txt", "--qrels", "qrels")


def test_without_judgements_the_corpus_tells(run: Any, data: Any, questions: Path) -> None:
    value = data("calibrate")
    assert value["kind"] == "corpus"
    assert value["n"] == 503
    scores = [row["score"] for row in value["scores"]]
    assert scores == sorted(scores)
    middle = (value["measured"]["unrelated"] + value["measured"]["related"]) / 2
    assert scores[2] == pytest.approx(middle)
    shown = run("calibrate", "--format", "table").stdout
    assert "questions: confidence from its own 503 texts, without judgements" in shown
    assert "      0.50  0." in shown
    assert run("calibrate", "--format", "csv").stdout.startswith("confidence,score\n0.1,")


def test_judgements_are_kept_until_forgotten(run: Any, data: Any, judged: Path) -> None:
    value = data("calibrate", *FILES, "--dry-run")
    assert (value["kind"], value["n"]) == ("labels", 50)
    assert data("calibrate")["kind"] == "corpus"
    shown = run("calibrate", *FILES, "--format", "table").stdout
    assert "confidence from 50 judged hits, 20% relevant" in shown
    assert "on queries left out: AUROC" in shown
    assert data("calibrate")["kind"] == "labels"
    assert run("doctor", "questions", "--format", "table").stdout.count("calibration") == 1
    assert data("calibrate", "--forget")["kind"] == "corpus"
    assert "nothing to forget" in run("calibrate", "--forget").stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--queries", "queries.txt"], 2, "judgements need both"),
        (["--qrels", "qrels"], 2, "judgements need both"),
        (["--dry-run"], 2, "--dry-run is for"),
        (["--forget", *FILES], 2, "--forget takes no other options"),
        (["--queries", "queries.txt", "--qrels", "none"], 1, "there is no file none"),
        (["--queries", "queries.txt", "--qrels", "few"], 2, "judge more queries"),
    ],
)
def test_bad_input_is_one_clear_line(
    run: Any, judged: Path, words: list[str], code: int, said: str
) -> None:
    Path("few").write_text("\n".join(Path("qrels").read_text().splitlines()[:2]))
    stderr = run("calibrate", *words, code=code).stderr
    assert said in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_a_small_collection_says_that_it_is_small(run: Any, work: Path) -> None:
    Path("two.csv").write_text("id,text\n1,one\n2,two\n")
    run("index", "two.csv")
    assert "at least 10 different texts" in run("calibrate", code=2).stderr
