"""Figures of a classifier: by hand, against scikit-learn, and what must always hold."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from embedkit.classification.reliability import quality
from embedkit.errors import InvalidInputError
from embedkit.evaluation.classification import evaluate_outcomes
from embedkit.evaluation.label_curves import curve, risk, wilson
from embedkit.evaluation.label_measures import LOWER_IS_BETTER, formulas, parts, point_values
from embedkit.evaluation.outcomes import Outcomes
from embedkit.evaluation.tally import Tally

LABELS = ("a", "b", "c")


def sure(targets: list[int], answers: list[int], confidence: float = 0.8, **more: Any) -> Outcomes:
    """Outcomes of three classes, the answered class with a probability, the rest shared."""
    chances = np.full((len(answers), 3), (1 - confidence) / 2)
    chances[np.arange(len(answers)), answers] = confidence
    return Outcomes.of(LABELS, np.array(targets), chances, **more)


HAND = sure([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0])


def test_the_figures_of_a_case_worked_by_hand() -> None:
    found = evaluate_outcomes(HAND)
    means = {name: value.mean for name, value in found.measures.items()}
    # a: 2 of 3 found, 2 of 3 right; b: 2 of 2 found, 2 of 3 right; c: never answered.
    assert means["accuracy"] == pytest.approx(4 / 6)
    assert means["balanced-accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    f1 = (2 / 3, 2 * (2 / 3) / (2 / 3 + 1), 0.0)
    assert means["macro-F1"] == pytest.approx(sum(f1) / 3)
    assert means["weighted-F1"] == pytest.approx((3 * f1[0] + 2 * f1[1] + 1 * f1[2]) / 6)
    assert means["ECE"] == pytest.approx(abs(0.8 - 4 / 6))
    right, wrong = 0.2**2 + 2 * 0.1**2, 0.8**2 + 0.9**2 + 0.1**2
    assert means["Brier"] == pytest.approx((4 * right + 2 * wrong) / 6)
    assert means["log-loss"] == pytest.approx((4 * -np.log(0.8) + 2 * -np.log(0.1)) / 6)
    assert found.confusion == ((2, 1, 0), (0, 2, 0), (1, 0, 0))
    assert [(c.label, c.support, c.answered) for c in found.classes] == [
        ("a", 3, 3), ("b", 2, 3), ("c", 1, 0),
    ]  # fmt: skip
    assert [c.precision for c in found.classes] == pytest.approx([2 / 3, 2 / 3, 0])
    assert [c.recall for c in found.classes] == pytest.approx([2 / 3, 1, 0])
    assert [c.f1.mean for c in found.classes] == pytest.approx(f1)
    assert [(p.label, p.answered, p.rows) for p in found.confused()] == [
        ("c", "a", 1), ("a", "b", 1),
    ]  # fmt: skip
    assert found.worst(1)[0].label == "c"
    assert json.loads(json.dumps(found.to_dict()))["rows"] == 6


def test_ordered_labels_count_how_far_an_answer_is_off() -> None:
    found = evaluate_outcomes(sure([0, 1, 2, 2], [0, 2, 0, 2], task="ordered"))
    assert found.measures["MAE"].mean == pytest.approx((0 + 1 + 2 + 0) / 4)
    # The squares seen are 0, 1, 4, 0. By chance: E[t²] + E[a²] - 2 E[t] E[a].
    chance = 9 / 4 + 8 / 4 - 2 * (5 / 4) * (4 / 4)
    assert found.measures["QWK"].mean == pytest.approx(1 - (5 / 4) / chance)


def test_several_labels_a_row() -> None:
    truth = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]], bool)
    chances = np.array([[0.9, 0.7, 0.2], [0.1, 0.6, 0.1], [0.2, 0.8, 0.4], [0.9, 0.1, 0.1]])
    found = evaluate_outcomes(Outcomes.of(LABELS, truth, chances, task="multi"))
    means = {name: value.mean for name, value in found.measures.items()}
    assert means["subset-accuracy"] == pytest.approx(2 / 4)
    assert means["Hamming-loss"] == pytest.approx(2 / 12)
    assert means["micro-F1"] == pytest.approx(2 * 4 / (5 + 5))
    assert means["macro-F1"] == pytest.approx((1 + 2 * 2 / 5 + 0) / 3)
    assert found.confusion is None
    assert found.confused() == []
    assert "accuracy" not in means
    assert "balanced-accuracy" not in means


def test_abstaining_and_sets_are_measured() -> None:
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1]], bool)
    abstained = np.array([0, 0, 1, 0, 0, 1], bool)
    outcomes = sure([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0], sets=sets, abstained=abstained)
    means = {name: value.mean for name, value in evaluate_outcomes(outcomes).measures.items()}
    assert means["answered"] == pytest.approx(4 / 6)
    assert means["accuracy-answered"] == 1.0
    assert means["set-coverage"] == pytest.approx(4 / 6)
    assert means["set-size"] == pytest.approx(8 / 6)


def test_what_nobody_answers_has_no_accuracy() -> None:
    found = evaluate_outcomes(sure([0, 1], [0, 1], abstained=np.ones(2, bool)))
    assert found.measures["answered"].mean == 0
    assert np.isnan(found.measures["accuracy-answered"].mean)


@st.composite
def outcomes(draw: st.DrawFn, task: str = "single") -> Outcomes:
    n = draw(st.integers(1, 30))
    size = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = tuple("abcde"[:size])
    if task == "multi":
        return Outcomes.of(labels, rng.random((n, size)) < 0.4, rng.random((n, size)), task="multi")
    chances = rng.dirichlet(np.full(size, 0.5), n)
    return Outcomes.of(labels, rng.integers(0, size, n), chances, task=task)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["single", "ordered", "multi"]).flatmap(outcomes))
def test_the_formulas_for_resamples_agree_with_scikit_learn(found: Outcomes) -> None:
    sums = Tally.of(parts(found)).once()
    told = {name: float(formula(sums)[0]) for name, formula in formulas(found).items()}
    for name, value in point_values(found).items():
        assert told[name] == pytest.approx(value, abs=1e-9), name
    if found.task != "multi":
        targets = found.truth.argmax(axis=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = metrics.log_loss(targets, found.probabilities, labels=range(len(found.labels)))
        assert told["log-loss"] == pytest.approx(theirs)


@settings(max_examples=40, deadline=None)
@given(outcomes(), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(found: Outcomes, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(found))
    for name, value in point_values(found).items():
        assert point_values(found.take(order))[name] == pytest.approx(value)


@settings(max_examples=40, deadline=None)
@given(outcomes())
def test_what_is_always_right_is_best_by_every_measure(found: Outcomes) -> None:
    best = evaluate_outcomes(
        Outcomes.of(found.labels, found.truth, found.truth.astype(float), task="ordered")
    )
    for name, value in best.measures.items():
        if name not in ("answered", "set-size"):
            assert value.mean == pytest.approx(0 if name in LOWER_IS_BETTER else 1, abs=1e-9), name


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["single", "multi"]).flatmap(outcomes))
def test_curves_hold_every_row_once(found: Outcomes) -> None:
    bins = curve(found)
    cells = len(found.labels) if found.task == "multi" else 1
    assert sum(one.rows for one in bins) == len(found) * cells
    assert sum(one.share for one in bins) == pytest.approx(1)
    for one in bins:
        assert one.low - 1e-12 <= one.confidence <= one.high + 1e-12
        assert one.accuracy.low <= one.accuracy.mean <= one.accuracy.high
    points = risk(found.confidence, found.right)
    assert points[-1].coverage == 1
    assert points[-1].accuracy == pytest.approx(found.right.mean())
    assert [p.confidence for p in points] == sorted((p.confidence for p in points), reverse=True)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["single", "ordered", "multi"]).flatmap(outcomes))
def test_calibration_is_told_as_in_training(found: Outcomes) -> None:
    """One calibration error wherever one is told: here, and in the report of a fit."""
    told, there = evaluate_outcomes(found).measures, quality(found.probabilities, found.targets)
    assert told["ECE"].mean == pytest.approx(there.ece.mean)
    assert told["Brier"].mean == pytest.approx(there.brier.mean)
    assert told["log-loss"].mean == pytest.approx(there.log_loss.mean)
    assert told["ECE"].low == pytest.approx(there.ece.low, abs=0.1)
    assert told["ECE"].high == pytest.approx(there.ece.high, abs=0.1)


def test_the_interval_of_a_share_by_hand() -> None:
    # Wilson's interval of 8 of 10, as in Brown, Cai and DasGupta (2001).
    found = wilson(8, 10)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(10, 10).high == 1.0


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for seed in range(60):
        right = rng.random(80) < 0.7
        found = evaluate_outcomes(sure([0] * 80, np.where(right, 0, 1).tolist()), seed=seed)
        held += found.measures["accuracy"].low <= 0.7 <= found.measures["accuracy"].high
    assert held >= 51, "95 % of 60 are 57; 51 or fewer come once in 10,000 times"


def test_equal_texts_are_drawn_together() -> None:
    targets, answers = [0] * 40, [0] * 20 + [1] * 20
    loose = evaluate_outcomes(sure(targets, answers)).measures["accuracy"]
    groups = np.arange(40) // 10
    tied = evaluate_outcomes(sure(targets, answers, groups=groups)).measures["accuracy"]
    assert tied.mean == loose.mean
    assert tied.high - tied.low > 2 * (loose.high - loose.low)


def test_the_same_seed_gives_the_same_intervals() -> None:
    assert evaluate_outcomes(HAND, seed=5).measures == evaluate_outcomes(HAND, seed=5).measures


@pytest.mark.parametrize(
    ("targets", "chances", "more", "said"),
    [
        ([], np.empty((0, 3)), {}, "at least one labelled row"),
        ([0], [[0.5, 0.5]], {}, "probabilities of 3 classes a row, got shape (1, 2)"),
        ([0], [[0.5, 0.6, 0.1]], {}, "add up to 1"),
        ([0], [[2.0, -1.0, 0.0]], {}, "between 0 and 1"),
        ([0], [[float("nan"), 0.5, 0.5]], {}, "between 0 and 1"),
        ([3], [[0.2, 0.4, 0.4]], {}, "targets of 1 rows in [0, 3)"),
        ([[True, True, False]], [[0.2, 0.4, 0.4]], {}, "one class a row"),
        ([0], [[0.2, 0.4, 0.4]], {"sets": np.ones((2, 3), bool)}, "sets of shape (1, 3)"),
        ([0], [[0.2, 0.4, 0.4]], {"task": "many"}, "got 'many'"),
    ],
)
def test_what_cannot_be_evaluated(targets: Any, chances: Any, more: Any, said: str) -> None:
    with pytest.raises(InvalidInputError) as failure:
        Outcomes.of(
            LABELS, np.array(targets, int if targets == [] else None), np.array(chances), **more
        )
    assert said in str(failure.value)
