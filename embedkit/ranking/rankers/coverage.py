"""How much of the source a candidate tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool


class CoverageRanker:
    """The mean, over the sentences of the source, of the cosine with the nearest of a candidate's.

    NaN for an empty candidate.

    Source
    ------
    The recall of BERTScore (Zhang et al., ICLR 2020, equation 1) with sentences in place of tokens
    and the source in place of a reference.
    """

    name: ClassVar[str] = "coverage"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the mean of the best cosines, shape (n,), from -1 to 1."""
        scores = np.full(len(pool), np.nan)
        for place, vectors in enumerate(pool.sentence_vectors):
            if len(vectors):
                scores[place] = (pool.source_vectors @ vectors.T).max(1).mean()
        return scores
