"""Labels by what they say: a text goes to the label whose description is most like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.heads.base import BaseHead
from embedkit.classification.heads.updatable import UNSEEN
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors


class ZeroShotHead(BaseHead):
    """Each class is a direction: from the middle of all classes to the rows that describe it.

    Its rows are descriptions of the labels, not examples; of several the mean counts.

    Parameters
    ----------
    scale : float
        What cosines are multiplied by. With the default the probabilities of MiniLM are about
        right on five public sets (the best factor is between 6 and 16), but nothing vouches for
        that on another.

    Source
    ------
    Zero-shot classification by cosine with prompts, their vectors averaged: Radford et al.,
    "Learning transferable visual models from natural language supervision", 2021, section 3.1. Of
    the middle only what the labels have in common is taken away; no text is needed for it.
    """

    def __init__(self, *, scale: float = 12.0) -> None:
        super().__init__()
        self.scale = scale
        self._directions = np.empty((0, 0))
        self._seen = np.empty(0, np.bool_)
        self._bias = np.empty(0)

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        counts = np.ones(len(inputs)) if weights is None else weights
        sums = np.zeros((self.n_classes, self.dim))
        np.add.at(sums, targets, counts[:, np.newaxis] * inputs.vectors)
        self._seen = np.bincount(targets, minlength=self.n_classes) > 0
        means = _unit(sums)
        self._directions = _unit(means - means[self._seen].mean(axis=0))
        self._directions[~self._seen] = 0
        self._bias = np.zeros(self.n_classes)

    def even_out(self, vectors: Vectors) -> None:
        """Take from each class what texts have of it on average, so that none draws all to it.

        Parameters
        ----------
        vectors : float32 array, shape (n, dim)
            Of unlabelled texts, in which all classes are to be about as frequent.
        """
        self._bias = -(vectors @ self._directions.T).mean(axis=0).astype(np.float64)

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        scores = self.scale * (inputs.vectors @ self._directions.T + self._bias)
        scores[:, ~self._seen] = UNSEEN
        return np.asarray(scores, np.float64)

    def _state(self) -> State:
        arrays = {"directions": self._directions, "seen": self._seen, "bias": self._bias}
        return State({"scale": self.scale}, arrays)

    def _restore(self, state: State) -> None:
        self.scale = float(state.facts["scale"])
        self._directions, self._bias = state.arrays["directions"], state.arrays["bias"]
        self._seen = state.arrays["seen"].astype(np.bool_)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12))
