"""What may be promised of an index: how much of the nearest it finds."""

from __future__ import annotations

from typing import Any

from embedkit.errors import InvalidInputError

RECALL = 0.99
"""What is promised where nothing else is asked for."""


def check_recall(value: Any) -> float:
    """Return a recall that can be promised.

    Raises
    ------
    InvalidInputError
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value <= 1:
        raise InvalidInputError(
            f"expected a recall in (0, 1], got {value!r}",
            do="0.99 is usual, and 1 searches exactly",
        )
    return float(value)
