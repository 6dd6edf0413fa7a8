"""usearch: a graph of small worlds in layers (HNSW), searched greedily from the top.

The library has no filter that Python could pass down, and reads damaged files without a word, so
its file is checked wholly before it is opened. Its scores are as rough as the numbers it keeps:
it proposes some more than the rows that are asked for, and the caller scores those exactly.
Searching releases the GIL and is safe from several threads.

Source
------
Malkov and Yashunin: Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs, IEEE TPAMI 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from usearch.index import Index

from embedkit.errors import DamagedError
from embedkit.indexes.base import BaseBackend

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask, Vectors

FILE = "graph.usearch"
POOL = 32
"""Candidates proposed at least."""


class UsearchBackend(BaseBackend):
    """Graph of small worlds.

    Parameters
    ----------
    m : int
        Edges of a vector in the graph; more find more, take more space and longer to build.
    ef_construction : int
        Candidates weighed for the edges of a vector; more make a better graph, slower.
    ef_search : int
        Candidates weighed for a query; more find more, slower. The library weighs 64 at least.
    dtype : "f32", "f16", "bf16" or "i8"
        How the numbers are kept: in 4, 2, 2 or 1 byte.
    n_jobs : int
        Threads that build; with more than one the same vectors may give another graph.
    """

    name: ClassVar[str] = "usearch"
    knob: str = "ef_search"
    steps: tuple[float, ...] = (64, 128, 256, 512, 1024, 2048)
    denser: tuple[Mapping[str, Any], ...] = ({"m": 32, "ef_construction": 256},)

    def __init__(
        self,
        *,
        m: int = 16,
        ef_construction: int = 128,
        ef_search: int = 128,
        dtype: Literal["f32", "f16", "bf16", "i8"] = "bf16",
        n_jobs: int = 1,
    ) -> None:
        self._check_at_least("m", m, 2)
        self._check_at_least("ef_construction", ef_construction, 1)
        self._check_at_least("ef_search", ef_search, 1)
        self._check_at_least("n_jobs", n_jobs, 1)
        self.m = m
        self.ef_construction = ef_construction
        self.ef_search = ef_search
        self.dtype = dtype
        self.n_jobs = n_jobs

    def build(self, vectors: Vectors) -> None:
        """Link the vectors."""
        self._index = self._empty(vectors.shape[1])
        self._index.add(np.arange(len(vectors)), vectors, threads=self.n_jobs)

    def _empty(self, dim: int) -> Any:
        return Index(
            ndim=dim,
            metric="ip",
            dtype=self.dtype,
            connectivity=self.m,
            expansion_add=self.ef_construction,
        )

    def candidates(self, queries: Vectors, n: int, mask: Mask | None = None) -> Keys:
        """Propose the n nearest of the graph and some more."""
        rows = len(self._index)
        wanted = min(rows, max(POOL, n + n // 2))
        # The library takes the width of the beam from the index, where other threads would see it
        # change; so many answers are asked for in its place.
        beam = max(wanted, min(rows, self.ef_search))
        found = self._index.search(queries, beam, threads=1)
        if len(queries) == 1:  # the library answers one query in another shape
            keys: Keys = found.keys[np.newaxis, :wanted].astype(np.int64)
            return keys
        keys = found.keys[:, :wanted].astype(np.int64)
        keys[np.arange(keys.shape[1]) >= found.counts[:, np.newaxis]] = -1
        return keys

    def save(self, folder: Path) -> None:
        """Write the graph."""
        self._index.save(str(folder / FILE))

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Read the graph."""
        index = self._empty(dim)
        index.load(str(folder / FILE))
        if len(index) != rows:
            raise DamagedError(f"expected {rows:,} rows, got {len(index):,}")
        self._index = index
