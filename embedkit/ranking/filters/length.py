"""Too long or too short."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embedkit.errors import InvalidInputError
from embedkit.ranking.filters.base import BaseFilter, check_count
from embedkit.ranking.words import count_words

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

LEAST = 3
"""Words of a summary, where nothing was asked: fewer name a subject and say nothing of it."""
_SHORT_SOURCE = 50
"""Words below which a summary may be as long as its source."""


class LengthFilter(BaseFilter):
    """Rejects a candidate with fewer or more words than was asked.

    Parameters
    ----------
    least, most : int or None
        In words; None takes what was asked of the candidates (``pool.limits``). Where nothing was
        asked either, a summary has at least three words and fewer than its source, if that has
        more than fifty; an answer may have any number.
    """

    name: ClassVar[str] = "length"

    def __init__(self, *, least: int | None = None, most: int | None = None) -> None:
        self.least = least if least is None else check_count(least, "least", self.name)
        self.most = most if most is None else check_count(most, "most", self.name)
        if least is not None and most is not None and least > most:
            raise InvalidInputError(
                f"length: expected least up to most, got least={least} and most={most}"
            )

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        least = pool.limits.least_words if self.least is None else self.least
        most = pool.limits.most_words if self.most is None else self.most
        if least is None and not pool.question and (most is None or most >= LEAST):
            least = LEAST
        count = count_words(text)
        if least is not None and count < least:
            return f"too short: {_told(count)}, at least {least} wanted"
        if most is not None and count > most:
            return f"too long: {_told(count)}, at most {most} wanted"
        if most is None and not pool.question:
            whole = count_words(pool.source)
            if whole > _SHORT_SOURCE and count >= whole:
                return f"too long: {_told(count)}, the source itself has {whole}"
        return None


def _told(count: int) -> str:
    return f"{count} word" + "s" * (count != 1)
