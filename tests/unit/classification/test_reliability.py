"""Whether probabilities mean what they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from embedkit.classification.reliability import (
    Quality,
    brier_scores,
    calibration_error,
    log_losses,
    quality,
    reliability_curve,
)
from embedkit.errors import InvalidInputError


def sure(tops: list[float]) -> Any:
    """Probabilities of two labels, the first with those of ``tops``."""
    top = np.array(tops)
    return np.stack([top, 1 - top], axis=1)


def drawn(n: int, n_labels: int, seed: int = 0) -> tuple[Any, Any]:
    """Probabilities, and truths drawn with them."""
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.full(n_labels, 0.4), n)
    targets = (chance.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return chance, targets


def test_the_error_of_four_texts_worked_by_hand() -> None:
    # .91 and .92 share the bin up to 14/15, half of them right: |.915 - .5| counts by 2 of 4;
    # .61 is alone, wrong; .99 is alone, right.
    chance = sure([0.91, 0.92, 0.61, 0.99])
    targets = np.array([0, 1, 1, 0])
    expected = (abs(0.915 - 0.5) * 2 + 0.61 + 0.01) / 4
    assert calibration_error(chance, targets) == pytest.approx(expected)


def test_bins_of_equal_mass_hold_equally_many() -> None:
    chance, targets = drawn(1000, 3)
    curve = reliability_curve(chance, targets, bins=10, mass=True)
    assert [each.rows for each in curve] == [100] * 10
    means = [each.confidence for each in curve]
    assert means == sorted(means)
    assert curve[0].low == pytest.approx(chance.max(axis=1).min())
    assert curve[-1].high == pytest.approx(chance.max(axis=1).max())


def test_the_curve_tells_confidence_and_accuracy_of_each_bin() -> None:
    curve = reliability_curve(sure([0.91, 0.92, 0.61]), np.array([0, 1, 1]), bins=10)
    assert [each.rows for each in curve] == [0, 0, 0, 0, 0, 0, 1, 0, 0, 2]
    assert curve[9].confidence == pytest.approx(0.915)
    assert curve[9].accuracy == 0.5
    assert math.isnan(curve[0].accuracy)


def test_a_confidence_on_an_edge_belongs_below_it() -> None:
    curve = reliability_curve(sure([0.8, 1.0]), np.array([0, 0]), bins=5)
    assert [each.rows for each in curve] == [0, 0, 0, 1, 1]


def test_scores_agree_with_those_of_scikit_learn() -> None:
    chance, targets = drawn(300, 4)
    assert brier_scores(chance, targets).mean() == pytest.approx(
        brier_score_loss(targets, chance, scale_by_half=False)
    )
    assert log_losses(chance, targets).mean() == pytest.approx(log_loss(targets, chance))


def test_several_labels_are_cells_each_by_itself() -> None:
    chance = np.array([[0.9, 0.2], [0.7, 0.4]])
    flags = np.array([[True, False], [False, True]])
    assert brier_scores(chance, flags) == pytest.approx([(0.01 + 0.04) / 2, (0.49 + 0.36) / 2])
    assert log_losses(chance, flags).mean() == pytest.approx(
        np.mean([log_loss(flags[:, i], chance[:, i]) for i in range(2)])
    )
    assert quality(chance, flags).accuracy == 0.5
    assert calibration_error(chance, flags) == pytest.approx((0.1 + 0.2 + 0.7 + 0.6) / 4)


def test_true_probabilities_err_as_much_as_chance_makes_them() -> None:
    told = [quality(*drawn(2000, 5, seed)) for seed in range(12)]
    errors = np.array([each.ece.mean for each in told])
    expected = np.mean([each.chance for each in told])
    # The mean of twelve; one has a standard deviation of about a fifth of the mean.
    assert errors.mean() == pytest.approx(expected, rel=0.2)
    assert max(errors) < 0.03


def test_the_interval_holds_the_figure_and_narrows_with_rows() -> None:
    few, many = quality(*drawn(200, 3)), quality(*drawn(5000, 3))
    for each in (few, many):
        for mean in (each.ece, each.brier, each.log_loss):
            assert mean.low <= mean.mean <= mean.high
    assert many.brier.high - many.brier.low < (few.brier.high - few.brier.low) / 3


def test_a_probability_of_zero_costs_much_and_not_infinitely() -> None:
    assert log_losses(sure([0.0]), np.array([0]))[0] == pytest.approx(-math.log(1e-12))


def test_quality_survives_json() -> None:
    told = quality(*drawn(100, 3))
    assert Quality.from_dict(told.to_dict()) == told


@pytest.mark.parametrize("targets", [[], [0]])
def test_no_rows_or_too_few_targets_are_refused(targets: list[int]) -> None:
    chance = np.empty((0, 2)) if not targets else np.full((3, 2), 0.5)
    with pytest.raises(InvalidInputError, match="expected probabilities of shape"):
        quality(chance, np.array(targets, np.int64))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(2, 6), st.integers(1, 20), st.booleans(), st.integers(0, 99))
def test_bins_hold_every_text_once(n: int, k: int, bins: int, mass: bool, seed: int) -> None:
    chance, targets = drawn(n, k, seed)
    curve = reliability_curve(chance, targets, bins=bins, mass=mass)
    assert sum(each.rows for each in curve) == n
    hits = sum(each.accuracy * each.rows for each in curve if each.rows)
    assert hits == pytest.approx((chance.argmax(axis=1) == targets).sum())
    error = sum(abs(each.accuracy - each.confidence) * each.rows for each in curve if each.rows)
    assert calibration_error(chance, targets, bins=bins, mass=mass) == pytest.approx(error / n)
