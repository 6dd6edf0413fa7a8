"""Whether a candidate speaks of what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool


class RelevanceRanker:
    """The cosine of an answer with its question.

    NaN for an empty answer, and where nothing was asked.

    Source
    ------
    Dense retrieval: a question and what answers it are near each other (Karpukhin et al., "Dense
    passage retrieval", EMNLP 2020).
    """

    name: ClassVar[str] = "relevance"
    question: ClassVar[bool] = True

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the cosine, shape (n,), from -1 to 1."""
        told = np.array([bool(text) for text in pool.texts])
        if not pool.question.strip():
            return np.full(len(pool), np.nan)
        asked = pool.embedder.embed([pool.question], input_type="query")[0]
        return np.where(told, pool.vectors.astype(np.float64) @ asked, np.nan)
