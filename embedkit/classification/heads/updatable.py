"""What heads share that take in single rows: what is added is checked as what is learned from."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.heads.base import BaseHead
from embedkit.classification.inputs import Inputs
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys

UNSEEN = -30.0
"""Score of a class without rows, below that of every class with rows."""


class UpdatableHead(BaseHead):
    """A head that learns from a row more without forgetting, or seeing again, the others.

    An author writes ``_add`` in place of ``_fit``, and ``_clear``.
    """

    @abstractmethod
    def _clear(self) -> None:
        """Forget everything; ``n_classes`` and ``dim`` hold already what is to come."""

    @abstractmethod
    def _add(self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64]) -> None:
        """Learn from at least one row more; ``n_classes`` may have grown since the last."""

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        self._clear()
        self._add(inputs, targets, np.ones(len(inputs)) if weights is None else weights)

    def add(
        self,
        inputs: Inputs,
        targets: Keys,
        *,
        n_classes: int | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Learn from rows more, as if they had been there when it was fitted.

        Parameters
        ----------
        inputs : Inputs, length n
        targets : int64 array, shape (n,)
            In [0, n_classes).
        n_classes : int, optional
            How many classes there are now, where they have become more.
        weights : float64 array, shape (n,), optional
            How much each row counts, > 0.

        Raises
        ------
        NotFittedError
        InvalidInputError, DimensionMismatchError
            Nothing was learned.
        """
        if not self.n_classes:
            raise NotFittedError(f"{type(self).__name__} has learned nothing yet", do="call fit")
        n_classes = self.n_classes if n_classes is None else n_classes
        if n_classes < self.n_classes:
            raise InvalidInputError(
                f"expected at least the {self.n_classes} classes there are, got {n_classes}"
            )
        if inputs.dim != self.dim:
            raise DimensionMismatchError(
                f"expected vectors of width {self.dim}, got {inputs.dim}",
                do="embed with the model that it was trained with",
            )
        if targets.shape != (len(inputs),):
            raise DimensionMismatchError(
                f"expected a class for each of {len(inputs)} rows, got shape {targets.shape}"
            )
        if len(targets) and (targets.min() < 0 or targets.max() >= n_classes):
            raise InvalidInputError(
                f"expected classes in [0, {n_classes}), got others",
                do="say how many there are now with n_classes",
            )
        self.n_classes = n_classes
        if len(inputs):
            self._add(inputs, targets, np.ones(len(inputs)) if weights is None else weights)
