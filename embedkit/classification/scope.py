"""Texts that are unlike all that was learned from."""

from __future__ import annotations

from embedkit.classification.state import State


class Scope:
    """Not learned yet."""

    def state(self) -> State:
        """Return what was learned."""
        return State()

    def restore(self, state: State) -> None:
        """Take it."""
