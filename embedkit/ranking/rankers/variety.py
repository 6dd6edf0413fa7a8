"""Whether a candidate says anything twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.words import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool

_RUN = 3


class VarietyRanker:
    """The share of a candidate's runs of three words that did not stand in it before: 1 is all.

    NaN for one with fewer than three words.

    Source
    ------
    Distinct-n of Li et al., "A diversity-promoting objective function for neural conversation
    models", NAACL 2016, with runs of three.
    """

    name: ClassVar[str] = "variety"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the share, shape (n,), above 0 and at most 1."""
        scores = np.full(len(pool), np.nan)
        for place, text in enumerate(pool.texts):
            told = words(text)
            runs = list(zip(*(told[i:] for i in range(_RUN)), strict=False))
            if runs:
                scores[place] = len(set(runs)) / len(runs)
        return scores
