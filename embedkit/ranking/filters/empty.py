"""Nothing was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import BaseFilter, quoted

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool


class EmptyFilter(BaseFilter):
    """Rejects a candidate without a single letter or digit."""

    name: ClassVar[str] = "empty"

    def reject(self, pool: Pool) -> list[str | None]:
        """Return why each candidate is empty; None where it says something."""
        return [
            self._reason(pool, place, text) if text else "it is empty"
            for place, text in enumerate(pool.texts)
        ]

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        return None if any(map(str.isalnum, text)) else f"no words, only {quoted(text)}"
