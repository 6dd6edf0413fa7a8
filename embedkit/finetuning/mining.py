"""Triplets: for each text a hard positive and hard negatives, found by embedkit's own index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.indexes.dynamic import VectorIndex

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors

NEIGHBOURS = 32
"""How many neighbours of a text are looked at."""
NONE = -1


@dataclass(frozen=True, slots=True)
class Triplets:
    """Rows that belong beside each row in a batch.

    Attributes
    ----------
    positives : int64 array, shape (n, p)
        The farthest of its neighbours that have its label: the nearest ones teach nothing. -1
        where there are fewer.
    negatives : int64 array, shape (n, m)
        The nearest rows with another label, nearest first; -1 where there are fewer.
    """

    positives: Keys
    negatives: Keys

    @property
    def hard(self) -> float:
        """Share of the rows that have a negative among their neighbours."""
        return float((self.negatives[:, 0] != NONE).mean()) if len(self.negatives) else 0.0


def mine(
    vectors: Vectors, targets: Keys, *, positives: int = 1, negatives: int = 2, index: str = "auto"
) -> Triplets:
    """Find hard positives and hard negatives.

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
        Of length 1.
    targets : int64 array, shape (n,)
        Label of each row.
    index : str
        Spec of the index that finds neighbours.

    Source
    ------
    Schroff, Kalenichenko and Philbin: FaceNet, CVPR 2015 (triplets, hard ones mined); Xiong et al.:
    Approximate nearest neighbor negative contrastive learning, ICLR 2021 (mined by an index).
    """
    n = len(vectors)
    found = VectorIndex(index, dim=vectors.shape[1])
    found.add(np.arange(n), vectors)
    neighbours = found.search(vectors, k=min(n, NEIGHBOURS + 1)).keys
    there = (neighbours != NONE) & (neighbours != np.arange(n)[:, np.newaxis])
    same = targets[neighbours] == targets[:, np.newaxis]
    return Triplets(
        _first(neighbours[:, ::-1], (there & same)[:, ::-1], positives),
        _first(neighbours, there & ~same, negatives),
    )


def _first(rows: Keys, wanted: Keys, k: int) -> Keys:
    """Return the first k wanted of each line, -1 where there are fewer."""
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :k]
    taken = np.take_along_axis(rows, order, axis=1)
    return np.where(np.take_along_axis(wanted, order, axis=1), taken, NONE).astype(np.int64)
