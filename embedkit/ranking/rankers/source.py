"""The source as rankers see it: which of its sentences matter, and which words carry it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from embedkit.chunking.borders import IDEOGRAPH
from embedkit.ranking.languages import FUNCTION_WORDS, language
from embedkit.ranking.words import count_words, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool
    from embedkit.types import Vectors

LONG = 30
"""Words of a sentence beyond which more do not make it weigh more."""
BLOCK = 1024
"""Sentences of the source that are compared at a time, so that a long one fits into memory."""
_LEAST_LETTERS = 4
_IDEOGRAPH = re.compile(f"[{IDEOGRAPH}]")
_MOST_ALIKE = 0.95


def weights(pool: Pool) -> NDArray[np.float64]:
    """Return how much each sentence of the source weighs, shape (n_sentences,), at least 0.

    As many as it has words, up to 30, divided by the square root of its place from 1: writers say
    first what matters most, and a heading says little.
    """
    counts = [min(count_words(sentence.text), LONG) for sentence in pool.source_sentences]
    return np.array(counts, np.float64) / np.sqrt(1 + np.arange(len(counts)))


def nearest(pool: Pool, vectors: Vectors) -> NDArray[np.float64]:
    """Return each source sentence's cosine with the nearest vector, shape (n_sentences,)."""
    found = [
        (pool.source_vectors[start : start + BLOCK] @ vectors.T).max(1)
        for start in range(0, len(pool.source_vectors), BLOCK)
    ]
    return np.concatenate(found).astype(np.float64)


def likeness(pool: Pool) -> float:
    """Return the mean cosine of two different sentences of the source, from 0 to 0.95.

    Models differ in what unlike texts reach, and so do sources: what says no more than that any
    sentence of the source is like another is 0 on the scale of :func:`beyond`.
    """
    n = len(pool.source_vectors)
    if n < 2:
        return 0.0
    rows = pool.source_vectors.astype(np.float64)
    total = rows.sum(0)
    mean = (total @ total - np.einsum("ij,ij->", rows, rows)) / (n * (n - 1))
    return float(np.clip(mean, 0.0, _MOST_ALIKE))


def beyond(cosines: NDArray[np.float64], pool: Pool) -> NDArray[np.float64]:
    """Return cosines on a scale from 0, the likeness of any two sentences, to 1, the same."""
    floor = likeness(pool)
    return (cosines - floor) / (1 - floor)


def content_words(text: str, small: frozenset[str] | None) -> frozenset[str]:
    """Return the distinct words of a text that say what it is about, folded.

    Parameters
    ----------
    small : frozenset of str or None
        The function words of its language, which are left out; None where the language is not
        known: then words with fewer than four letters are, unless their script has no blanks.
    """
    told = words(text)
    if small is not None:
        return frozenset(word for word in told if word not in small)
    return frozenset(
        word
        for word in told
        if len(word) >= _LEAST_LETTERS or word[0].isdigit() or _IDEOGRAPH.match(word)
    )


def function_words(source: str) -> frozenset[str] | None:
    """Return the function words of a source's language, None where it is not known."""
    return FUNCTION_WORDS.get(language(source).name)
