"""Pictures of an evaluation: by what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InvalidInputError
from embedkit.evaluation.classification import evaluate_outcomes
from embedkit.evaluation.label_plot import MOST, plot_calibration, plot_confusion
from embedkit.evaluation.label_results import LabelEvaluation
from embedkit.evaluation.outcomes import Outcomes

pytestmark = pytest.mark.slow


def evaluated(matrix: list[list[int]] | Any, names: Any = None, **more: Any) -> LabelEvaluation:
    """Rows that are confused as a matrix says."""
    counts = np.asarray(matrix)
    true, said = np.indices(counts.shape).reshape(2, -1)
    targets, answers = (np.repeat(each, counts.ravel()) for each in (true, said))
    size = len(counts)
    chances = np.full((len(targets), size), 0.3 / (size - 1))
    chances[np.arange(len(targets)), answers] = 0.7
    labels = tuple(names or (f"class {i}" for i in range(size)))
    return evaluate_outcomes(Outcomes.of(labels, targets, chances, **more), subject="mails")


def words(path: Path) -> list[str]:
    """What is written in a picture: matplotlib draws text as shapes, and names it beside."""
    lines = path.read_text().splitlines()
    return [line.strip()[5:-4] for line in lines if line.strip().startswith("<!-- ")]


def test_every_cell_of_a_confusion_matrix_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "confusion.svg"
    plot_confusion(evaluated([[31, 2, 0], [7, 1234, 5], [0, 0, 41]], ["a", "b$c$", "z"]), path)
    told = words(path)
    for word in ("31", "2", "7", "1,234", "5", "41", "a", "b$c$", "z", "true", "answered"):
        assert word in told, word
    assert "0" not in told, "what does not occur is left blank"
    assert any("1,320 rows, accuracy 0.989" in word for word in told)


def test_classes_that_are_confused_stand_beside_each_other(tmp_path: Path) -> None:
    matrix = np.diag([9] * 20)
    matrix[0, 19] = matrix[19, 0] = 5
    path = tmp_path / "confusion.svg"
    plot_confusion(evaluated(matrix), path)
    told = [word for word in words(path) if word.startswith("class ")]
    columns = told[:20]
    assert sorted(columns) == sorted(f"class {i}" for i in range(20))
    assert abs(columns.index("class 0") - columns.index("class 19")) == 1
    plot_confusion(evaluated(matrix, task="ordered"), path)
    told = [word for word in words(path) if word.startswith("class ")]
    assert told[:20] == [f"class {i}" for i in range(20)], "an order that is given is kept"


def test_of_very_many_classes_those_with_errors_are_drawn(tmp_path: Path) -> None:
    matrix = np.diag([1] * (MOST + 5))
    matrix[100, 104] = 3
    path = tmp_path / "confusion.svg"
    plot_confusion(evaluated(matrix), path)
    told = words(path)
    assert {"class 100", "class 104"} <= set(told)
    assert "class 99" not in told
    assert any("the 100 of 105 classes with most errors" in word for word in told)


def test_a_calibration_curve_shows_rows_and_error(tmp_path: Path) -> None:
    path = tmp_path / "curve.svg"
    plot_calibration(evaluated([[31, 2], [9, 50]]), path)
    told = words(path)
    assert "92" in told, "the rows of the only bin"
    assert any("92 rows, calibration error 0.180" in word for word in told)
    assert {"share that is right", "share of the rows", "exact", "this classifier"} <= set(told)


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    several = evaluate_outcomes(
        Outcomes.of(("a", "b"), np.ones((2, 2), bool), np.full((2, 2), 0.9), task="multi")
    )
    with pytest.raises(InvalidInputError, match="one label a row"):
        plot_confusion(several, tmp_path / "confusion.png")
    with pytest.raises(InvalidInputError, match=r"ends in \.png"):
        plot_calibration(several, tmp_path / "curve.gif")
    plot_calibration(several, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
