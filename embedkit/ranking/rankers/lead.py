"""How near a candidate is to what the source begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.rankers.source import LONG, beyond
from embedkit.ranking.words import count_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool

WORDS = 50
"""What a source begins with: its first sentences, up to the one with the fiftieth word."""


class LeadRanker:
    """The cosine of a candidate with the first sentences of the source, weighed by their length.

    0 is what any sentence of the source reaches with any other. NaN for an empty candidate.

    Source
    ------
    The first sentences are the baseline that is hardest to beat for news (Nenkova, "Automatic text
    summarization of newswire", AAAI 2005).
    """

    name: ClassVar[str] = "lead"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the cosine, shape (n,), at most 1."""
        counts: list[int] = []
        for sentence in pool.source_sentences:
            counts.append(count_words(sentence.text))
            if sum(counts) >= WORDS:
                break
        weighed = np.minimum(counts, LONG).astype(np.float64)
        begins = weighed @ pool.source_vectors[: len(counts)].astype(np.float64)
        size = np.linalg.norm(begins)
        told = np.array([bool(text) for text in pool.texts])
        if not size > 0:
            return np.full(len(pool), np.nan)
        return np.where(
            told, beyond(pool.vectors.astype(np.float64) @ (begins / size), pool), np.nan
        )
