"""A head on vectors that an adapter moves: both learned from the same rows, and kept together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit import registry
from embedkit.adapters.adapter import KEEP, Adapter
from embedkit.classification.heads.base import BaseHead
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.errors import InvalidInputError
from embedkit.protocols import Head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys


class AdaptedHead(BaseHead):
    """Another head, on vectors that an :class:`embedkit.adapters.adapter.Adapter` moves.

    The adapter is learned with the head, from the same rows, so that cross-validation judges both.

    Parameters
    ----------
    inner : str
        The other head: ``adapted?inner=knn``.
    keep : float
        How much the adapter holds vectors where they were.
    """

    def __init__(self, *, inner: str = "knn", keep: float = KEEP) -> None:
        super().__init__()
        if registry.Spec.parse(inner).name == "adapted":
            raise InvalidInputError("adapted: expected another head within, got 'adapted' again")
        self.inner = inner
        self._adapter = Adapter(keep=keep)
        self._head: Head = registry.create("head", inner)
        self.reads = frozenset(self._head.reads | {"vectors"})  # type: ignore[misc]

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        self._adapter = Adapter(keep=self._adapter.keep)
        if len(np.unique(targets)) > 1:  # of one class there is nothing to learn
            self._adapter.fit(inputs.vectors, targets, self.n_classes, weights=weights, seed=seed)
        self._head.fit(self._moved(inputs), targets, self.n_classes, weights=weights, seed=seed)

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        return self._head.scores(self._moved(inputs))

    def _moved(self, inputs: Inputs) -> Inputs:
        if not self._adapter.fitted:
            return inputs
        return Inputs(inputs.texts, self._adapter.apply(inputs.vectors))

    def _state(self) -> State:
        parts = {"head": self._head.state()}
        if self._adapter.fitted:
            parts["adapter"] = self._adapter.state()
        return State.join(parts)

    def _restore(self, state: State) -> None:
        self._head.restore(state.part("head"))
        self._adapter = Adapter(keep=self._adapter.keep)
        if "adapter" in state.facts:
            self._adapter.restore(state.part("adapter"))
