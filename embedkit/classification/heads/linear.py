"""Heads whose scores are linear in the features: on vectors, on words, or on both joined."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embedkit.classification.heads.base import BaseHead, check_above_zero
from embedkit.classification.heads.words import TextFeatures
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys

BLOCK = 20_000
"""Rows that are scored at a time."""


class LinearHead(BaseHead):
    """A weight for each feature and class, and a bias for each class, found by a linear SVM.

    Parameters
    ----------
    C : float
        How much a row on the wrong side of the margin costs, against large weights.

    Source
    ------
    Fan et al., "LIBLINEAR", JMLR 2008, by ``sklearn.svm.LinearSVC``: squared hinge loss, one class
    against the rest.
    """

    def __init__(self, *, C: float = 1.0) -> None:  # noqa: N803
        super().__init__()
        check_above_zero(C=C)
        self.C = C
        self._words: TextFeatures | None = TextFeatures() if "texts" in self.reads else None
        self._coefficients = np.empty((0, 0), np.float32)
        self._bias = np.empty(0, np.float32)
        self._present = np.empty(0, np.int64)

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        self._present = np.unique(targets)
        words = self._words.fit(inputs.texts) if self._words is not None else None
        features = self._features(inputs, words)
        self._coefficients = np.zeros((features.shape[1], self.n_classes), np.float32)
        self._bias = np.zeros(self.n_classes, np.float32)
        if len(self._present) == 1 or not features.shape[1]:
            self._bias += _shares(targets, weights, self.n_classes)
            return
        coef, intercept = self._solve(features, targets, weights, seed)
        if len(self._present) == 2:  # one row of coefficients for both
            coef, intercept = np.vstack([-coef, coef]) / 2, np.r_[-intercept, intercept] / 2
        self._coefficients[:, self._present] = coef.T
        self._bias[self._present] = intercept

    def _solve(
        self, features: Any, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return coefficients, shape (n_present or 1, n_features), and as many biases."""
        from sklearn.svm import LinearSVC

        rows, columns = features.shape
        model = LinearSVC(C=self.C, dual=rows < columns, random_state=seed, max_iter=2000)
        with quiet():
            model.fit(features, targets, sample_weight=weights)
        return model.coef_, model.intercept_

    def _features(self, inputs: Inputs, words: Any = None) -> Any:
        """Return the features, shape (n, n_features), dense or CSR, those of words first."""
        if self._words is None:
            return inputs.vectors
        if words is None:
            words = self._words.transform(inputs.texts)
        if "vectors" not in self.reads:
            return words
        from scipy import sparse

        return sparse.hstack([words, sparse.csr_array(inputs.vectors)], format="csr")

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        out = np.empty((len(inputs), self.n_classes))
        for start in range(0, len(inputs), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(inputs)))
            some = inputs if len(rows) == len(inputs) else inputs.take(rows)
            out[rows] = self._features(some) @ self._coefficients + self._bias
        return without(out, self._present)

    def _state(self) -> State:
        own = State(
            {},
            {
                "coefficients": self._coefficients,
                "bias": self._bias,
                "present": self._present,
            },
        )
        parts = {"linear": own}
        if self._words is not None:
            parts["words"] = self._words.state()
        return State.join(parts)

    def _restore(self, state: State) -> None:
        arrays = state.part("linear").arrays
        self._coefficients, self._bias = arrays["coefficients"], arrays["bias"]
        self._present = arrays["present"]
        if self._words is not None:
            self._words = TextFeatures.restored(state.part("words"))


class SvmHead(LinearHead):
    """Linear SVM on the vectors."""


class TfidfHead(LinearHead):
    """Linear SVM on the words and pairs of words: the baseline, which knows no embedding."""

    reads: ClassVar[frozenset[str]] = frozenset({"texts"})


class JoinedHead(LinearHead):
    """Linear SVM on words, pairs of words and vectors side by side."""

    reads: ClassVar[frozenset[str]] = frozenset({"texts", "vectors"})


def without(scores: NDArray[np.float64], present: Keys) -> NDArray[np.float64]:
    """Return the scores with those of classes that had no rows below all others, in place."""
    absent = np.setdiff1d(np.arange(scores.shape[1]), present)
    if len(absent):
        scores[:, absent] = scores[:, present].min(axis=1, keepdims=True) - 1
    return scores


@contextmanager
def quiet() -> Iterator[None]:
    """Let a solver that stops early say nothing.

    The solution is good long before the gradient is as small as the solver wants it, and
    whether it is good enough is what cross-validation tells.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes")
        yield


def _shares(
    targets: Keys, weights: NDArray[np.float64] | None, n_classes: int
) -> NDArray[np.float64]:
    sums = np.bincount(targets, weights=weights, minlength=n_classes)
    shares: NDArray[np.float64] = sums / sums.sum()
    return shares
