"""Candidates by meaning and by words, in one list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedkit.retrieval.fusion import Fused, Fusion, fuse, parse
from embedkit.types import Neighbors
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.store.view import View
    from embedkit.types import Keys, Mask, Scores, Vectors

DEPTH = 200
"""Candidates that each list brings at least."""


def hybrid_search(
    view: View,
    texts: Sequence[str],
    vectors: Vectors,
    n: int,
    *,
    allow: Mask | None = None,
    fusion: Fusion | str | None = None,
    dense: Neighbors | None = None,
) -> Fused:
    """Return the n best rows of each query by both lists, with the share of each.

    What the lexical list adds is scored exactly by its vectors, so that no row is judged by words
    alone.

    Parameters
    ----------
    texts : sequence of str, one a query
    vectors : float32 array, shape (n_queries, dim)
    n : int, >= 1
    allow : bool array, shape (vector rows,), optional
        Only these rows count.
    fusion : Fusion or str, optional
        A spec, such as ``rrf?k=60``.
    dense : Neighbors, optional
        The nearest rows, where they are known already, at least ``depth(n)`` of each query.

    Raises
    ------
    InvalidInputError
        The spec names no fusion.
    """
    chosen = parse(fusion) if fusion is None or isinstance(fusion, str) else fusion
    if dense is None:
        dense = view.index.search(vectors, depth(n), allow=allow)
    lexical = view.lexical.search(texts, depth(n), allow=allow)
    matrix = view.vectors.matrix
    queries = normalize(vectors) if view.manifest.metric == "cosine" else vectors

    def missing(query: int, rows: Keys) -> Scores:
        return np.asarray(matrix[rows] @ queries[query], np.float32)

    masses = [view.lexical.mass(text) for text in texts]
    return fuse(dense, lexical, n, chosen, missing, masses)


def depth(n: int) -> int:
    """Return how many candidates each list brings, for n to be chosen."""
    return max(DEPTH, n)
