"""From a head's scores to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.state import State
from embedkit.types.classification import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Calibrator:
    """Softmax."""

    def __init__(self) -> None:
        self._task: Task = "single"

    def fit(
        self, scores: NDArray[np.float64], targets: NDArray[np.generic], *, task: Task = "single"
    ) -> None:
        """Learn."""
        self._task = task

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities."""
        if self._task == "multi":
            return np.asarray(1 / (1 + np.exp(-scores)))
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def state(self) -> State:
        """Return what was learned."""
        return State({"task": self._task})

    def restore(self, state: State) -> None:
        """Take it."""
        self._task = state.facts["task"]
