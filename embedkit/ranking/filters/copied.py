"""A summary that is the source over again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import BaseFilter, check_count, check_share, quoted
from embedkit.ranking.words import runs, words

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool


class CopiedFilter(BaseFilter):
    """Rejects a candidate that is one passage of the source, word by word.

    One that puts sentences of different places together has chosen, and is no copy: of 300 machine
    summaries of news that people judged, 135 hold next to nothing but the source's own words, and
    people like them as much as the others; 18 are one passage.

    Parameters
    ----------
    most : float, from 0 to 1
        Share of a candidate's words that may stand in one run that the source holds too.
    run : int, >= 1
        Words from which on a run counts as copied. A candidate with fewer is never rejected.
    """

    name: ClassVar[str] = "copied"
    extracts: ClassVar[bool] = False

    def __init__(self, *, most: float = 0.9, run: int = 8) -> None:
        self.most = check_share(most, "most", self.name)
        self.run = check_count(run, "run", self.name)

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        said = words(text)
        found = runs(said, pool.source_words, self.run)
        start, stop = max(found, key=lambda each: each[1] - each[0], default=(0, 0))
        if stop - start <= self.most * len(said):
            return None
        longest = " ".join(said[start:stop])
        return (
            f"copied: {stop - start} of its {len(said)} words stand so in the source: "
            f"{quoted(longest)}"
        )
