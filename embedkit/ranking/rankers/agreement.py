"""What most candidates say is likelier to be right than what one says alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool


class AgreementRanker:
    """The mean cosine of a candidate with the other candidates that say something.

    NaN for an empty candidate, and where there is no other to agree with.

    Source
    ------
    Minimum Bayes risk decoding with candidates as the evidence: Kumar and Byrne, "Minimum
    Bayes-risk decoding for statistical machine translation", HLT-NAACL 2004; with the similarity of
    embeddings as the gain, as in Suzgun et al., "Follow the wisdom of the crowd", ACL 2023.
    """

    name: ClassVar[str] = "agreement"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the mean cosine with the others, shape (n,), from -1 to 1."""
        scores = np.full(len(pool), np.nan)
        told = np.flatnonzero([bool(text) for text in pool.texts])
        if len(told) > 1:
            vectors = pool.vectors[told].astype(np.float64)
            cosines = np.einsum("ij,ij->i", vectors, vectors.sum(0) - vectors)
            scores[told] = cosines / (len(told) - 1)
        return scores
