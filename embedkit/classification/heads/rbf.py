"""Support vector machine with a Gaussian kernel: the recipe of many a tutorial on embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.heads.base import BaseHead, check_above_zero
from embedkit.classification.heads.linear import quiet, without
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys

CELLS = 2**22
"""Kernel values that are held at a time when rows are scored."""


class RbfHead(BaseHead):
    """RBF SVM on vectors whose columns are brought to mean 0 and deviation 1, classes balanced.

    A class has the score of its narrowest duel with another one. So it is the class that wins all
    its duels which is predicted, as by counting votes, but how sure that is can be told: of votes,
    the best class has nearly always all. The duels are those of scikit-learn's
    ``decision_function`` (``"ovo"``), computed here with numpy alone.

    Parameters
    ----------
    C : float
        How much a row on the wrong side of the margin costs.

    Source
    ------
    ``sklearn.svm.SVC`` (LIBSVM) behind ``StandardScaler``, with ``class_weight="balanced"``.
    """

    def __init__(self, *, C: float = 1.0) -> None:  # noqa: N803
        super().__init__()
        check_above_zero(C=C)
        self.C = C
        self._gamma = 0.0
        self._arrays: dict[str, NDArray[Any]] = {}

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        present = np.unique(targets)
        vectors = inputs.vectors.astype(np.float64)
        mean, variance = vectors.mean(axis=0), vectors.var(axis=0)
        # A column is constant where it varies no more than rounding does, as scikit-learn has it.
        rounding = len(vectors) * np.finfo(np.float64).eps
        deviation = np.sqrt(variance)
        deviation[variance <= rounding * variance + (rounding * mean) ** 2] = 1.0
        self._arrays = {"present": present, "mean": mean, "deviation": deviation}
        self._gamma = 0.0
        if len(present) == 1 or not inputs.dim:
            return
        scaled = (vectors - mean) / deviation
        self._gamma = 1.0 / (inputs.dim * (float(scaled.var()) or 1.0))
        from sklearn.svm import SVC

        model = SVC(
            C=self.C, gamma=self._gamma, class_weight="balanced", random_state=seed, cache_size=500
        )
        with quiet():
            model.fit(scaled, targets, sample_weight=weights)
        sign = -1.0 if len(present) == 2 else 1.0  # scikit-learn turns the sign for two classes
        self._arrays |= {
            "support": scaled[model.support_].astype(np.float32),
            "counts": model.n_support_.astype(np.int64),
            "dual": sign * model.dual_coef_,
            "intercept": sign * model.intercept_,
        }

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        present = self._arrays["present"]
        out = np.zeros((len(inputs), self.n_classes))
        if "support" in self._arrays:
            block = max(1, CELLS // len(self._arrays["support"]))
            for start in range(0, len(inputs), block):
                vectors = inputs.vectors[start : start + block]
                out[start : start + block, present] = self._narrowest(vectors)
        return without(out, present)

    def _narrowest(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return by how much each class that had rows wins its narrowest duel, (n, n_present)."""
        duels = self._duels(vectors)
        k, place = len(self._arrays["present"]), 0
        least = np.full((len(vectors), k), np.inf)
        for one in range(k):
            for other in range(one + 1, k):
                np.minimum(least[:, one], duels[:, place], out=least[:, one])
                np.minimum(least[:, other], -duels[:, place], out=least[:, other])
                place += 1
        return least

    def _duels(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how clearly the first class of each pair beats the second, shape (n, pairs)."""
        arrays = self._arrays
        scaled = (vectors.astype(np.float64) - arrays["mean"]) / arrays["deviation"]
        support, dual, counts = (
            arrays["support"].astype(np.float64),
            arrays["dual"],
            arrays["counts"],
        )
        distances = (scaled**2).sum(axis=1)[:, None] + (support**2).sum(axis=1)
        distances -= 2 * (scaled @ support.T)
        kernel = np.exp(-self._gamma * np.maximum(distances, 0))
        ends = np.concatenate(([0], np.cumsum(counts)))
        # part[i][:, j]: what the support vectors of class i say in its duel with the j-th other
        part = [
            kernel[:, ends[i] : ends[i + 1]] @ dual[:, ends[i] : ends[i + 1]].T
            for i in range(len(counts))
        ]
        pairs = [(i, j) for i in range(len(counts)) for j in range(i + 1, len(counts))]
        duels = np.stack([part[i][:, j - 1] + part[j][:, i] for i, j in pairs], axis=1)
        return np.asarray(duels + arrays["intercept"])

    def _state(self) -> State:
        return State({"gamma": self._gamma}, dict(self._arrays))

    def _restore(self, state: State) -> None:
        self._gamma, self._arrays = float(state.facts["gamma"]), dict(state.arrays)
