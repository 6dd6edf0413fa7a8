"""An answer with a sentence that its passages do not carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import check_share, quoted
from embedkit.ranking.rankers.faithfulness import SentenceSupport, support

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool


class UngroundedFilter:
    """Rejects a candidate with a sentence that nothing in the source carries.

    Parameters
    ----------
    least : float, from 0 to 1
        Least support of each sentence; see
        :func:`embedkit.ranking.rankers.faithfulness.support`.
    """

    name: ClassVar[str] = "ungrounded"

    def __init__(self, *, least: float = 0.3) -> None:
        self.least = check_share(least, "least", self.name)

    def reject(self, pool: Pool) -> list[str | None]:
        """Return the sentence of each candidate that is carried least; None where all are."""
        return [self._told(listed) for listed in support(pool)]

    def _told(self, listed: list[SentenceSupport]) -> str | None:
        worst = min(listed, key=lambda each: each.score, default=None)
        if worst is None or worst.source is None or worst.score >= self.least:
            return None
        return (
            f"the source does not carry {quoted(worst.sentence.text)}: support {worst.score:.2f}, "
            f"at least {self.least:g} wanted"
        )

    def __repr__(self) -> str:
        return f"<filter {self.name}>"
