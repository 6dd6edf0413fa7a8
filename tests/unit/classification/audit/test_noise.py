"""Wrong labels are told from a classifier's own mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.audit.noise import Noise, cut, learn_noise


def world(
    n: int, classes: int, rate: float, *, sharpness: float = 4.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores whose softmax is the truth, labels of which some were replaced, and which were."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, classes)) * sharpness
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    edges = np.cumsum(powers / powers.sum(axis=1, keepdims=True), axis=1)
    truth = (rng.random((n, 1)) > edges[:, :-1]).sum(axis=1)
    wrong = rng.random(n) < rate
    moved = (truth + rng.integers(1, classes, n)) % classes
    return scores, np.where(wrong, moved, truth), wrong


@pytest.mark.parametrize("classes", [2, 6, 40])
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2])
def test_temperature_and_noise_are_found(classes: int, rate: float) -> None:
    scores, labels, _ = world(6000, classes, rate)
    # Scores of another scale are the same classifier.
    found = learn_noise(scores * 3, labels)
    assert found.rate == pytest.approx(rate, abs=0.02)
    assert found.temperature == pytest.approx(3, rel=0.2)


def test_probability_of_being_wrong_is_what_it_says() -> None:
    scores, labels, wrong = world(20_000, 5, 0.1)
    said = learn_noise(scores, labels).wrong(scores, labels)
    for low, high in ((0.0, 0.05), (0.3, 0.7), (0.8, 1.0)):
        some = (said >= low) & (said < high)
        assert some.sum() > 50
        assert wrong[some].mean() == pytest.approx(said[some].mean(), abs=0.08)


def test_the_cut_balances_recall_and_precision() -> None:
    scores, labels, wrong = world(10_000, 6, 0.05, sharpness=6)
    rows = cut(learn_noise(scores, labels).wrong(scores, labels))
    found = wrong[rows].sum()
    assert found / wrong.sum() > 0.7
    assert found / len(rows) > 0.7


def test_mistakes_of_a_poor_classifier_are_not_taken_for_wrong_labels() -> None:
    scores, labels, _ = world(5000, 2, 0.0, sharpness=1)
    noise = learn_noise(scores, labels)
    said = scores.argmax(axis=1)
    assert (said != labels).mean() > 0.2
    assert len(cut(noise.wrong(scores, labels))) < 0.01 * len(labels)


def test_a_sample_of_many_rows_is_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels, _ = world(6000, 4, 0.1)
    monkeypatch.setattr("embedkit.classification.audit.noise.FITTED", 3000)
    assert learn_noise(scores, labels).rate == pytest.approx(0.1, abs=0.03)
    assert learn_noise(scores, labels) == learn_noise(scores, labels)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_cut_takes_the_likeliest_first_and_none_that_is_likely_right(values: list[float]) -> None:
    wrong = np.array(values)
    rows = cut(wrong)
    assert (wrong[rows] > 1 / 3).all()
    assert (np.diff(wrong[rows]) <= 0).all()
    if len(rows):
        assert np.delete(wrong, rows).max(initial=0) <= wrong[rows].min()


@given(st.floats(0.01, 0.4), st.integers(2, 6))
def test_less_probable_labels_are_likelier_wrong(rate: float, classes: int) -> None:
    noise = Noise(1.0, rate)
    scores = np.zeros((9, classes))
    scores[:, 0] = np.linspace(-8, 8, 9)
    said = noise.wrong(scores, np.zeros(9, np.int64))
    assert (np.diff(said) < 0).all()
    assert said.min() >= 0
    assert said.max() <= 1
