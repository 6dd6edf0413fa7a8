"""Candidates by meaning and by words, in one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from embedkit.retrieval.fusion import Fused, Fusion, fuse, parse
from embedkit.types import Neighbors
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.store.view import View
    from embedkit.types import Keys, Mask, Scores, Vectors

STEP = np.float32(1e-5)
"""How far the first row that only a longer list has scores below the last fused one."""
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

    Notes
    -----
    The lists that are fused are of one length, whatever n is, so that the next page goes on where
    this one ends. Rows that only a longer list would bring follow as they are in the dense one.

    Raises
    ------
    InvalidInputError
        The spec names no fusion.
    """
    chosen = parse(fusion) if fusion is None or isinstance(fusion, str) else fusion
    if dense is None:
        dense = view.index.search(vectors, depth(n), allow=allow)
    lexical = view.lexical.search(texts, DEPTH, allow=allow)
    matrix = view.vectors.matrix
    queries = normalize(vectors) if view.manifest.metric == "cosine" else vectors

    def missing(query: int, rows: Keys) -> Scores:
        return np.asarray(matrix[rows] @ queries[query], np.float32)

    masses = [view.lexical.mass(text) for text in texts]
    first = Neighbors(dense.keys[:, :DEPTH], dense.scores[:, :DEPTH])
    fused = fuse(first, lexical, max(n, 2 * DEPTH), chosen, missing, masses)
    return continued(fused, dense, n)


def continued(fused: Fused, dense: Neighbors, n: int) -> Fused:
    """Return the n first rows: the fused ones, then others of a longer dense list in its order."""
    for query, (keys, scores) in enumerate(zip(dense.keys, dense.scores, strict=True)):
        at = int(np.count_nonzero(fused.keys[query] >= 0))
        more = np.flatnonzero((keys >= 0) & ~np.isin(keys, fused.keys[query]))[: max(0, n - at)]
        place = slice(at, at + len(more))
        fused.keys[query, place], fused.dense[query, place] = keys[more], scores[more]
        fused.dense_rank[query, place] = more + 1
        # Nobody compared them with the fused ones: their scores go on falling from the last.
        last = fused.scores[query, at - 1] if at else np.float32(0)
        fused.scores[query, place] = last - STEP - (scores[more[:1]] - scores[more])
    return Fused(*(getattr(fused, field.name)[:, :n] for field in fields(fused)))


def depth(n: int) -> int:
    """Return how many candidates each list brings, for n to be chosen."""
    return max(DEPTH, n)
