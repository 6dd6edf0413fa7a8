"""How long a candidate is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.words import count_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool

SHORT = 50
"""Words that a summary may have however short its source is."""


class BrevityRanker:
    """Minus the logarithm of the number of words: the shortest first.

    NaN for a candidate without words.
    """

    name: ClassVar[str] = "brevity"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return minus the logarithm, shape (n,), at most 0."""
        return -_logarithms(pool)


class LengthRanker:
    """0 for a candidate as long as was asked, less the further it is from that.

    Minus the logarithm of the ratio of its words to the nearest length that was asked for: one
    twice as long as it may be has -0.69. Where no greatest length was asked for, a summary may have
    half as many words as its source, and fifty in any case; an answer any number. NaN for a
    candidate without words.
    """

    name: ClassVar[str] = "length"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return shape (n,), at most 0."""
        least, most = pool.limits.least_words, pool.limits.most_words
        if most is None and not pool.question:
            most = max(SHORT, count_words(pool.source) // 2, least or 0)
        logs = _logarithms(pool)
        over = np.maximum(logs - np.log(most), 0) if most is not None else 0.0
        under = np.maximum(np.log(least) - logs, 0) if least is not None else 0.0
        return np.where(np.isnan(logs), np.nan, -(over + under))


def _logarithms(pool: Pool) -> NDArray[np.float64]:
    """The logarithms of the numbers of words, NaN for none, shape (n,)."""
    counts = np.array([count_words(text) for text in pool.texts], np.float64)
    return np.log(counts, where=counts > 0, out=np.full(len(pool), np.nan))
