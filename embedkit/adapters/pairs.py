"""Which texts of some pairs mean the same, and which hang together at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys


def families(left: Keys, right: Keys, n: int) -> Keys:
    """Return a number for each of n texts; those joined by pairs, whatever they say, share one.

    What is learned from one family tells nothing unfair about another: held out are families.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(n, n))
    numbers: Keys = connected_components(edges, directed=False)[1].astype(np.int64)
    return numbers


def meanings(left: Keys, right: Keys, same: NDArray[np.bool_], n: int) -> Keys:
    """Return a number for each of n texts; those that mean the same share one.

    Two of which each means the same as a third mean the same.

    Parameters
    ----------
    left, right : int64 arrays, shape (n_pairs,)
    same : bool array, shape (n_pairs,)
    """
    return families(left[same], right[same], n)
