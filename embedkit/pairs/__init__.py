"""Near-duplicates: pairs of vectors, or of records, above a threshold.

::

    from embedkit.pairs import near_pairs

    for left, right, score in near_pairs(vectors, threshold=0.9):
        print(left, right, score)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def near_pairs(
    vectors: Any, threshold: float = 0.9, *, limit: int | None = None
) -> Iterator[tuple[int, int, float]]:
    """Return the pairs of vectors of at least this cosine, best first, as an iterator.

    Parameters
    ----------
    vectors : array, shape (n, dim)
        They are normalised to length 1.
    threshold : float
        Above 0 and at most 1.
    limit : int, optional
        How many to return at most.

    Returns
    -------
    iterator of (left, right, score)
        Positions in ``vectors``, the smaller first; pairs of one score by position.

    Raises
    ------
    InvalidInputError, DimensionMismatchError
    """
    import numpy as np

    from embedkit.errors import DimensionMismatchError
    from embedkit.pairs.join import Join, check_threshold
    from embedkit.pairs.order import best, best_first
    from embedkit.validate import check_k, check_vectors, normalize

    least = check_threshold(threshold)
    shape = np.shape(vectors)
    if len(shape) != 2:
        raise DimensionMismatchError(f"expected vectors of shape (n, dim), got {shape}")
    join = Join(normalize(check_vectors(vectors, shape[1])), None, least)
    if limit is not None:
        found = iter([best(join, check_k(limit, "limit"))])
    else:
        found = best_first(join.pairs())
    return (pair for part in found for pair in zip(*(c.tolist() for c in part), strict=True))
