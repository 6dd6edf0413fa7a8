"""Texts that are unlike all that was learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.classification.state import State
from embedkit.errors import NotFittedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedkit.types import Vectors


class Scope:
    """Not learned yet."""

    def typicality(self, vectors: Vectors) -> NDArray[np.float64]:
        """Return how typical texts are, shape (n,)."""
        raise NotFittedError("no scope has been learned")

    def state(self) -> State:
        """Return what was learned."""
        return State()

    def restore(self, state: State) -> None:
        """Take it."""
