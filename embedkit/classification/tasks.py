"""Heads for several labels a text, and for labels with an order, out of heads for two classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.protocols import Head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask


class _Several:
    """Heads for two classes each, saved side by side."""

    def __init__(self, make: Callable[[], Head]) -> None:
        self._make = make
        self.reads: frozenset[str] = make().reads
        self.heads: list[Head] = []

    def _fit_each(
        self, inputs: Inputs, columns: Mask, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        self.heads = []
        for column in columns.T:
            head = self._make()
            head.fit(inputs, column.astype(np.int64), 2, weights=weights, seed=seed)
            self.heads.append(head)

    def _log_odds(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return shape (n, n_heads): how much more each head is for yes than for no."""
        both = [head.scores(inputs) for head in self.heads]
        return np.stack([scores[:, 1] - scores[:, 0] for scores in both], axis=1)

    def state(self) -> State:
        """Return what was learned."""
        parts = {str(i): head.state() for i, head in enumerate(self.heads)}
        return State.join(parts | {"own": State({"heads": len(self.heads)})})

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""
        self.heads = []
        for i in range(state.facts["own"]["heads"]):
            head = self._make()
            head.restore(state.part(str(i)))
            self.heads.append(head)


class PerLabel(_Several):
    """One head for each label: whether a text has it. Labels are taken to be independent."""

    def fit(
        self,
        inputs: Inputs,
        targets: Mask,
        n_classes: int,
        *,
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> None:
        """Learn from rows and their labels, shape (n, n_classes), bool."""
        self._fit_each(inputs, targets, weights, seed)

    def scores(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return the log-odds of each label, shape (n, n_classes)."""
        return self._log_odds(inputs)


class Cumulative(_Several):
    """Ordered classes: one head for each border says whether a text is beyond it.

    Source
    ------
    Frank and Hall, "A simple approach to ordinal classification", ECML 2001. Where two heads
    contradict each other, the probability of being beyond a border is cut to that of the one
    before.
    """

    def fit(
        self,
        inputs: Inputs,
        targets: Keys,
        n_classes: int,
        *,
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> None:
        """Learn from rows and their classes, shape (n,), from low to high."""
        beyond = targets[:, None] > np.arange(n_classes - 1)[None, :]
        self._fit_each(inputs, beyond, weights, seed)

    def scores(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return the logarithms of the probabilities, shape (n, n_classes)."""
        odds = np.clip(self._log_odds(inputs), -30, 30)
        beyond = np.minimum.accumulate(1 / (1 + np.exp(-odds)), axis=1)
        edges = np.hstack([np.ones((len(beyond), 1)), beyond, np.zeros((len(beyond), 1))])
        scores: NDArray[np.float64] = np.log(np.maximum(edges[:, :-1] - edges[:, 1:], 1e-9))
        return scores
