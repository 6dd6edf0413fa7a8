"""Nearest neighbours: a text has the label of the training rows that are most like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from embedkit.classification.heads.updatable import UpdatableHead
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.errors import InvalidInputError
from embedkit.indexes.exact import top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

Item = TypeVar("Item", bound=np.generic)

NEAREST = 0.05
"""Distance below which a neighbour counts no more: a copy must not outvote all others."""


class NeighborsHead(UpdatableHead):
    """The votes of the k nearest training rows, found exactly.

    It keeps all rows, so it takes in one more at once, also of a class that it has not seen before.
    Its scores are the logarithms of the shares of the votes, to which one vote more is added that
    is split evenly over the classes, so that none is impossible.

    Parameters
    ----------
    k : int
        How many neighbours vote, at most.
    weights : {"distance", "uniform"}
        Whether a vote counts by the inverse of its distance, or all count alike.

    Source
    ------
    Cover and Hart, "Nearest neighbor pattern classification", 1967; by distance: Dudani, "The
    distance-weighted k-nearest-neighbor rule", 1976. The vote more is Laplace's.
    """

    def __init__(self, *, k: int = 5, weights: Literal["distance", "uniform"] = "distance") -> None:
        super().__init__()
        if k < 1:
            raise InvalidInputError(f"knn: expected k of at least 1, got {k}")
        self.k = k
        self.weights = weights
        self._clear()

    def _clear(self) -> None:
        self._rows = 0
        self._vectors: Vectors = np.empty((0, self.dim), np.float32)
        self._targets: Keys = np.empty(0, np.int64)
        self._counts: NDArray[np.float64] = np.empty(0)

    def _add(self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64]) -> None:
        first, self._rows = self._rows, self._rows + len(inputs)
        self._vectors = _with_room(self._vectors, first, self._rows)
        self._targets = _with_room(self._targets, first, self._rows)
        self._counts = _with_room(self._counts, first, self._rows)
        new = slice(first, self._rows)
        self._vectors[new], self._targets[new], self._counts[new] = inputs.vectors, targets, weights

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        rows, cosines = top_k(inputs.vectors, self._vectors[: self._rows], self.k)
        votes = self._counts[rows] * self._closeness(cosines)
        # As many votes in all as there are neighbours, whatever the distances are.
        votes *= rows.shape[1] / votes.sum(axis=1, keepdims=True)
        shares = np.full((len(inputs), self.n_classes), 1 / self.n_classes)
        np.add.at(shares, (np.arange(len(inputs))[:, np.newaxis], self._targets[rows]), votes)
        scores: NDArray[np.float64] = np.log(shares / (rows.shape[1] + 1))
        return scores

    def _closeness(self, cosines: Vectors) -> NDArray[np.float64]:
        if self.weights == "uniform":
            return np.ones(cosines.shape)
        distances = np.sqrt(np.maximum(2 - 2 * cosines.astype(np.float64), 0))
        return 1 / np.maximum(distances, NEAREST)

    def _state(self) -> State:
        kept = slice(self._rows)
        return State(
            {"k": self.k, "weights": self.weights},
            {
                "vectors": self._vectors[kept],
                "targets": self._targets[kept],
                "counts": self._counts[kept],
            },
        )

    def _restore(self, state: State) -> None:
        self.k, self.weights = int(state.facts["k"]), state.facts["weights"]
        self._vectors, self._targets = state.arrays["vectors"], state.arrays["targets"]
        self._counts, self._rows = state.arrays["counts"], len(state.arrays["targets"])


def _with_room(array: NDArray[Item], used: int, wanted: int) -> NDArray[Item]:
    """Return an array that holds so many rows, the used ones copied only where it has to grow.

    It grows by half, so that rows that come one at a time are each copied a few times only.
    """
    if wanted <= len(array):
        return array
    grown = np.empty((max(wanted, len(array) * 3 // 2), *array.shape[1:]), array.dtype)
    grown[:used] = array[:used]
    return grown
