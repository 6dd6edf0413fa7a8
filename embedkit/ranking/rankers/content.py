"""How much a candidate says, counted in words of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.rankers.source import content_words, function_words
from embedkit.ranking.words import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool

ENOUGH = 20
"""Content words at which a candidate has told 63 % of what can be wished for."""
_SHARE = 5
"""Of a longer text that is asked for, a fifth of its words take the place of those twenty."""


class ContentRanker:
    """How many different content words of the source a candidate holds, with less for each more.

    ``1 - exp(-count / 20)``, or a fifth of the words that were asked for in place of 20 where that
    is more. Words that the source does not hold, or that were said before, count for nothing, so a
    longer candidate gains only by telling more of the source. NaN for one without words.

    Source
    ------
    The recall of ROUGE-1 (Lin, "ROUGE", 2004) with the source in place of a reference, on distinct
    content words; the saturation is that of coverage functions (Lin and Bilmes, "A class of
    submodular functions for document summarization", ACL 2011).
    """

    name: ClassVar[str] = "content"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return shape (n,), from 0 to 1."""
        small = function_words(pool.source)
        held = content_words(pool.source, small)
        enough = max(ENOUGH, (pool.limits.most_words or 0) / _SHARE)
        return np.array(
            [
                1 - np.exp(-len(content_words(text, small) & held) / enough)
                if words(text)
                else np.nan
                for text in pool.texts
            ],
            np.float64,
        )
