"""From scores to probabilities."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.classification.calibration import Calibrator, _simplest
from embedkit.classification.calibration_maps import MAPS, Curve, PerLabel, Temperature
from embedkit.classification.calibration_report import CalibrationReport
from embedkit.classification.reliability import calibration_error
from embedkit.classification.state import State
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError


def softmax(energies: Any) -> Any:
    powers = np.exp(energies - energies.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def draw(chance: Any, rng: np.random.Generator) -> Any:
    return (chance.cumsum(axis=1) > rng.random((len(chance), 1))).argmax(axis=1)


def scored(n: int, k: int, seed: int = 0, *, scale: float = 1.0) -> tuple[Any, Any, Any]:
    """Return scores, targets drawn with their softmax, and that, after which they are scaled."""
    rng = np.random.default_rng(seed)
    energies = rng.standard_normal((n, k)) * 2
    energies[np.arange(n), rng.integers(0, k, n)] += 3
    chance = softmax(energies)
    return energies * scale, draw(chance, rng), chance


def margins(n: int, k: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Return scores whose sigmoids, normalised, are the probabilities."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-4, 1.5, (n, k))
    odds[np.arange(n), rng.integers(0, k, n)] += rng.normal(6, 4, n)
    yes = 1 / (1 + np.exp(-odds))
    chance = yes / yes.sum(axis=1, keepdims=True)
    return odds / 7, draw(chance, rng), chance


def fitted(*data: Any, **options: Any) -> Calibrator:
    calibrator = Calibrator()
    calibrator.fit(*data, **options)
    return calibrator


def again(calibrator: Calibrator) -> Calibrator:
    """Return it after a way through JSON and arrays."""
    state = calibrator.state()
    copy = Calibrator()
    arrays = {name: np.array(array) for name, array in state.arrays.items()}
    copy.restore(State(json.loads(json.dumps(state.facts, allow_nan=False)), arrays))
    return copy


@pytest.mark.parametrize("k", [2, 6, 77])
@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_scores_of_any_scale_become_the_probabilities_that_they_were_drawn_with(
    k: int, scale: float
) -> None:
    scores, targets, _ = scored(3000, k, scale=scale)
    fresh, truth, chance = scored(3000, k, seed=1, scale=scale)
    calibrator = fitted(scores, targets)
    found = calibrator.probabilities(fresh)
    assert np.abs(found - chance).mean() < 0.01
    assert calibration_error(found, truth) < 0.03
    assert calibrator.report.after.ece.mean < 0.03
    if scale != 1.0:
        assert calibrator.report.before.ece.mean > 0.1


def test_scores_one_against_the_rest_get_the_sigmoid() -> None:
    scores, targets, _ = margins(4000, 8)
    fresh, truth, _ = margins(4000, 8, seed=1)
    calibrator = fitted(scores, targets)
    assert calibrator.report.name == "sigmoid"
    losses = {trial.name: trial.log_loss for trial in calibrator.report.trials}
    assert losses["sigmoid"] < losses["temperature"] - 0.01
    assert calibration_error(calibrator.probabilities(fresh), truth) < 0.03


def test_votes_get_the_curve() -> None:
    # Half of the scores are for sure, the other half mean little, and the spread of none tells.
    rng = np.random.default_rng(0)
    n, k = 4000, 5
    targets = rng.integers(0, k, n)
    right = rng.random(n)
    best = np.where(
        rng.random(n) < np.where(right < 0.5, 0.99, 0.6), targets, rng.integers(0, k, n)
    )
    scores = rng.random((n, k)) * 0.3
    scores[np.arange(n), best] = np.where(right < 0.5, 1.1, 1.0) + rng.random(n) * 0.02
    calibrator = fitted(scores, targets)
    assert calibrator.report.name == "curve"
    assert calibrator.report.after.ece.mean < 0.02
    assert (calibrator.probabilities(scores).argmax(axis=1) == scores.argmax(axis=1)).all()


def test_scores_unfair_to_labels_get_a_bias_each() -> None:
    rng = np.random.default_rng(0)
    energies = rng.standard_normal((3000, 3)) * 1.5
    targets = draw(softmax(energies + np.array([3.0, 0.0, -1.0])), rng)
    calibrator = fitted(energies, targets)
    assert calibrator.report.name == "bias"
    assert calibrator.report.after.accuracy > calibrator.report.before.accuracy + 0.05
    share = calibrator.probabilities(energies).mean(axis=0)
    assert share == pytest.approx(np.bincount(targets) / 3000, abs=0.02)


def test_the_simplest_is_taken_where_nothing_is_gained() -> None:
    scores, targets, _ = scored(2000, 4)
    report = fitted(scores, targets).report
    assert report.name == "temperature"
    assert {trial.name for trial in report.trials} == set(MAPS)


def test_what_is_told_of_the_rows_was_learned_from_other_folds() -> None:
    scores, targets, _ = scored(48, 3)
    folds = np.arange(48) % 3
    own = fitted(scores, targets, folds=folds)
    flipped = targets.copy()
    flipped[folds == 0] = (flipped[folds == 0] + 1) % 3
    other = fitted(scores, flipped, folds=folds)
    # The labels of fold 0 change what is said of the other folds, never of fold 0 itself.
    unseen = folds == 0
    assert other.cross_fitted[unseen] == pytest.approx(own.cross_fitted[unseen], abs=2e-3)
    assert np.abs(other.cross_fitted[folds == 1] - own.cross_fitted[folds == 1]).max() > 0.05


def test_few_rows_get_a_temperature_and_a_note() -> None:
    scores, targets, _ = scored(16, 2)
    report = fitted(scores, targets).report
    assert report.name == "temperature"
    assert "16 rows are few" in report.notes[0]


def test_scores_that_tell_all_rows_apart_are_not_believed_for_ever() -> None:
    targets = np.arange(40) % 2
    scores = np.stack([targets == 0, targets == 1], axis=1) * 1.0
    chance = fitted(scores, targets).probabilities(scores)
    assert 0.9 < chance.max() < 0.9999


def test_one_row_is_enough_to_answer() -> None:
    chance = fitted(np.array([[1.0, 0.0]]), np.array([0])).probabilities(np.array([[0.2, 0.1]]))
    assert chance[0, 0] > 0.5
    assert chance.sum() == pytest.approx(1)


def test_the_logarithm_of_nothing_is_allowed() -> None:
    scores, targets, _ = scored(200, 3)
    scores = np.log(softmax(scores * 40))
    scores[scores < -40] = -np.inf
    found = fitted(scores, targets).probabilities(scores)
    assert np.isfinite(found).all()


def test_several_labels_are_calibrated_each_by_itself() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal([-1.0, 0.0, -2.0], 2, (4000, 3))
    flags = rng.random((4000, 3)) < 1 / (1 + np.exp(-odds))
    shifted = odds * [3.0, 0.2, 1.0] + [5.0, 0.0, -2.0]
    calibrator = fitted(shifted, flags, task="multi")
    found = calibrator.probabilities(shifted)
    assert np.abs(found - 1 / (1 + np.exp(-odds))).mean() < 0.02
    assert calibrator.report.after.ece.mean < 0.02 < calibrator.report.before.ece.mean
    assert again(calibrator).probabilities(shifted) == pytest.approx(found, abs=1e-12)


def test_a_label_hardly_seen_takes_what_was_learned_from_all() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(-1.0, 2, (500, 3))
    flags = rng.random((500, 3)) < 1 / (1 + np.exp(-odds))
    flags[:, 2] = False
    flags[0, 2] = True
    chance = fitted(odds * 4, flags, task="multi").probabilities(odds * 4)
    assert np.unique(chance[:, 2]).size > 400
    assert np.isfinite(chance).all()


def test_ordered_labels_are_calibrated_like_single_ones() -> None:
    scores, targets, _ = scored(1000, 4)
    ordered = fitted(scores * 3, targets, task="ordered")
    single = fitted(scores * 3, targets)
    assert ordered.probabilities(scores) == pytest.approx(single.probabilities(scores))
    assert again(ordered).probabilities(scores) == pytest.approx(single.probabilities(scores))


@pytest.mark.parametrize("name", list(MAPS))
def test_each_map_gives_the_same_after_its_state(name: str) -> None:
    scores, targets, _ = margins(1200, 5)
    own, other = MAPS[name](), MAPS[name]()
    own.fit(scores, targets)
    state = own.state()
    other.restore(State(json.loads(json.dumps(state.facts)), state.arrays))
    fresh = margins(50, 5, seed=3)[0]
    assert (own.apply(fresh) == other.apply(fresh)).all()


def test_state_brings_back_probabilities_and_report() -> None:
    calibrator = fitted(*margins(1500, 6)[:2])
    copy = again(calibrator)
    fresh = margins(100, 6, seed=4)[0]
    assert (copy.probabilities(fresh) == calibrator.probabilities(fresh)).all()
    assert copy.report.to_dict() == calibrator.report.to_dict()
    assert CalibrationReport.from_dict(copy.report.to_dict()).name == calibrator.report.name


def test_a_temperature_is_told_in_the_scale_of_the_scores() -> None:
    scores, targets, _ = scored(4000, 3, scale=10.0)
    found = Temperature()
    found.fit(scores, targets)
    assert found.temperature == pytest.approx(10, rel=0.1)


def test_nothing_is_said_before_learning() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        Calibrator().probabilities(np.zeros((1, 2)))
    with pytest.raises(NotFittedError, match="call fit"):
        Calibrator().state()


@pytest.mark.parametrize(
    ("scores", "targets", "told"),
    [
        (np.empty((0, 2)), [], "n at least 1"),
        (np.zeros((3, 1)), [0, 0, 0], "expected scores of shape"),
        (np.zeros((2, 2)), [0], "expected targets of shape"),
        (np.zeros((2, 2)), [0, 2], "expected targets from 0 to 1, got 0 to 2"),
        (np.full((2, 2), np.nan), [0, 1], "NaN or infinity"),
        (np.full((2, 2), np.inf), [0, 1], "NaN or infinity"),
    ],
)
def test_what_cannot_be_meant_is_refused(scores: Any, targets: list[int], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        fitted(scores, np.array(targets, np.int64))


def test_scores_of_another_number_of_labels_are_refused() -> None:
    calibrator = fitted(*scored(100, 3)[:2])
    with pytest.raises(DimensionMismatchError, match=r"expected scores of shape \(n, 3\)"):
        calibrator.probabilities(np.zeros((2, 4)))


def test_no_texts_have_no_probabilities() -> None:
    assert fitted(*scored(100, 3)[:2]).probabilities(np.empty((0, 3))).shape == (0, 3)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(1, 200), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_probabilities_sum_to_one_and_keep_the_order(
    k: int, n: int, scale: float, seed: int
) -> None:
    scores, targets, _ = scored(n, k, seed, scale=scale)
    for kind in MAPS.values():
        own = kind()
        own.fit(scores, targets)
        chance = own.apply(scores)
        assert chance.sum(axis=1) == pytest.approx(1)
        assert (chance >= 0).all()
        if own.keeps_order:
            best = chance.max(axis=1)
            top = chance[np.arange(n), scores.argmax(axis=1)]
            assert top == pytest.approx(best, rel=1e-6)


def test_confidences_that_differ_stay_different_on_a_curve() -> None:
    scores, targets, _ = scored(2000, 3)
    curve = Curve()
    curve.fit(scores, targets)
    tops = curve.apply(scores).max(axis=1)
    assert len(np.unique(np.round(tops, 9))) > 1800


def test_several_labels_are_cross_fitted_too() -> None:
    rng = np.random.default_rng(3)
    scores, folds = rng.normal(size=(60, 2)), np.arange(60) % 3
    truth = rng.random((60, 2)) < 0.5
    made = Calibrator()
    made.fit(scores, truth, folds=folds, task="multi")
    held = folds == 1
    others = PerLabel()
    others.fit(scores[~held], truth[~held])
    assert np.allclose(made.cross_fitted[held], others.apply(scores[held]))
    assert not np.allclose(made.cross_fitted[held], made.probabilities(scores[held]))


def test_a_map_that_costs_accuracy_is_not_taken_for_its_log_loss() -> None:
    targets = np.zeros(20, np.int64)
    modest = np.full((20, 2), [0.51, 0.49])
    sure = np.full((20, 2), [0.99, 0.01])
    assert _simplest({"temperature": modest, "bias": sure}, targets) == "bias"
    sure[0] = [0.45, 0.55]
    assert _simplest({"temperature": modest, "bias": sure}, targets) == "temperature"
