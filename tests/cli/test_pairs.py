from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]

ROWS = "id,text,lang\n1,how do I pay,en\n2,how do I pay?,en\n3,a b c,de\n4,how do I pay,de\n"


@pytest.fixture
def indexed(run: Run, work: Path) -> Path:
    (work / "q.csv").write_text(ROWS)
    run("index", "q.csv", "--text", "text")
    return work


def test_pairs_in_every_format(indexed: Path, run: Run, data: Callable[..., Any]) -> None:
    found = data("pairs", "--threshold", "0.6")
    assert [(p["id1"], p["id2"], p["exact"]) for p in found] == [
        ("1", "4", True),
        ("1", "2", False),
    ]
    lines = run("pairs", "--threshold", "0.6").stdout.splitlines()
    assert list(map(json.loads, lines)) == found
    table = list(
        csv.DictReader(io.StringIO(run("pairs", "--threshold", "0.6", "--format", "csv").stdout))
    )
    assert [float(row["score"]) for row in table] == [p["score"] for p in found]
    assert list(table[0]) == ["id1", "id2", "score", "exact", "text1", "text2"]
    shown = run("pairs", "--threshold", "0.6", "--format", "table").stdout.splitlines()
    assert shown[0].split() == ["cosine", "id1", "id2", "text1", "text2"]
    assert shown[1].split()[:3] == ["equal", "1", "4"]


def test_nothing_found_is_said_and_is_no_failure(indexed: Path, run: Run) -> None:
    result = run("pairs", "--where", "lang = 'en'", "--threshold", "0.999")
    assert result.stdout == ""
    assert "no two records have a cosine of 0.999 or more" in result.stderr
    assert (
        json.loads(run("pairs", "--where", "lang = 'en'", "--threshold", "0.999", "--json").stdout)
        == []
    )


def test_limit_and_filter(indexed: Path, data: Callable[..., Any]) -> None:
    assert len(data("pairs", "--threshold", "0.6", "--limit", "1")) == 1
    found = data("pairs", "--threshold", "0.6", "--where", "lang = 'en'")
    assert [(p["id1"], p["id2"]) for p in found] == [("1", "2")]


def test_bad_input(indexed: Path, run: Run) -> None:
    for threshold in ("0", "1.5", "x", "nan"):
        assert "threshold" in run("pairs", "--threshold", threshold, code=2).stderr
    assert "did you mean 'lang'" in run("pairs", "--where", "lnag = 1", code=2).stderr
    assert "'q'" in run("pairs", "-c", "qq", code=1).stderr


def test_clusters(indexed: Path, run: Run, data: Callable[..., Any]) -> None:
    words = ["pairs", "--threshold", "0.6", "--clusters"]
    found = data(*words)
    assert [(m["cluster"], m["size"]) for m in found] == [(1, 3)] * 3
    assert [m["id"] for m in found] == ["1", "2", "4"]
    shown = run(*words, "--format", "table").stdout.splitlines()
    assert [line.split()[:3] for line in shown] == [
        ["cluster", "size", "cosine"],
        ["1", "3", "first"],
        [f"{found[1]['score']:.4f}", "2", "how"],
        ["equal", "4", "how"],
    ]
    lines = run(*words, "--linkage", "leader", "--format", "csv").stdout.splitlines()
    assert lines[0] == "cluster,size,first,id,score,exact,text"
    assert "--clusters" in run("pairs", "--linkage", "leader", code=2).stderr


def test_calibrated_by_labelled_pairs(indexed: Path, run: Run, data: Callable[..., Any]) -> None:
    rows = [f"how do I pay {i},do we pay {i}?,1\n" for i in range(20)]
    rows += [f"how do I pay {i},where is gate {i},0\n" for i in range(20)]
    (indexed / "labels.csv").write_text("text1,text2,label\n" + "".join(rows))
    words = ["pairs", "--calibrate", "labels.csv", "--precision", "0.9"]
    result = run(*words, "--json")
    found = json.loads(result.stdout)
    assert [(p["id1"], p["id2"]) for p in found] == [("1", "4"), ("1", "2")]
    assert found[0]["probability"] > 0.9
    assert "learned from 40 labelled pairs of which 20 are duplicates" in result.stderr
    assert "precision 1.000 (95 % interval 0." in result.stderr
    header, *lines = run(*words, "--format", "csv").stdout.splitlines()
    assert header.endswith(",text1,text2,probability")
    assert len(lines) == 2
    shown = run(*words, "--format", "table").stdout.splitlines()
    assert shown[0].split()[:3] == ["cosine", "probability", "id1"]
    assert len(run(*words, "--clusters").stdout.splitlines()) == 3


def test_what_does_not_go_together(indexed: Path, run: Run) -> None:
    both = run("pairs", "--calibrate", "x.csv", "--threshold", "0.5", code=2)
    assert "exclude each other" in both.stderr
    assert "--calibrate" in run("pairs", "--precision", "0.5", code=2).stderr
    assert "x.csv" in run("pairs", "--calibrate", "x.csv", code=1).stderr
    (indexed / "labels.csv").write_text("a,b,label\n1,2,1\n")
    assert "text1, text2, label" in run("pairs", "--calibrate", "labels.csv", code=2).stderr


def test_pairs_of_a_file(work: Path, run: Run) -> None:
    (work / "q.csv").write_text(ROWS + "5,a,b,c,d\n")
    before = set(Path(tempfile.gettempdir()).glob("embedkit-*"))
    result = run("pairs", "q.csv", "--threshold", "0.6", "--text", "text", code=1)
    found = list(map(json.loads, result.stdout.splitlines()))
    assert [(p["id1"], p["id2"]) for p in found] == [("1", "4"), ("1", "2")]
    assert "1 row could not be read" in result.stderr
    result = run("pairs", "-", "--threshold", "0.6", "--where", "lang = 'en'", stdin=ROWS)
    assert len(result.stdout.splitlines()) == 1
    assert not (work / ".embedkit").exists()
    assert set(Path(tempfile.gettempdir()).glob("embedkit-*")) <= before


def test_a_file_or_a_collection(indexed: Path, run: Run) -> None:
    assert "both" in run("pairs", "q.csv", "-c", "q", code=2).stderr
    assert "--text is for SOURCE" in run("pairs", "--text", "text", code=2).stderr
    assert "q.csv" in run("pairs", "p.csv", code=1).stderr
    assert "did you mean 'text'" in run("pairs", "q.csv", "--text", "txet", code=2).stderr
    (indexed / "empty.csv").write_text("id,text\n")
    assert "no rows" in run("pairs", "empty.csv", code=1).stderr
