"""The moving average of weights that learn: better than the last ones, and less by chance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch


class Average:
    """Keeps the average of some tensors, and puts it in their place for a while.

    Source
    ------
    Polyak and Juditsky: Acceleration of stochastic approximation by averaging, 1992; the decay
    grows to its value as in Tarvainen and Valpola: Mean teachers, NeurIPS 2017.
    """

    def __init__(self, tensors: Sequence[Any], decay: float) -> None:
        self._tensors = list(tensors)
        self._decay = decay
        self._steps = 0
        self._held = [tensor.detach().clone() for tensor in self._tensors]

    def update(self) -> None:
        """Take in the tensors as they are now."""
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + 9))
        with torch.no_grad():
            torch._foreach_lerp_(self._held, [t.detach() for t in self._tensors], 1 - decay)

    def copy(self) -> list[Any]:
        """Return the average as tensors of their own."""
        return [tensor.clone() for tensor in self._held]

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the tensors hold the average until the block ends."""
        kept = [tensor.detach().clone() for tensor in self._tensors]
        put(self._tensors, self._held)
        try:
            yield
        finally:
            put(self._tensors, kept)


def put(tensors: Sequence[Any], values: Sequence[Any]) -> None:
    """Copy values into tensors."""
    with torch.no_grad():
        for tensor, value in zip(tensors, values, strict=True):
            tensor.copy_(value)
