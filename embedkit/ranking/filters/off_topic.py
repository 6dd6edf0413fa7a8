"""A text about something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import BaseFilter, check_share
from embedkit.ranking.telling import small_words
from embedkit.ranking.words import words

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

_STEM = 6
"""Letters of a word that tell it from others, its endings aside."""


class OffTopicFilter(BaseFilter):
    """Rejects a candidate that is neither near its source nor made of the source's words.

    What counts is the mean of two shares: the cosine with what is nearest in the source, a sentence
    or the mean of all, and the share of the candidate's content words that the source has. Either
    alone misleads: all papers are near each other to a model, and so are all dialogues; and what is
    put in other words shares few.

    Parameters
    ----------
    least : float, from 0 to 1
        Least mean of the two. With MiniLM, 0.38 rejects 0.4 % of the summaries that people wrote of
        500 papers, and nine of ten summaries of another paper (``benchmarks/filtering.py``).
    """

    name: ClassVar[str] = "off-topic"
    extracts: ClassVar[bool] = False

    def __init__(self, *, least: float = 0.38) -> None:
        self.least = check_share(least, "least", self.name)

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        if not len(pool.source_vectors):
            return None
        told = {word[:_STEM] for word in words(text)} - small_words()
        if not told:
            return None
        held = {word[:_STEM] for word in pool.source_words}
        shared = len(told & held) / len(told)
        near = float(pool.nearness[place])
        if (max(near, 0) + shared) / 2 >= self.least:
            return None
        return (
            f"about something else: {shared:.0%} of its words are the source's, "
            f"likeness to the source {near:.2f}"
        )
