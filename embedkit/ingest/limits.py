"""What a person may limit of a run."""

from __future__ import annotations

from typing import Any

from embedkit.errors import InvalidInputError


def check_limit(name: str, value: Any, *, whole: bool = False) -> Any:
    """Return a limit of what a run may spend, None for none.

    Raises
    ------
    InvalidInputError
        It is not a number >= 0, or not a whole one where it has to be.
    """
    if value is None:
        return None
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not value >= 0:
        kind = "a whole number" if whole else "a number"
        raise InvalidInputError(f"expected {name} to be {kind} >= 0, got {value!r}")
    return value
