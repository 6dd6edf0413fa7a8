"""A choice of hits that are near to the query and not to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.types import Scores, Vectors


def diverse(scores: Scores, vectors: Vectors, k: int, diversity: float) -> list[int]:
    """Choose k candidates by maximal marginal relevance, and return their places in that order.

    Each next one maximises ``(1 - diversity) * relevance - diversity * likeness``, its likeness
    being the cosine with the most similar of those chosen before. Relevance is the score, brought
    to the range from 0 to 1 over the candidates, so that scores of any kind can be weighed.

    Parameters
    ----------
    scores : float32 array, shape (n,), larger is better
    vectors : float32 array, shape (n, dim)
    k : int, >= 1
    diversity : float
        From 0, the order of the scores, to 1, where only the first is chosen by its score.

    Returns
    -------
    list of int, min(k, n) of them; equal candidates in their order

    Source
    ------
    Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
    producing summaries", SIGIR 1998.
    """
    if not len(scores):
        return []
    wide = scores.astype(np.float64)
    spread = float(np.ptp(wide))
    relevance = (wide - wide.min()) / spread if spread > 0 else np.zeros_like(wide)
    unit = normalize(vectors)
    likeness = np.full(len(scores), -np.inf)
    left = np.ones(len(scores), np.bool_)
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):
        gain = (1 - diversity) * relevance
        if chosen:
            likeness = np.maximum(likeness, unit @ unit[chosen[-1]])
            gain = gain - diversity * likeness
        else:
            gain = relevance
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        left[best] = False
        chosen.append(best)
    return chosen
