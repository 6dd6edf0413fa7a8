"""Weights of several trainings, averaged one by one."""

from __future__ import annotations

from typing import Any


class Soup:
    """The mean of weights, held as their sum."""

    def __init__(self) -> None:
        self.size = 0
        self._sum: dict[str, Any] = {}

    def add(self, state: dict[str, Any]) -> None:
        """Take in the weights of one training; whole numbers are kept from the first."""
        if not self.size:
            self._sum = {name: value.clone() for name, value in state.items()}
        else:
            for name, value in state.items():
                if value.is_floating_point():
                    self._sum[name] += value
        self.size += 1

    def mean(self) -> dict[str, Any]:
        """Return the average."""
        return {
            name: value / self.size if value.is_floating_point() else value
            for name, value in self._sum.items()
        }
