"""What every head shares: its input is checked before it learns and before it decides.

An author of a head writes ``_fit``, ``_scores``, ``_state`` and ``_restore``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError
from embedkit.threads import single_threaded_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys


def check_above_zero(**values: float) -> None:
    """Refuse options that have to be above 0, by name.

    Raises
    ------
    InvalidInputError
    """
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise InvalidInputError(f"expected {name} above 0, got {value}")


def check_not_negative(**values: float) -> None:
    """Refuse options that have to be 0 or more, by name.

    Raises
    ------
    InvalidInputError
    """
    for name, value in values.items():
        if not (value >= 0 and math.isfinite(value)):
            raise InvalidInputError(f"expected {name} of at least 0, got {value}")


class BaseHead(ABC):
    """A head whose public methods check, and whose ``_fit`` and ``_scores`` compute."""

    reads: ClassVar[frozenset[str]] = frozenset({"vectors"})

    def __init__(self) -> None:
        self.n_classes = 0
        self.dim = 0

    @abstractmethod
    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        """Learn from at least one row of at least two classes."""

    @abstractmethod
    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return the scores of at least one row, shape (n, n_classes)."""

    @abstractmethod
    def _state(self) -> State:
        """Return what ``_fit`` learned."""

    @abstractmethod
    def _restore(self, state: State) -> None:
        """Take what ``_state`` returned."""

    def fit(
        self,
        inputs: Inputs,
        targets: Keys,
        n_classes: int,
        *,
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> None:
        """Learn from rows.

        Parameters
        ----------
        inputs : Inputs, length n >= 1
        targets : int64 array, shape (n,)
            The class of each row, in [0, n_classes).
        n_classes : int, >= 2
            A class may be without rows: it is never the most likely one, unless it is all there is.
        weights : float64 array, shape (n,), optional
            How much each row counts, > 0.
        seed : int
            Equal seeds and inputs give equal heads.

        Raises
        ------
        InvalidInputError, DimensionMismatchError
        """
        self.check_fit(inputs, targets, n_classes, weights)
        # Solvers take thousands of small products, between which threads would but wait.
        with single_threaded_products():
            self._fit(inputs, targets, weights, seed)

    def check_fit(
        self,
        inputs: Inputs,
        targets: Keys,
        n_classes: int,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Refuse what cannot be learned from, as ``fit`` does, and note the widths."""
        if n_classes < 2:
            raise InvalidInputError(f"expected at least two classes, got {n_classes}")
        if not len(inputs):
            raise InvalidInputError("expected at least one row to learn from, got none")
        if targets.shape != (len(inputs),):
            raise DimensionMismatchError(
                f"expected a class for each of {len(inputs)} rows, got shape {targets.shape}"
            )
        if targets.min() < 0 or targets.max() >= n_classes:
            raise InvalidInputError(f"expected classes in [0, {n_classes}), got others")
        if weights is not None and (weights.shape != targets.shape or not weights.min() > 0):
            raise InvalidInputError("expected a weight above 0 for each row")
        self.n_classes, self.dim = n_classes, inputs.dim

    def scores(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return how much each row is like each class, shape (n, n_classes), larger is more.

        Raises
        ------
        NotFittedError
        DimensionMismatchError
            Vectors of another width than those learned from.
        """
        if not self.n_classes:
            raise NotFittedError(f"{type(self).__name__} has learned nothing yet", do="call fit")
        if "vectors" in self.reads and inputs.dim != self.dim:
            raise DimensionMismatchError(
                f"expected vectors of width {self.dim}, got {inputs.dim}",
                do="embed with the model that it was trained with",
            )
        if not len(inputs):
            return np.empty((0, self.n_classes))
        return self._scores(inputs)

    def state(self) -> State:
        """Return what was learned."""
        inner = self._state()
        own = {"n_classes": self.n_classes, "dim": self.dim}
        return State(own | {"learned": inner.facts}, inner.arrays)

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""
        self.n_classes, self.dim = int(state.facts["n_classes"]), int(state.facts["dim"])
        self._restore(State(state.facts["learned"], state.arrays))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
