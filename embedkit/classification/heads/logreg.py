"""Logistic regression on the vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.heads.base import BaseHead, check_above_zero
from embedkit.classification.heads.linear import quiet
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys


class LogisticRegressionHead(BaseHead):
    """Multinomial logistic regression.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty on the squared weights.

    Source
    ------
    ``sklearn.linear_model.LogisticRegression``.
    """

    def __init__(self, *, C: float = 10.0) -> None:  # noqa: N803
        super().__init__()
        check_above_zero(C=C)
        self.C = C
        self._weights = np.empty((0, 0))
        self._bias = np.empty(0)

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=self.C, max_iter=1000, random_state=seed)
        present = np.unique(targets)
        self._weights = np.zeros((inputs.dim, self.n_classes))
        self._bias = np.full(self.n_classes, -30.0)
        if len(present) == 1:
            self._bias[present] = 0.0
            return
        with quiet():
            model.fit(inputs.vectors, targets, sample_weight=weights)
        coef, intercept = model.coef_, model.intercept_
        if len(present) == 2:  # one row of weights for both
            coef = np.vstack([-coef[0], coef[0]]) / 2
            intercept = np.array([-intercept[0], intercept[0]]) / 2
        self._weights[:, present] = coef.T
        self._bias[present] = intercept

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = inputs.vectors @ self._weights + self._bias
        return scores

    def _state(self) -> State:
        return State({}, {"weights": self._weights, "bias": self._bias})

    def _restore(self, state: State) -> None:
        self._weights, self._bias = state.arrays["weights"], state.arrays["bias"]
