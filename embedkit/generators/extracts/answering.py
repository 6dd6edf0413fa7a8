"""Sentences of passages that answer a question: those nearest to it, alone and with neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from embedkit.generators.extracts.centrality import stretch
from embedkit.generators.extracts.choosing import Length, by_relevance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.generators.extracts.extracting import Sentences


def answers(
    sentences: Sentences,
    nearness: NDArray[np.float64],
    n: int,
    length: Length,
    diversity: float,
) -> list[tuple[int, ...]]:
    """Return at most n answers, no two of the same text, as ascending places of sentences.

    First the sentence that is nearest to the question, then that one with what follows it, then
    several near ones that are unlike each other, and then the next nearest.

    Parameters
    ----------
    nearness : float64 array, shape (n_sentences,)
        Of each sentence to the question, larger is nearer.
    """
    found: dict[str, tuple[int, ...]] = {}
    for places in _ways(sentences, nearness, length, diversity):
        found.setdefault(" ".join(sentences.units[i].text for i in places), places)
        if len(found) >= n:
            break
    return list(found.values())


def _ways(
    sentences: Sentences, nearness: NDArray[np.float64], length: Length, diversity: float
) -> Iterator[tuple[int, ...]]:
    order = [int(i) for i in np.argsort(-nearness, kind="stable")]
    for rank, best in enumerate(order):
        yield (best,)
        after = best + 1
        if after < len(order) and _fits(sentences, best, after, length):
            yield (best, after)
        if not rank:
            near = by_relevance(
                stretch(nearness), sentences.vectors, sentences.words, length, diversity
            )
            yield tuple(sorted(near))


def _fits(sentences: Sentences, one: int, other: int, length: Length) -> bool:
    """Whether two sentences are of one source and together not too long."""
    first, second = sentences.units[one], sentences.units[other]
    together = first.words + second.words
    return first.source == second.source and (length.words is None or together <= length.words)
