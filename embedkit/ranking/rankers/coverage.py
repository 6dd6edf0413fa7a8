"""How much of the source a candidate tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.rankers.source import beyond, nearest, weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool


class CoverageRanker:
    """The cosine of each sentence of the source with the nearest of a candidate's, averaged.

    Sentences weigh by their length and their place (:func:`~.source.weights`). 0 is what any
    sentence of the source reaches with any other, 1 is the source itself. NaN for an empty
    candidate.

    Source
    ------
    The recall of BERTScore (Zhang et al., ICLR 2020, equation 1, with its rescaling by a baseline)
    with sentences in place of tokens and the source in place of a reference.
    """

    name: ClassVar[str] = "coverage"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the weighted mean of the best cosines, shape (n,), at most 1."""
        scores, weighed = np.full(len(pool), np.nan), weights(pool)
        if not weighed.any():
            return scores
        for place, vectors in enumerate(pool.sentence_vectors):
            if len(vectors):
                scores[place] = np.average(nearest(pool, vectors), weights=weighed)
        return beyond(scores, pool)
