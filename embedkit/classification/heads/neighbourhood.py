"""How far texts are from training rows: by their vectors, by their words, along general axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.heads.mixture import Distances
from embedkit.classification.heads.words import TextFeatures
from embedkit.classification.inputs import Inputs
from embedkit.classification.references import axes
from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Vectors

KINDS = ("vectors", "words", "axes")


class Neighbourhood:
    """Training rows, to be compared with.

    The words of a text are its words and pairs of words, and as much its pieces of words, each as
    TF-IDF of length 1.
    """

    def __init__(self) -> None:
        self._vectors: Vectors = np.empty((0, 0), np.float32)
        self._axes = np.empty((0, 0))
        self._features = (TextFeatures("words"), TextFeatures("pieces"))
        self._rows: tuple[Any, ...] = ()
        self._means = np.ones(len(KINDS))
        self.has_words = self.has_axes = False

    def fit(self, inputs: Inputs) -> Distances:
        """Take training rows, and return how far they are from each other, shape (n, n)."""
        self._vectors = inputs.vectors
        self._axes = np.empty((0, inputs.dim))
        if inputs.references is not None:
            self._axes = axes(inputs.references)
        self._rows = tuple(each.fit(inputs.texts) for each in self._features)
        raw = self._raw(inputs.vectors, self._rows)
        apart = ~np.eye(len(inputs), dtype=np.bool_)
        means = [float(each[apart].mean()) if len(inputs) > 1 else 0.0 for each in raw]
        self.has_words, self.has_axes = means[1] > 1e-6, means[2] > 1e-6
        self._means = np.array([mean if mean > 1e-6 else 1.0 for mean in means])
        return self._scaled(raw)

    def to(self, inputs: Inputs) -> Distances:
        """Return how far texts are from the training rows, shape (n, n_rows)."""
        words = tuple(each.transform(inputs.texts) for each in self._features)
        return self._scaled(self._raw(inputs.vectors, words))

    def _raw(self, vectors: Vectors, words: tuple[Any, ...]) -> list[NDArray[np.float64]]:
        wide, own = vectors.astype(np.float64), self._vectors.astype(np.float64)
        by_word = [_apart(a, b) for a, b in zip(words, self._rows, strict=True)]
        along = _squared(wide @ self._axes.T, own @ self._axes.T)
        return [_squared(wide, own), np.mean(by_word, axis=0), along]

    def _scaled(self, raw: list[NDArray[np.float64]]) -> Distances:
        return Distances(*(each / mean for each, mean in zip(raw, self._means, strict=True)))

    def state(self) -> State:
        """Return what was learned."""
        own = State(
            {"has_words": self.has_words, "has_axes": self.has_axes},
            {"vectors": self._vectors, "axes": self._axes, "means": self._means},
        )
        parts = {"own": own}
        for features, rows in zip(self._features, self._rows, strict=True):
            parts[features.unit] = features.state()
            parts[f"{features.unit}-rows"] = _sparse_state(rows)
        return State.join(parts)

    @classmethod
    def restored(cls, state: State) -> Neighbourhood:
        """Return what ``state`` came from."""
        near, own = cls(), state.part("own")
        near._vectors, near._axes = own.arrays["vectors"], own.arrays["axes"]
        near._means = own.arrays["means"]
        near.has_words, near.has_axes = own.facts["has_words"], own.facts["has_axes"]
        units = [features.unit for features in near._features]
        first, second = (TextFeatures.restored(state.part(unit)) for unit in units)
        near._features = (first, second)
        near._rows = tuple(_sparse(state.part(f"{unit}-rows")) for unit in units)
        return near


def _squared(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared distances between rows, shape (n, m)."""
    own = np.square(a).sum(axis=1)[:, np.newaxis] + np.square(b).sum(axis=1)
    distances: NDArray[np.float64] = np.maximum(own - 2 * a @ b.T, 0)
    return distances


def _apart(a: Any, b: Any) -> NDArray[np.float64]:
    """Return the squared distances between rows of length 1, or 0 without words, of CSR arrays."""
    own = np.asarray(a.multiply(a).sum(axis=1)).reshape(-1, 1)
    others = np.asarray(b.multiply(b).sum(axis=1)).reshape(1, -1)
    distances: NDArray[np.float64] = np.maximum(own + others - 2 * (a @ b.T).toarray(), 0)
    return distances.astype(np.float64)


def _sparse_state(rows: Any) -> State:
    arrays = {"values": rows.data, "columns": rows.indices, "starts": rows.indptr}
    return State({"shape": list(rows.shape)}, arrays)


def _sparse(state: State) -> Any:
    from scipy import sparse

    parts = (state.arrays["values"], state.arrays["columns"], state.arrays["starts"])
    return sparse.csr_array(parts, shape=tuple(state.facts["shape"]))
