from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from embedkit.classification.heads.centroid import CentroidHead
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.classification.tasks import Cumulative, PerLabel


class Fixed:
    """Says of every text what it was told to: odds of yes against no."""

    reads: ClassVar[frozenset[str]] = frozenset({"texts"})

    def __init__(self, odds: float) -> None:
        self.odds = odds

    def fit(self, inputs: Inputs, targets: Any, n_classes: int, **more: Any) -> None:
        assert n_classes == 2

    def scores(self, inputs: Inputs) -> Any:
        return np.tile([0.0, self.odds], (len(inputs), 1))

    def state(self) -> State:
        return State({"odds": self.odds})

    def restore(self, state: State) -> None:
        self.odds = state.facts["odds"]


def cumulative(*odds: float) -> Any:
    waiting = iter([0.0, *odds])  # the first is only asked what it reads
    made = Cumulative(lambda: Fixed(next(waiting)))
    texts = Inputs.of_texts(["a", "b"])
    made.fit(texts, np.array([0, len(odds)]), len(odds) + 1)
    return np.exp(made.scores(texts))


def odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def test_ordered_classes_share_what_lies_between_two_borders() -> None:
    probabilities = cumulative(odds(0.9), odds(0.4))
    np.testing.assert_allclose(probabilities[0], [0.1, 0.5, 0.4], atol=1e-6)


def test_heads_that_contradict_each_other_are_cut_to_the_one_before() -> None:
    probabilities = cumulative(odds(0.3), odds(0.8))
    np.testing.assert_allclose(probabilities[0], [0.7, 0.0, 0.3], atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", [PerLabel, Cumulative])
def test_what_is_restored_says_the_same(kind: Any) -> None:
    rng = np.random.default_rng(0)
    inputs = Inputs(["t"] * 30, rng.standard_normal((30, 5)).astype(np.float32))
    targets = rng.integers(0, 3, 30)
    given = np.eye(3, dtype=bool)[targets] if kind is PerLabel else targets
    made, again = kind(CentroidHead), kind(CentroidHead)
    made.fit(inputs, given, 3)
    again.restore(made.state())
    assert made.scores(inputs).shape == (30, 3)
    assert np.array_equal(again.scores(inputs), made.scores(inputs))
