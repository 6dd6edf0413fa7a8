"""Which sentences make an extract: near to the whole, not near to each other, of a length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors


@dataclass(frozen=True, slots=True)
class Length:
    """How long an extract may be: so many sentences, so many words, or both."""

    sentences: int
    words: int | None = None


def by_relevance(
    relevance: NDArray[np.float64],
    vectors: Vectors,
    words: Keys,
    length: Length,
    diversity: float,
) -> list[int]:
    """Choose sentences by maximal marginal relevance until the length is reached.

    Each next one maximises ``(1 - diversity) * relevance - diversity * likeness``, its likeness
    being the cosine with the most similar of those chosen before. One that does not fit into the
    words that are left is passed over; where none fits, the best is taken as it is.

    Parameters
    ----------
    relevance : float64 array, shape (n,), from 0 to 1
    vectors : float32 array, shape (n, dim)
    words : int64 array, shape (n,)
        Words of each sentence.
    diversity : float
        From 0 to 1.

    Returns
    -------
    list of int, at least one where n > 0, in the order of the choice

    Source
    ------
    Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
    producing summaries", SIGIR 1998.
    """
    likeness = np.zeros(len(relevance))
    left = _left(words, length)
    chosen: list[int] = []
    while left.any() and len(chosen) < length.sentences:
        # The first has nothing to be unlike, so that its relevance alone decides.
        gain = (1 - diversity) * relevance - diversity * likeness if chosen else relevance
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        cosines = (vectors @ vectors[best]).astype(np.float64)
        likeness = np.maximum(likeness, cosines) if chosen else cosines
        chosen.append(best)
        left = _without(left, chosen, words, length)
    return chosen or _shortfall(relevance)


def by_cover(
    relevance: NDArray[np.float64], vectors: Vectors, words: Keys, length: Length
) -> list[int]:
    """Choose sentences that stand for all others: facility location, greedily.

    What a set of sentences is worth is the sum, over all sentences, of the cosine with the nearest
    one of the set. Each next one adds most to that. The worth is submodular, so that where only the
    number of sentences is bounded this greedy choice reaches at least 63 % of the best.

    Parameters
    ----------
    relevance : float64 array, shape (n,)
        Decides between sentences that add equally much.
    vectors, words, length
        As for :func:`by_relevance`.

    Source
    ------
    Lin and Bilmes, "A class of submodular functions for document summarization", ACL 2011; the
    bound: Nemhauser, Wolsey and Fisher, Mathematical Programming 14, 1978.
    """
    likeness = np.maximum(vectors @ vectors.T, 0).astype(np.float64)
    near = np.zeros(len(vectors))
    left = _left(words, length)
    chosen: list[int] = []
    while left.any() and len(chosen) < length.sentences:
        gain = np.maximum(likeness - near, 0).sum(axis=1) + 1e-9 * relevance
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        near = np.maximum(near, likeness[best])
        chosen.append(best)
        left = _without(left, chosen, words, length)
    return chosen or _shortfall(relevance)


def _left(words: Keys, length: Length) -> NDArray[np.bool_]:
    return np.ones(len(words), np.bool_) if length.words is None else words <= length.words


def _without(
    left: NDArray[np.bool_], chosen: list[int], words: Keys, length: Length
) -> NDArray[np.bool_]:
    """Return which sentences can still be taken beside those chosen."""
    left = left.copy()
    left[chosen[-1]] = False
    if length.words is not None:
        left &= words <= length.words - int(words[chosen].sum())
    return left


def _shortfall(relevance: NDArray[np.float64]) -> list[int]:
    """Return the best sentence alone, although it is longer than was asked."""
    return [int(np.argmax(relevance))] if len(relevance) else []
