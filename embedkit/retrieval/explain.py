"""Which words of a text carry its similarity with a query: those that it falls without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embedkit.leaving_out import LeftOut, leave_out
from embedkit.types import Hits, Why, WordShare

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.types import Scores, Vectors


def with_words(embedder: Embedder, vectors: Vectors, answers: Sequence[Hits]) -> list[Hits]:
    """Return the hits of each query, each with the words of its text that carry the similarity.

    Parameters
    ----------
    embedder : Embedder
    vectors : float32 array, shape (n_queries, dim)
    answers : sequence of Hits, one a query
    """
    explained = []
    for vector, hits in zip(vectors, answers, strict=True):
        shares = word_shares(embedder, vector, [hit.best_text for hit in hits])
        listed = [
            replace(hit, why=replace(hit.why or Why(), words=words))
            for hit, words in zip(hits, shares, strict=True)
        ]
        explained.append(Hits(listed, hits.plan))
    return explained


def word_shares(
    embedder: Embedder, query: Vectors, texts: Sequence[str]
) -> list[tuple[WordShare, ...]]:
    """Return for each text its words, and how far its similarity falls without each.

    Parameters
    ----------
    query : float32 array, shape (dim,)
    texts : sequence of str

    Returns
    -------
    list of tuple of WordShare, those that carry most first; at most 32 of a text
    """

    def near(listed: list[str]) -> Scores:
        return (embedder.embed(listed, input_type="document") @ query)[:, np.newaxis]

    # Nothing is similar to nothing.
    return [_sorted(left) for left in leave_out(texts, near, np.zeros(1, np.float32))]


def _sorted(left: LeftOut) -> tuple[WordShare, ...]:
    falls = left.falls[:, 0]
    order = np.argsort(-falls, kind="stable")
    return tuple(WordShare(left.pieces[i].name, float(falls[i])) for i in order)
