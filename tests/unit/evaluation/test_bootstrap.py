"""Means with intervals."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.errors import InvalidInputError
from embedkit.evaluation import bootstrap
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.types import Estimate


def test_equal_values_leave_no_doubt():
    assert mean_with_interval([0.5] * 7) == Estimate(0.5, 0.5, 0.5, 7)


def test_the_interval_is_about_as_wide_as_that_of_the_normal_approximation():
    values = np.random.default_rng(1).random(400)
    found = mean_with_interval(values)
    width = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - width, abs=width / 5)
    assert found.high == pytest.approx(values.mean() + width, abs=width / 5)
    assert found == mean_with_interval(values), "the same values give the same interval"


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        found = mean_with_interval(rng.random(60))
        inside += found.low <= 0.5 <= found.high
    assert inside >= 180


def test_nothing_has_no_mean():
    with pytest.raises(InvalidInputError):
        mean_with_interval([])


def test_many_values_are_drawn_in_parts(monkeypatch):
    values = np.random.default_rng(3).random(50)
    whole = mean_with_interval(values)
    monkeypatch.setattr(bootstrap, "HELD", 50 * 7)
    assert mean_with_interval(values) == whole
