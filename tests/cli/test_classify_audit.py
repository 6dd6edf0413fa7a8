from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from tests.unit.classification.audit.world import flipped, questions, write

Run = Callable[..., Result]
QUICK = ("--folds", "4")


def rows_with_errors() -> tuple[list[tuple[str, str]], set[int]]:
    rows = questions()
    labels, wrong = flipped(rows, 0.05, 3)
    return [(text, label) for (text, _), label in zip(rows, labels, strict=True)], wrong


def test_a_summary_and_files(run: Run, data: Callable[..., Any], work: Path) -> None:
    rows, wrong = rows_with_errors()
    write(work / "q.csv", [*rows, ("how do I iron a shirt", "")], ("text", "label"))
    write(work / "test.csv", [rows[0], ("how do I bake bread", "cooking")], ("text", "label"))
    write(work / "new.csv", [("how do I iron a shirt",), ("is it late",)], ("text",))
    words = ("classify", "audit", "q.csv", "--test", "test.csv", "--unlabelled", "new.csv", *QUICK)
    result = run(*words, "-o", "out", "--format", "table")
    assert "Likely label errors" in result.stdout
    assert "1 row without a label set aside" in result.stdout
    assert "1 test row among the training rows" in result.stdout
    assert "wrote errors.csv" in result.stderr
    with (work / "out" / "errors.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = {int(row["line"]) - 2 for row in csv.DictReader(file)}
    assert len(lines & wrong) >= 0.7 * len(wrong)
    told = run(*words, "-o", "out", code=2).stderr
    assert "out holds errors.csv" in told
    assert "--force" in told
    found = data(*words)
    assert {error["line"] - 2 for error in found["errors"]} == lines
    assert [row["text"] for row in found["suggestions"]] != []


def test_one_table_alone(run: Run, data: Callable[..., Any], work: Path) -> None:
    rows, _ = rows_with_errors()
    write(work / "q.csv", rows, ("text", "label"))
    classes = data("classify", "audit", "q.csv", "--table", "classes", *QUICK)
    assert {row["label"] for row in classes} == {"travel", "gardening", "cooking"}
    assert [row["rows"] for row in classes] == sorted(row["rows"] for row in classes)
    printed = run(
        "classify", "audit", "q.csv", "--table", "errors", "--format", "csv", *QUICK
    ).stdout
    assert printed.startswith("line,id,text,label,suggested,score")


def test_a_gate_for_continuous_integration(run: Run, work: Path) -> None:
    rows, _ = rows_with_errors()
    write(work / "q.csv", rows, ("text", "label"))
    run("classify", "audit", "q.csv", "--max-errors", "100", *QUICK)
    told = run("classify", "audit", "q.csv", "--max-errors", "2", *QUICK, code=1).stderr
    assert "more than --max-errors 2" in told


def test_bad_input(run: Run, work: Path) -> None:
    write(work / "q.csv", [("a b", "x"), ("c d", "x")], ("text", "label"))
    assert "either SOURCE or" in run("classify", "audit", code=2).stderr
    assert "at least two labels" in run("classify", "audit", "q.csv", code=2).stderr
    wrong = ("classify", "audit", "q.csv", "--label", "lable")
    assert "did you mean 'label'" in run(*wrong, code=2).stderr
    assert "logreg" in run("classify", "audit", "q.csv", "--head", "logrek", code=2).stderr
