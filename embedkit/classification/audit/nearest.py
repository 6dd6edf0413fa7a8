"""The nearest rows of some rows, by comparing with all, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedkit.types import Keys, Scores, Vectors

BLOCK = 512
"""Rows that are compared with all others together: 200 MiB of cosines for 100,000 others."""


def nearest(
    queries: Vectors, rows: Vectors, k: int, *, groups: tuple[Keys, Keys] | None = None
) -> tuple[Keys, Scores]:
    """Return the k nearest rows of each query, the nearest first.

    Parameters
    ----------
    queries : float32 array, shape (n, dim)
        Unit vectors.
    rows : float32 array, shape (m, dim)
    k : int
        At most m are returned.
    groups : (int64 array of shape (n,), int64 array of shape (m,)), optional
        A row of the query's own group, such as itself, is not a neighbour.

    Returns
    -------
    places : int64 array, shape (n, min(k, m))
        -1 where there are fewer neighbours.
    cosines : float32 array, shape (n, min(k, m))
    """
    most = min(k, len(rows))
    places = np.full((len(queries), most), -1)
    cosines = np.full((len(queries), most), -1, np.float32)
    if not most:
        return places, cosines
    for start in range(0, len(queries), BLOCK):
        part = slice(start, start + BLOCK)
        found = queries[part] @ rows.T
        if groups is not None:
            found[groups[0][part][:, np.newaxis] == groups[1]] = -np.inf
        best = np.argpartition(-found, most - 1, axis=1)[:, :most]
        scores = np.take_along_axis(found, best, axis=1)
        order = np.lexsort((best, -scores), axis=1)
        best = np.take_along_axis(best, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
        places[part] = np.where(np.isfinite(scores), best, -1)
        cosines[part] = np.where(np.isfinite(scores), np.clip(scores, -1, 1), -1)
    return places, cosines
