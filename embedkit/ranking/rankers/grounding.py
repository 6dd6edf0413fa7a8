"""How many of a candidate's words come from its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.rankers.source import content_words, function_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool


class GroundingRanker:
    """The share of a candidate's different content words that the source holds.

    NaN for a candidate without content words.

    Source
    ------
    The precision of ROUGE-1 (Lin, "ROUGE", 2004) with the source in place of a reference, on
    distinct content words; *coverage* of extractive fragments in Grusky, Naaman and Artzi,
    "Newsroom", NAACL 2018, section 4.1, is the same of running words.
    """

    name: ClassVar[str] = "grounding"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the share, shape (n,), from 0 to 1."""
        small = function_words(pool.source)
        held = content_words(pool.source, small)
        told = [content_words(text, small) for text in pool.texts]
        return np.array([len(each & held) / len(each) if each else np.nan for each in told])
