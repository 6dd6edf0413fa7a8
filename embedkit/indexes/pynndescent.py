"""PyNNDescent: a graph of nearest neighbours, built by descent and searched greedily.

The library compiles itself with numba: minutes on first use, tens of seconds before the first
build of a process, nothing before a search. The compiled code is kept in embedkit's cache folder.

A built index is saved as plain arrays and put together again when it is loaded, never as a pickle:
opening a collection from somebody else must not run their code.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import platformdirs

from embedkit.errors import DamagedError
from embedkit.indexes.base import BaseBackend

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask, Vectors

_log = logging.getLogger("embedkit")


def _import_library() -> Any:
    """Import the library, with its compiled code in a folder that outlives this process."""
    cache = str(platformdirs.user_cache_path("embedkit") / "numba")
    if not Path(os.environ.setdefault("NUMBA_CACHE_DIR", cache)).exists():
        _log.warning("compiling pynndescent: this takes minutes, once on this machine")
    return importlib.import_module("pynndescent")


pynndescent = _import_library()

SMALL = 256
"""Rows up to which all of them are proposed."""
EXTRA = 10
"""Candidates asked for beyond the answers wanted: a wider beam finds more."""
ARRAYS = ("_raw_data", "_vertex_order", "search_rng_state", "rng_state", "_visited")
TREE = ("hyperplanes", "offsets", "children", "indices")


class PyNNDescentBackend(BaseBackend):
    """Graph of nearest neighbours.

    Parameters
    ----------
    n_neighbors : int
        Edges of a vector in the graph, before pruning.
    pruning_degree_multiplier : float
        Edges kept, as a multiple of ``n_neighbors``.
    diversify_prob : float
        How eagerly edges are dropped that others make redundant, from 0 to 1.
    epsilon : float
        How far a search strays from the best found so far; more finds more, slower.
    seed : int
    """

    name: ClassVar[str] = "pynndescent"
    knob: str = "epsilon"
    steps: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
    denser: tuple[Mapping[str, Any], ...] = ({"n_neighbors": 60},)

    def __init__(
        self,
        *,
        n_neighbors: int = 30,
        pruning_degree_multiplier: float = 3.0,
        diversify_prob: float = 0.0,
        epsilon: float = 0.3,
        seed: int = 0,
    ) -> None:
        self._check_at_least("n_neighbors", n_neighbors, 2)
        self._check_at_least("pruning_degree_multiplier", pruning_degree_multiplier, 0.1)
        self._check_at_least("diversify_prob", diversify_prob, 0)
        self._check_at_least("epsilon", epsilon, 0)
        self._check_at_least("seed", seed, 0)
        self.n_neighbors = n_neighbors
        self.pruning_degree_multiplier = pruning_degree_multiplier
        self.diversify_prob = diversify_prob
        self.epsilon = epsilon
        self.seed = seed
        self._lock = Lock()

    def build(self, vectors: Vectors) -> None:
        """Build the graph and the tree where searches start."""
        self._rows = len(vectors)
        self._index: Any = None
        if self._rows <= SMALL:
            return
        _say_compiling()
        self._index = pynndescent.NNDescent(
            np.ascontiguousarray(vectors),
            metric="cosine",
            n_neighbors=min(self.n_neighbors, self._rows - 1),
            pruning_degree_multiplier=self.pruning_degree_multiplier,
            diversify_prob=self.diversify_prob,
            random_state=self.seed,
            compressed=True,
        )
        self._index.prepare()
        self._start = self._index.search_rng_state.copy()

    def candidates(self, queries: Vectors, n: int, mask: Mask | None = None) -> Keys:
        """Propose the n nearest of the graph and some more."""
        if self._index is None:
            return np.tile(np.arange(self._rows), (len(queries), 1))
        wanted = min(self._rows, n + EXTRA)
        # A search uses work space and a random state of the index: one at a time, from the same
        # state, so that equal queries get equal answers.
        with self._lock:
            self._index.search_rng_state = self._start.copy()
            found: Keys = self._index.query(queries, k=wanted, epsilon=self.epsilon)[0]
            return found.astype(np.int64)

    def save(self, folder: Path) -> None:
        """Write the arrays and the plain values of the index."""
        if self._index is None:
            return
        state = self._index.__getstate__()
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", state[name], allow_pickle=False)
        *tree, leaf_size = state["_search_forest"][0]
        for name, array in zip(TREE, tree, strict=True):
            np.save(folder / f"tree_{name}.npy", array, allow_pickle=False)
        graph = state["_search_graph"]
        np.save(folder / "graph_indptr.npy", graph.indptr, allow_pickle=False)
        np.save(folder / "graph_indices.npy", graph.indices, allow_pickle=False)
        values = {
            name: value
            for name, value in state.items()
            if value is None or isinstance(value, (bool, int, float, str))
        }
        values |= {"tree_leaf_size": int(leaf_size), "_min_distance": float(state["_min_distance"])}
        about = {"version": pynndescent.__version__, "values": values}
        (folder / "values.json").write_text(json.dumps(about, indent=1), encoding="utf-8")

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Put the index together from its arrays."""
        self._rows = rows
        self._index = None
        if rows <= SMALL:
            return
        about = json.loads((folder / "values.json").read_text(encoding="utf-8"))
        if about["version"] != pynndescent.__version__:
            raise DamagedError(
                f"expected an index of pynndescent {pynndescent.__version__},"
                f" got one of {about['version']}"
            )
        self._index = _assemble(folder, about["values"])
        self._start = self._index.search_rng_state.copy()


@cache
def _say_compiling() -> None:
    """Say once a process why the first build takes its time."""
    _log.warning("compiling pynndescent: half a minute or more before the first build")


def _assemble(folder: Path, values: dict[str, Any]) -> Any:
    """Return an index in the state that ``save`` took apart."""
    from scipy.sparse import csr_array

    def read(name: str) -> Any:
        return np.load(folder / f"{name}.npy", allow_pickle=False)

    state: dict[str, Any] = {name: read(name) for name in ARRAYS}
    indptr, indices = read("graph_indptr"), read("graph_indices")
    ones = np.ones(len(indices), np.uint8)
    state["_search_graph"] = csr_array((ones, indices, indptr), shape=(len(indptr) - 1,) * 2)
    state["_search_graph"].has_sorted_indices = True
    leaf_size = values.pop("tree_leaf_size")
    state["_search_forest"] = ((*(read(f"tree_{name}") for name in TREE), leaf_size),)
    state |= values
    state |= {
        "_min_distance": np.float32(values["_min_distance"]),
        "_dist_args": (),
        "_input_dtype": np.float32,
    }
    index = pynndescent.NNDescent.__new__(pynndescent.NNDescent)
    index.__setstate__(state)
    return index
