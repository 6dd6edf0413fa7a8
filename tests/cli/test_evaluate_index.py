from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

import embedkit
from embedkit.testing import clustered_vectors


@pytest.fixture
def vectors(work: Path) -> None:
    """A collection large enough for an index of its own."""
    made = embedkit.open("vectors", home=work / ".embedkit", index="usearch")
    records = [{"id": str(i), "text": f"text {i}"} for i in range(4500)]
    made.upsert(records, vectors=clustered_vectors(4500, 24))
    made.close()


def test_each_index_is_measured(data: Any, vectors: None) -> None:
    found = data("evaluate", "index", "--index", "flat", "--index", "turbovec", "--sample", "50")
    assert [p["index"] for p in found["points"]][:3] == ["usearch", "flat", "turbovec"]
    assert found["points"][0]["in_use"]
    assert found["queries"] == 50
    assert found["rows"] == 4500


def test_a_table_and_csv(run: Any, vectors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    words = ("evaluate", "index", "--index", "flat", "--sample", "20", "--format")
    table = run(*words, "table").stdout.splitlines()
    assert table[0].split()[:3] == ["index", "setting", "recall@10"]
    assert table[1].split()[:3] == ["in", "use", "usearch"]
    assert "4,500 vectors of 24 dimensions" in " ".join(table)
    rows = list(csv.DictReader(io.StringIO(run(*words, "csv").stdout)))
    assert [row["index"] for row in rows] == ["usearch", "flat"]
    assert rows[1]["recall"] == "1.0"


def test_a_floor_decides_the_exit_code(run: Any, vectors: None) -> None:
    words = ("evaluate", "index", "--index", "flat", "--sample", "20", "--min")
    run(*words, "recall=0.5")
    run(*words, "recall@10=0.5")
    result = run(*words, "recall=1.01", code=1)
    assert "below the floor of 1.01" in result.stderr
    assert "recall=VALUE" in run(*words, "ndcg@10=0.6", code=2).stderr
    assert "such as" in run(*words, "recall", code=2).stderr


@pytest.mark.slow
def test_a_picture_is_drawn(run: Any, vectors: None, work: Path) -> None:
    words = ("evaluate", "index", "--index", "flat", "--sample", "20", "--plot")
    assert "drew indexes.svg" in run(*words, "indexes.svg").stderr
    assert (work / "indexes.svg").read_text().startswith("<?xml")
    refused = run(*words, "indexes.txt", code=2)
    assert "expected a file that ends in .png" in refused.stderr


def test_queries_of_a_file_are_asked(data: Any, run: Any, questions: Path, work: Path) -> None:
    (work / "asked.csv").write_text("id,text\n1,money back\n2,track a parcel\n")
    words = ("evaluate", "index", "--index", "flat", "--queries", "asked.csv")
    assert data(*words)["queries"] == 2
    (work / "asked.csv").write_text("id,text\n")
    assert run(*words, code=1).stderr
    assert "--sample" in run(*words, "--sample", "30", code=2).stderr


def test_an_index_that_is_not_there(run: Any, questions: Path) -> None:
    result = run("evaluate", "index", "--index", "usarch", code=2)
    assert "did you mean 'usearch'?" in result.stderr


def test_a_collection_shows_its_contract(data: Any, run: Any, vectors: None) -> None:
    shown = data("collections", "show", "vectors")
    assert shown["recall"] == 0.99
    assert shown["measurement"]["met"] is True
    assert shown["measurement"]["low"] >= 0.99
    text = run("collections", "show", "vectors", "--format", "table").stdout
    assert "a recall of at least 0.99" in text
    assert "kept" in text
    assert "p50" in text
    changed = data("rebuild", "vectors", "--recall", "1")
    assert (changed["recall"], changed["index"]) == (1.0, "usearch (flat)")
    text = run("collections", "show", "vectors", "--format", "table").stdout
    assert "exact search" in text


@pytest.mark.parametrize("recall", ["0", "1.5", "-1", "nan"])
def test_a_recall_that_cannot_be_promised(run: Any, questions: Path, recall: str) -> None:
    for words in (("rebuild", "questions"), ("index", "questions.csv")):
        result = run(*words, f"--recall={recall}", code=2)
        assert "expected a recall in (0, 1]" in result.stderr


def test_index_takes_a_contract(run: Any, data: Any, questions: Path) -> None:
    run("index", "questions.csv", "-c", "strict", "--recall", "0.999")
    assert data("collections", "show", "strict")["recall"] == 0.999
