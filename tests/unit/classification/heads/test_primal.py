from __future__ import annotations

import numpy as np
import pytest

from embedkit.classification.heads import primal as module
from embedkit.classification.heads.kernel import KernelHead
from embedkit.classification.heads.primal import RidgeHead
from embedkit.classification.inputs import Inputs
from embedkit.errors import InvalidInputError
from embedkit.testing.heads import head_case


class SameFeatures(RidgeHead):
    """Learns words, waves and the mean weight from all rows, whichever it is fitted on."""

    def __init__(self, every: Inputs) -> None:
        super().__init__()
        self.every = every

    def _learn_features(self, inputs: Inputs, seed: int) -> object:
        super()._learn_features(self.every, seed)
        return self._weighted(self._texts.transform(inputs.texts))


def test_rows_left_out_are_predicted_as_by_a_fit_without_them() -> None:
    inputs, targets = head_case()
    folds = np.random.default_rng(1).integers(0, 4, len(targets))
    weights = np.random.default_rng(2).uniform(0.5, 2, len(targets))
    # The ridge is against the mean weight, so that it has to be the same without a fold.
    for fold in range(4):
        weights[folds == fold] /= weights[folds == fold].mean()
    head = RidgeHead()
    found = head.out_of_fold(inputs, targets, 3, folds, weights=weights, seed=5)
    for fold in range(4):
        rest, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        other = SameFeatures(inputs)
        other.fit(inputs.take(rest), targets[rest], 3, weights=weights[rest], seed=5)
        np.testing.assert_allclose(found[held], other.scores(inputs.take(held)), atol=2e-3)
    plain = RidgeHead()
    plain.fit(inputs, targets, 3, weights=weights, seed=5)
    np.testing.assert_allclose(head.scores(inputs), plain.scores(inputs), atol=2e-3)


def test_the_coefficients_are_those_of_least_squares() -> None:
    inputs, targets = head_case(40)
    head = RidgeHead(ridge=0.7)
    head.fit(inputs, targets, 3)
    words = head._texts.transform(inputs.texts).toarray()
    z = np.hstack([head._dense(inputs.vectors), words]).astype(np.float64)
    goal = np.eye(3)[targets] - np.bincount(targets) / len(targets)
    # By the matrix of rows by rows, which has the same solution.
    alpha = np.linalg.solve(z @ z.T + 0.7 * np.eye(len(z)), goal)
    np.testing.assert_allclose(head._coefficients, z.T @ alpha, atol=1e-4)


def test_the_waves_come_near_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAVES", 1024)
    inputs, targets = head_case()
    new, _ = head_case(seed=1)
    options = {"ridge": 0.5, "rarity": 0.5}
    waves, kernel = RidgeHead(linear=0, **options), KernelHead(likeness=0, **options)
    waves.fit(inputs, targets, 3)
    kernel.fit(inputs, targets, 3)
    np.testing.assert_allclose(waves.scores(new), kernel.scores(new), atol=0.4)


def test_summing_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, targets = head_case()
    scores = []
    for rows in (7, 10**6):
        monkeypatch.setattr(module, "BLOCK", rows)
        head = RidgeHead()
        head.fit(inputs, targets, 3)
        scores.append(head.scores(inputs))
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)


def test_a_row_that_weighs_two_is_a_row_that_is_there_twice() -> None:
    inputs, targets = head_case()
    twice = np.r_[0, 0, 1 : len(targets)]
    weights = np.ones(len(targets))
    weights[0] = 2
    # The ridge is against the mean weight, which the copy has less of.
    weighted, copied = RidgeHead(words=0), RidgeHead(words=0)
    weighted.ridge *= len(targets) / len(twice)
    weighted.fit(inputs, targets, 3, weights=weights)
    copied.fit(inputs.take(twice), targets[twice], 3)
    # But for how far vectors are apart on average, which the copy changes a little.
    np.testing.assert_allclose(weighted.scores(inputs), copied.scores(inputs), atol=0.1)


def test_only_the_most_frequent_words_have_coefficients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WORDS", 5)
    inputs, targets = head_case()
    head = RidgeHead()
    head.fit(inputs, targets, 3)
    assert len(head.state().arrays["ridge/coefficients"]) == 2 * module.WAVES + inputs.dim + 5


def test_other_seeds_draw_other_waves() -> None:
    inputs, targets = head_case()
    scores = []
    for seed in (0, 0, 1):
        head = RidgeHead()
        scores.append(head.out_of_fold(inputs, targets, 3, np.arange(72) % 3, seed=seed))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.abs(scores[0] - scores[2]).max() > 1e-3


@pytest.mark.parametrize("option", ["width", "ridge", "words", "linear", "rarity"])
def test_options_that_cannot_be_meant_are_refused(option: str) -> None:
    with pytest.raises(InvalidInputError, match=option):
        RidgeHead(**{option: -1.0})
