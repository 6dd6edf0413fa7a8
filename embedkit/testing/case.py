"""An index under test, with vectors, queries and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.indexes.dynamic import VectorIndex
from embedkit.testing.measures import clustered_vectors
from embedkit.types import Metric

if TYPE_CHECKING:
    from embedkit.types import Mask

DIM = 30
K = 10


@dataclass
class IndexCase:
    """An index under test, filled once for all the checks that do not change it.

    Attributes
    ----------
    spec : str
        Names the backend.
    metric : "cosine" or "inner_product"
    rows : int
        Vectors in the index; more than 2,048, or nothing but exact search is tested.
    floor : float
        Least recall at 10, filtered or not.
    """

    spec: str
    metric: Metric = "cosine"
    rows: int = 3000
    floor: float = 0.95
    _filled: VectorIndex | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.vectors = clustered_vectors(self.rows, DIM)
        self.keys = np.random.default_rng(3).permutation(3 * self.rows)[: self.rows]
        self.queries = clustered_vectors(40, DIM, seed=1)

    def new(self) -> VectorIndex:
        """Return an empty index."""
        return VectorIndex(self.spec, dim=DIM, metric=self.metric)

    def filled(self) -> VectorIndex:
        """Return a built index of its own."""
        index = self.new()
        index.add(self.keys, self.vectors)
        index.build()
        return index

    @property
    def shared(self) -> VectorIndex:
        """The index that no check may change."""
        if self._filled is None:
            self._filled = self.filled()
        return self._filled

    def truth(self, k: int, among: Mask | None = None) -> list[list[int]]:
        """Return the keys of the k nearest of each query, found by brute force in float64."""
        scores = self.scores()
        if among is not None:
            scores = np.where(among, scores, -np.inf)
        nearest = np.argsort(-scores, axis=1)[:, :k]
        return [self.keys[line].tolist() for line in nearest]

    def scores(self) -> Any:
        """Return all scores, shape (n_queries, rows), in float64."""
        vectors, queries = self.vectors.astype(np.float64), self.queries.astype(np.float64)
        if self.metric == "cosine":
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        return queries @ vectors.T
