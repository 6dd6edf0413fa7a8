"""How long a candidate is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.words import count_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool


class BrevityRanker:
    """Minus the logarithm of the number of words: the shortest first.

    NaN for a candidate without words.
    """

    name: ClassVar[str] = "brevity"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return minus the logarithm, shape (n,), at most 0."""
        counts = np.array([count_words(text) for text in pool.texts], np.float64)
        return -np.log(counts, where=counts > 0, out=np.full(len(pool), np.nan))
