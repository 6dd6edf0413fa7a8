from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def failed(run: Any, work: Path) -> Path:
    """Two runs of a file; rows of the second failed."""
    source = work / "a.csv"
    source.write_text("id,text\n1,one\n", encoding="utf-8")
    run("index", "a.csv")
    source.write_text("id,text\n1,one\n2,\n1,\x1b[31magain\n3,three\n", encoding="utf-8")
    run("index", "a.csv", code=1)
    return work


def test_newest_first(data: Any, run: Any, failed: Path) -> None:
    runs = data("runs")
    assert [found["run"] for found in runs] == [2, 1]
    assert runs == data("runs", "list")
    assert runs[0]["counts"]["failed"] == 2
    assert runs[0]["status"] == "done"
    assert "failures" not in runs[0]
    lines = run("runs", "--format", "table").stdout.splitlines()
    assert lines[0].split() == [
        "run", "started", "(UTC)", "status", "new", "changed", "unchanged", "removed", "failed",
        "source",
    ]  # fmt: skip
    assert lines[1].split()[-2:] == ["2", "a.csv"]
    rows = list(csv.DictReader(io.StringIO(run("runs", "--format", "csv").stdout)))
    assert rows[0]["failed"] == "2"


def test_failures_with_line_and_reason(data: Any, run: Any, failed: Path) -> None:
    found = data("runs", "show", "2")
    assert [row["line"] for row in found["failures"]] == [3, 4]
    assert "empty" in found["failures"][0]["reason"]
    assert "line 2" in found["failures"][1]["reason"]
    assert found == data("runs", "show"), "without a number, the last one"
    assert data("runs", "show", "1")["failures"] == []
    shown = run("runs", "show", "--format", "table").stdout
    assert "\x1b" not in shown
    assert "line  reason" in shown
    rows = list(csv.DictReader(io.StringIO(run("runs", "show", "--format", "csv").stdout)))
    assert [row["line"] for row in rows] == ["3", "4"]


def test_collection_may_be_named_before_or_after(data: Any, run: Any, failed: Path) -> None:
    (failed / "b.csv").write_text("id,text\n1,one\n", encoding="utf-8")
    run("index", "b.csv")
    assert data("runs", "-c", "a", "show", "2")["counts"]["failed"] == 2
    assert data("runs", "show", "2", "-c", "a")["counts"]["failed"] == 2
    assert len(data("runs", "list", "-c", "b")) == 1


def test_no_such_run(run: Any, failed: Path) -> None:
    result = run("runs", "show", "7", code=2)
    assert "no run 7" in result.stderr
