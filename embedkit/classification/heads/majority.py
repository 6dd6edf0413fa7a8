"""The most frequent class, whatever the text: what every other head must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.classification.heads.base import BaseHead
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys


class MajorityHead(BaseHead):
    """The logarithm of how frequent each class is, one row of it counted as a half more."""

    reads: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self._logits = np.empty(0)

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        sums = np.bincount(targets, weights=weights, minlength=self.n_classes) + 0.5
        self._logits = np.log(sums / sums.sum())

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        return np.tile(self._logits, (len(inputs), 1))

    def _state(self) -> State:
        return State({}, {"logits": self._logits})

    def _restore(self, state: State) -> None:
        self._logits = state.arrays["logits"]
