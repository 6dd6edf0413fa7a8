"""Prediction sets of a stated coverage."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.classification.conformal import PredictionSets, quantile, spread
from embedkit.classification.set_scores import aps, interval, lac, raps
from embedkit.classification.state import State
from embedkit.errors import (
    DimensionMismatchError,
    InvalidInputError,
    NotFittedError,
    UnsupportedOperationError,
)


def drawn(n: int, k: int, seed: int = 0, *, distorted: float = 1.0) -> tuple[Any, Any]:
    """Probabilities, and targets drawn with them before they were distorted."""
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.full(k, 0.3), n)
    targets = (chance.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    chance = chance**distorted + 1e-9
    return chance / chance.sum(axis=1, keepdims=True), targets


def fitted(*data: Any, **options: Any) -> PredictionSets:
    made = PredictionSets()
    made.fit(*data, **options)
    return made


def covered(sets: Any, targets: Any) -> Any:
    return sets[np.arange(len(targets)), targets]


def test_scores_of_one_text_worked_by_hand() -> None:
    chance = np.array([[0.1, 0.5, 0.15, 0.25]])
    assert lac(chance) == pytest.approx(np.array([[0.9, 0.5, 0.85, 0.75]]))
    assert aps(chance) == pytest.approx(np.array([[1.0, 0.5, 0.9, 0.75]]))
    assert raps(chance) == pytest.approx(np.array([[1.1, 0.5, 0.95, 0.75]]))
    # From the second label to the third (.15), on to the fourth (.25), then to the first.
    assert interval(chance) == pytest.approx(np.array([[1.0, 0.5, 0.65, 0.9]]))


def test_the_cut_is_the_right_one_of_the_ordered_scores() -> None:
    scores = np.arange(1.0, 20.0)  # 19: with one more, the 18th of 20 is 90 %
    assert quantile(scores, 0.9) == 18
    assert quantile(scores, 0.95) == 19
    assert quantile(scores, 0.96) == np.inf


@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
@pytest.mark.parametrize("distorted", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_coverage_is_kept_however_wrong_the_probabilities_are(
    score: Any, distorted: float, coverage: float
) -> None:
    seeds, n, fresh = 40, 300, 500
    told = []
    for seed in range(seeds):
        made = fitted(*drawn(n, 6, seed, distorted=distorted), score=score)
        chance, targets = drawn(fresh, 6, 1000 + seed, distorted=distorted)
        told.append(covered(made.sets(chance, coverage), targets).mean())
    # The coverage of one seed varies as a Beta distribution and by the fresh rows; four standard
    # deviations of the mean over the seeds.
    variance = coverage * (1 - coverage) * (1 / n + 1 / fresh) / seeds
    assert np.mean(told) > coverage - 4 * np.sqrt(variance)
    if score == "lac":
        assert np.mean(told) < coverage + 4 * np.sqrt(variance) + 1 / n + 0.03


def test_the_spread_of_coverages_is_the_one_that_is_told() -> None:
    n, coverage = 200, 0.9
    low, high = spread(n, coverage)
    told = []
    for seed in range(200):
        scores = np.random.default_rng(seed).random(n)
        told.append(quantile(scores, coverage))  # of even scores the cut is its coverage
    outside = np.mean([(each < low) or (each > high) for each in told])
    assert outside < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert low < coverage < high


def test_surer_sets_hold_more_labels_and_those_of_less() -> None:
    made = fitted(*drawn(2000, 5))
    chance = drawn(300, 5, seed=1)[0]
    sets = [made.sets(chance, coverage) for coverage in (0.5, 0.8, 0.9, 0.99)]
    for less, more in itertools.pairwise(sets):
        assert (more | ~less).all()
    sizes = [each.sum() for each in sets]
    assert sizes[0] < sizes[3]


def test_no_set_is_empty() -> None:
    # Nine of ten are told apart for sure, so the cut leaves nothing where none is likely.
    chance = np.tile([0.99, 0.005, 0.005], (500, 1))
    made = fitted(chance, np.zeros(500, np.int64), score="lac")
    sets = made.sets(np.array([[0.4, 0.35, 0.25]]), 0.9)
    assert sets.tolist() == [[True, False, False]]


def test_few_rows_for_much_coverage_give_every_label() -> None:
    made = fitted(*drawn(8, 3))
    assert made.sets(drawn(5, 3, seed=1)[0], 0.9).all()
    assert made.reports[1].low == 1.0


def test_coverage_of_each_label_by_itself() -> None:
    # The second label is rare, and where it is true the first looks better.
    rng = np.random.default_rng(0)

    def rows(n: int) -> tuple[Any, Any]:
        targets = (rng.random(n) < 0.15).astype(np.int64)
        top = np.where(targets == 0, rng.uniform(0.7, 1, n), rng.uniform(0.5, 0.9, n))
        return np.stack([top, 1 - top], axis=1), targets

    made = fitted(*rows(3000), score="lac")
    chance, targets = rows(3000)
    whole = covered(made.sets(chance, 0.9), targets)
    assert whole.mean() == pytest.approx(0.9, abs=0.03)
    assert whole[targets == 1].mean() < 0.6
    own = covered(made.sets(chance, 0.9, by_label=True), targets)
    for label in (0, 1):
        assert own[targets == label].mean() > 0.9 - 4 * np.sqrt(0.09 / 400 + 0.09 / 400)


def test_rare_labels_are_taken_together() -> None:
    rng = np.random.default_rng(1)
    chance, _ = drawn(600, 20)
    targets = np.concatenate([rng.integers(0, 2, 500), rng.integers(2, 20, 100)])
    made = fitted(chance, targets, score="lac")
    sets = made.sets(chance, 0.9, by_label=True)
    rare = targets >= 2
    # A label with five rows alone would have to be in every set.
    assert not sets[:, 5].all()
    assert covered(sets, targets)[rare].mean() >= 0.9


def test_sets_of_ordered_labels_have_no_gaps() -> None:
    chance, targets = drawn(1500, 7)
    made = fitted(chance, targets, task="ordered")
    fresh, truth = drawn(1500, 7, seed=1)
    for by_label in (False, True):
        sets = made.sets(fresh, 0.9, by_label=by_label)
        steps = np.abs(np.diff(np.pad(sets, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1)
        assert (steps == 2).all()
        assert covered(sets, truth).mean() > 0.87
    assert made.reports[0].score == "interval"


def test_sets_of_several_labels_hold_all_true_ones() -> None:
    rng = np.random.default_rng(0)

    def rows(n: int) -> tuple[Any, Any]:
        chance = rng.beta(0.5, 1.5, (n, 5))
        return chance, rng.random((n, 5)) < chance

    made = fitted(*rows(2000), task="multi")
    chance, flags = rows(4000)
    sets = made.sets(chance, 0.9)
    assert (sets | ~flags).all(axis=1).mean() == pytest.approx(0.9, abs=0.03)
    assert sets.mean() < 0.95
    with pytest.raises(UnsupportedOperationError, match="need one label a text"):
        made.sets(chance, 0.9, by_label=True)


def test_the_report_tells_what_fresh_rows_show() -> None:
    made = fitted(*drawn(5000, 8))
    chance, targets = drawn(5000, 8, seed=1)
    assert [each.coverage for each in made.reports] == [0.8, 0.9, 0.95, 0.99]
    for each in made.reports:
        sets = made.sets(chance, each.coverage)
        assert each.measured == pytest.approx(covered(sets, targets).mean(), abs=0.025)
        assert each.size == pytest.approx(sets.sum(axis=1).mean(), rel=0.05)
        assert each.single == pytest.approx((sets.sum(axis=1) == 1).mean(), abs=0.05)
        assert each.low < each.coverage < each.high
        assert each.rows == 4000  # a fifth chose the set score


def test_the_smallest_sets_are_chosen() -> None:
    made = fitted(*drawn(3000, 8))
    sizes = {
        score: fitted(*drawn(3000, 8), score=score).reports[1].size for score in ("aps", "lac")
    }
    assert made.reports[1].score == "lac"
    assert sizes["lac"] < sizes["aps"]


@pytest.mark.parametrize("task", ["single", "ordered"])
def test_state_brings_back_the_sets(task: Any) -> None:
    made = fitted(*drawn(500, 4), task=task)
    state = made.state()
    copy = PredictionSets()
    copy.restore(State(json.loads(json.dumps(state.facts)), state.arrays))
    chance = drawn(50, 4, seed=1)[0]
    for by_label in (False, True):
        assert (
            copy.sets(chance, 0.8, by_label=by_label) == made.sets(chance, 0.8, by_label=by_label)
        ).all()
    assert copy.reports == made.reports


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.1, "0.9", True, float("nan")])
def test_a_coverage_that_is_none_is_refused(coverage: Any) -> None:
    with pytest.raises(InvalidInputError, match="expected coverage to be between 0 and 1"):
        fitted(*drawn(50, 3)).sets(drawn(5, 3)[0], coverage)


def test_what_cannot_be_meant_is_refused() -> None:
    chance, targets = drawn(50, 3)
    with pytest.raises(NotFittedError, match="call fit"):
        PredictionSets().sets(chance)
    with pytest.raises(InvalidInputError, match="n at least 1"):
        fitted(chance[:0], targets[:0])
    with pytest.raises(InvalidInputError, match="their targets"):
        fitted(chance, targets[:5])
    with pytest.raises(InvalidInputError, match="one of lac, aps, raps, interval, got 'best'"):
        fitted(chance, targets, score="best")
    with pytest.raises(InvalidInputError, match="expected the set score interval"):
        fitted(chance, targets, task="ordered", score="aps")
    with pytest.raises(DimensionMismatchError, match=r"shape \(n, 3\)"):
        fitted(chance, targets).sets(np.ones((2, 4)))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(2, 6), st.floats(0.05, 0.99), st.integers(0, 99))
def test_the_rows_themselves_are_covered(n: int, k: int, coverage: float, seed: int) -> None:
    chance, targets = drawn(n, k, seed)
    for score in ("lac", "aps", "raps"):
        sets = fitted(chance, targets, score=score).sets(chance, coverage)
        assert covered(sets, targets).mean() >= coverage - 1e-9
        assert sets.any(axis=1).all()
    ordered = fitted(chance, targets, task="ordered").sets(chance, coverage)
    assert covered(ordered, targets).mean() >= coverage - 1e-9


def test_what_is_told_of_sets_is_of_rows_held_out_from_the_cut() -> None:
    # The cut of four rows is finite at 80 %, that of the three others is not: all labels are in.
    made = PredictionSets()
    made.fit(np.full((4, 3), [0.8, 0.15, 0.05]), np.zeros(4, np.int64))
    assert made.reports[0].size == 3
    assert made.sets(np.array([[0.8, 0.15, 0.05]]), 0.8).sum() == 1
