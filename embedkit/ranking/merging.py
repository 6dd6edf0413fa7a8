"""Which candidates say nearly the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool


def merge(pool: Pool) -> list[int | None]:
    """Return, for each candidate, the place of an earlier one with the same text, or None."""
    first: dict[str, int] = {}
    found = [first.setdefault(text, place) for place, text in enumerate(pool.texts)]
    return [None if stands == place else stands for place, stands in enumerate(found)]
