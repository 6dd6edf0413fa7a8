"""What a run may spend: asked before texts are sent, so that no line is crossed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from embedkit.errors import InvalidInputError


class Budget(Protocol):
    """Says how much of the work may be done."""

    def admit(self, texts: Sequence[str]) -> int:
        """Return how many of the texts, from the first, may be sent; those count as spent.

        Fewer than all of them means that the run ends there.
        """


class TextBudget:
    """So many texts, and no more; None for as many as there are."""

    def __init__(self, max_texts: int | None = None) -> None:
        if max_texts is not None and max_texts < 0:
            raise InvalidInputError(f"expected max_texts >= 0, got {max_texts}")
        self._left = max_texts

    def admit(self, texts: Sequence[str]) -> int:
        """Return how many of the texts may be sent."""
        if self._left is None:
            return len(texts)
        admitted = min(len(texts), self._left)
        self._left -= admitted
        return admitted
