"""Two classifiers on the same rows: against tests worked by hand."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InvalidInputError
from embedkit.evaluation.classification import evaluate_outcomes
from embedkit.evaluation.label_results import LabelEvaluation
from embedkit.evaluation.outcomes import Outcomes


def evaluated(
    right: list[bool], labels: tuple[str, ...] = ("a", "b", "c"), **more: Any
) -> LabelEvaluation:
    """Rows of class a, answered a where right and b where not."""
    chances = np.full((len(right), len(labels)), 0.1)
    chances[np.arange(len(right)), np.where(right, 0, 1)] = 1 - 0.1 * (len(labels) - 1)
    return evaluate_outcomes(Outcomes.of(labels, np.zeros(len(right), int), chances, **more))


def test_accuracy_is_tested_by_mcnemar() -> None:
    ours = evaluated([True] * 40 + [True] * 9 + [False] * 2 + [False] * 4)
    theirs = evaluated([True] * 40 + [False] * 9 + [True] * 2 + [False] * 4)
    found = ours.against(theirs)["accuracy"]
    assert (found.wins, found.ties, found.losses) == (9, 44, 2)
    # 9 or more of 11 tosses on one side, or on the other.
    assert found.p_value == pytest.approx(2 * sum(comb(11, k) for k in (9, 10, 11)) / 2**11)
    assert found.difference.mean == pytest.approx(7 / 55)
    assert found.ours - found.theirs == pytest.approx(7 / 55)
    assert found.difference.low > 0 > -found.difference.high


def test_exchanging_answers_agrees_with_mcnemar() -> None:
    """Each row a group of two equal texts: the test by exchange takes over from the binomial."""
    ours, theirs = [True] * 9 + [False] * 2, [False] * 9 + [True] * 2
    groups = np.repeat(np.arange(11), 2)
    found = evaluated([r for r in ours for _ in "12"], groups=groups).against(
        evaluated([r for r in theirs for _ in "12"], groups=groups)
    )
    exact = 2 * sum(comb(11, k) for k in (9, 10, 11)) / 2**11
    assert found["accuracy"].p_value == pytest.approx(exact, abs=0.02)


def test_the_same_answers_are_the_same() -> None:
    one = evaluated([True, False, True])
    for name, found in one.against(one).items():
        assert (found.difference.mean, found.p_value, found.ties) == (0, 1, 3), name


def test_losses_are_won_by_less() -> None:
    ours, theirs = evaluated([True] * 12), evaluated([True] * 2 + [False] * 10)
    found = ours.against(theirs)
    for name in ("Brier", "log-loss"):
        assert found[name].difference.high < 0, name
        assert (found[name].wins, found[name].losses) == (10, 0), name
        assert found[name].p_value < 0.01, name


def test_classes_that_one_of_them_does_not_know() -> None:
    found = evaluated([True, False] * 6).against(evaluated([True, True] * 6, labels=("a", "b")))
    assert found["accuracy"].difference.mean == -0.5


def test_what_cannot_be_compared() -> None:
    with pytest.raises(InvalidInputError, match="measured on the same rows"):
        evaluated([True]).against(evaluated([True, True]))
    with pytest.raises(InvalidInputError, match="by the same labels"):
        evaluated([True]).against(evaluated([True], labels=("b", "a")))
    with pytest.raises(InvalidInputError, match="order the same labels"):
        evaluated([True], task="ordered").against(
            evaluated([True], labels=("a", "c", "b"), task="ordered")
        )


def test_what_one_of_them_alone_has_is_no_difference() -> None:
    ours = evaluated([True, False] * 6, abstained=np.ones(12, bool))
    theirs = evaluated([True, False] * 6, abstained=np.zeros(12, bool))
    found = ours.against(theirs)
    assert np.isnan(found["accuracy-answered"].difference.mean)
    assert found["accuracy-answered"].p_value == 1
    assert found["answered"].p_value < 0.01
