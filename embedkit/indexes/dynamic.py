"""An index that stands alone: vectors in memory under integer keys, with any backend."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.errors import DamagedError, FormatVersionError, InvalidInputError
from embedkit.indexes import contract, files
from embedkit.indexes.geometry import check_lengths
from embedkit.indexes.measure import Sampler
from embedkit.indexes.promise import check_recall
from embedkit.indexes.rows import RowIndex, Sizes
from embedkit.integrity import storage_error, write_durably
from embedkit.types import IndexMeasurement, Metric, Neighbors
from embedkit.validate import (
    check_dim,
    check_k,
    check_keys,
    check_metric,
    check_vectors,
    normalize,
)

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask, Vectors

FORMAT = 1
HEAD = "index.json"
DEAD_SHARE = 0.25
"""Share of removed rows past which a rebuild also gives their memory back."""
DO = "save the index again from its vectors"


class VectorIndex:
    """Finds the nearest vectors under integer keys; add and remove at any time.

    The index is built at the first search and brought up to date at the first search after a
    change. Any number of threads may search while one adds or removes.

    Parameters
    ----------
    spec : str
        The backend and its options: ``flat``, ``turbovec?bits=4``, ``annoy?n_trees=50``, ``auto``.
    dim : int
        Width of the vectors.
    metric : "cosine" or "inner_product"
        Cosine ignores the length of vectors and queries, the inner product does not.
    recall : float, optional
        A contract, in (0, 1]: how much of the ten nearest a search is to find on average. The
        index is tuned until that is sure, and where it cannot be, search is exact; see
        ``measurement``. Without one it is used as the spec sets it.

    Raises
    ------
    UnknownBackendError, MissingDependencyError, InvalidInputError
        The spec names no backend, one that is not installed, or options it does not have.

    Examples
    --------
    >>> index = VectorIndex("flat", dim=2)
    >>> index.add([7, 8], [[1, 0], [0, 1]])
    >>> index.search([[2, 1]], k=1).keys.tolist()
    [[7]]
    """

    def __init__(
        self, spec: str, *, dim: int, metric: Metric = "cosine", recall: float | None = None
    ) -> None:
        registry.create("index", spec)
        self.recall = None if recall is None else check_recall(recall)
        self.spec = spec
        self.dim = check_dim(dim)
        self.metric: Metric = check_metric(metric)
        self._lock = RLock()
        self._set(np.empty((0, self.dim), np.float32), np.empty(0, np.int64), np.empty(0, bool))

    def _set(self, vectors: Vectors, keys: Keys, live: Mask) -> None:
        """Take over the rows, the buffers exactly filled."""
        self._vectors, self._keys, self._live, self._rows = vectors, keys, live, len(keys)
        at = np.flatnonzero(live)
        self._row_of = dict(zip(keys[at].tolist(), at.tolist(), strict=True))
        self._built: RowIndex | None = None
        self._measured: IndexMeasurement | None = None
        self._fresh = False

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, key: int) -> bool:
        return key in self._row_of

    def __repr__(self) -> str:
        return (
            f"VectorIndex({self.spec!r}, dim={self.dim}, metric={self.metric!r}),"
            f" {len(self):,} vectors"
        )

    def add(self, keys: Any, vectors: Any) -> None:
        """Add vectors, shape (n, dim), under keys, shape (n,), whole numbers >= 0.

        Raises
        ------
        InvalidInputError
            A key is there already or comes twice, a vector is not finite; nothing was added.
        DimensionMismatchError
            The vectors are of another width; nothing was added.
        """
        vectors = check_vectors(vectors, self.dim)
        keys = check_keys(keys, len(vectors))
        if self.metric == "cosine":
            vectors = normalize(vectors)
        else:
            check_lengths(vectors, "vectors")
        with self._lock:
            for key in keys.tolist():
                if key in self._row_of:
                    raise InvalidInputError(
                        f"expected new keys, got {key}, which is there already",
                        do="remove it first",
                    )
            self._reserve(len(keys))
            end = self._rows + len(keys)
            self._vectors[self._rows : end] = vectors
            self._keys[self._rows : end] = keys
            self._live[self._rows : end] = True
            self._row_of.update(zip(keys.tolist(), range(self._rows, end), strict=True))
            self._rows, self._fresh = end, False

    def remove(self, keys: Any) -> None:
        """Remove vectors by key.

        Raises
        ------
        InvalidInputError
            A key is not there, or comes twice; nothing was removed.
        """
        keys = check_keys(keys)
        with self._lock:
            for key in keys.tolist():
                if key not in self._row_of:
                    raise InvalidInputError(f"expected known keys, got {key}, which is not there")
            rows = [self._row_of.pop(key) for key in keys.tolist()]
            self._live[rows] = False
            self._fresh = False

    def search(self, queries: Any, k: int = 10, *, allow: Any = None) -> Neighbors:
        """Return the k nearest of each query.

        Parameters
        ----------
        queries : array, shape (n_queries, dim), or one query of shape (dim,)
        k : int, >= 1
        allow : keys, shape (n,), optional
            Only these count; unknown ones are ignored.

        Returns
        -------
        Neighbors
            Keys and scores of shape (n_queries, k). Always min(k, vectors that count) hits, empty
            cells at the end; equal scores are ordered by key.
        """
        queries, k = check_vectors(queries, self.dim, what="queries"), check_k(k)
        mask: Mask | None = None
        with self._lock:
            index, names = self._current(), self._keys[: self._rows]
            if allow is not None:
                wanted = check_keys(np.unique(np.asarray(allow))).tolist()
                rows = [self._row_of[key] for key in wanted if key in self._row_of]
                mask = np.zeros(self._rows, np.bool_)
                mask[rows] = True
        found = index.search(queries, k, allow=mask)
        keys = np.where(found.keys < 0, -1, names[found.keys] if len(names) else -1)
        return Neighbors(keys, found.scores, found.plan)

    def build(self) -> None:
        """Bring the index up to date now rather than at the next search."""
        with self._lock:
            self._current()

    @property
    def resolved(self) -> str:
        """Name of the backend that does the work: what ``auto`` chose."""
        with self._lock:
            return self._current().resolved

    @property
    def measurement(self) -> IndexMeasurement | None:
        """What was measured of the index as it is built now; None where no recall was promised."""
        with self._lock:
            self._current()
            return self._measured

    @property
    def sizes(self) -> Sizes:
        """Vectors that the backend covers, searched exactly beside it, and masked in it."""
        with self._lock:
            return self._current().sizes

    def save(self, path: str | Path) -> None:
        """Write the index, vectors included, to a folder, which may hold an earlier one.

        After a crash the folder holds the earlier index or this one, never a mix.

        Raises
        ------
        InvalidInputError
            The folder holds something else.
        StorageError
            The disk refused.
        """
        folder = Path(path)
        _check_target(folder)
        state = f"state-{uuid.uuid4().hex[:12]}"
        try:
            (folder / state).mkdir(parents=True)
            with self._lock:
                self._write(folder / state)
            about: dict[str, Any] = {"format": FORMAT, "spec": self.spec, "dim": self.dim}
            about |= {"metric": self.metric, "state": state}
            if self.recall is not None:
                measured = self._measured
                about |= {"recall": self.recall, "measurement": measured and measured.to_dict()}
            head = files.signed(about)
            write_durably(folder / HEAD, json.dumps(head, indent=1).encode())
        except OSError as error:
            shutil.rmtree(folder / state, ignore_errors=True)
            raise storage_error(error, folder) from error
        for old in folder.glob("state-*"):
            if old.name != state:
                shutil.rmtree(old, ignore_errors=True)

    def _write(self, folder: Path) -> None:
        index = self._current()
        np.save(folder / "vectors.npy", self._vectors[: self._rows], allow_pickle=False)
        np.save(folder / "keys.npy", self._keys[: self._rows], allow_pickle=False)
        np.save(folder / "live.npy", self._live[: self._rows], allow_pickle=False)
        index.save(folder / "base")
        files.seal(folder, sealed="base")

    @classmethod
    def load(cls, path: str | Path) -> VectorIndex:
        """Read what ``save`` wrote, every file checked wholly first.

        Raises
        ------
        InvalidInputError
            There is no index at that path.
        DamagedError
            A file is not what was written.
        """
        folder = Path(path)
        if not (folder / HEAD).is_file() and not list(folder.glob("state-*")):
            raise InvalidInputError(f"expected the folder of a saved index, got {folder}")
        about = files.read_signed(folder / HEAD, do=DO)
        if about.get("format") != FORMAT:
            raise FormatVersionError(
                f"expected an index of format {FORMAT}, got {about.get('format')}",
                do="install the version of embedkit that wrote it",
            )
        state = folder / str(about["state"])
        files.check(state, do=DO)
        index = cls(
            about["spec"], dim=about["dim"], metric=about["metric"], recall=about.get("recall")
        )
        vectors, keys, live = (
            np.load(state / f"{name}.npy", allow_pickle=False)
            for name in ("vectors", "keys", "live")
        )
        if vectors.shape != (len(keys), index.dim) or live.shape != keys.shape:
            raise DamagedError(f"{state} is damaged: its files do not belong together", do=DO)
        index._set(vectors, keys, live)
        index._built = RowIndex.load(
            state / "base", vectors, metric=index.metric, live=live, ties=index._ties()
        )
        if about.get("measurement"):
            index._measured = IndexMeasurement.from_dict(about["measurement"])
            if index._built.sizes.base:
                index._built = index._built.tuned(index._measured.setting)
        index._fresh = True
        return index

    def _reserve(self, more: int) -> None:
        """Make room; what readers hold is left as it is."""
        wanted = self._rows + more
        if wanted <= len(self._keys):
            return
        room = max(wanted, 2 * len(self._keys), 64)
        for name in ("_vectors", "_keys", "_live"):
            old = getattr(self, name)
            new = np.zeros((room, *old.shape[1:]), old.dtype)
            new[: self._rows] = old[: self._rows]
            setattr(self, name, new)

    def _current(self) -> RowIndex:
        """Return an index over the rows as they are now; with the lock held."""
        if self._built is not None and self._fresh:
            return self._built
        built = self._built
        if built is not None:
            built = built.refreshed(
                self._vectors[: self._rows], self._live[: self._rows], ties=self._ties()
            )
        if built is not None and self.recall is not None:
            built = self._kept(built, self.recall)
        if built is None or built.needs_rebuild:
            self._compact()
            built = self._build()
        self._built, self._fresh = built, True
        return built

    def _build(self) -> RowIndex:
        vectors, live = self._vectors[: self._rows], self._live[: self._rows]
        given: dict[str, Any] = {"metric": self.metric, "live": live, "ties": self._ties()}
        if self.recall is None:
            return RowIndex.build(vectors, spec=self.spec, **given)
        built = contract.build(vectors, spec=self.spec, recall=self.recall, **given)
        self._measured = built.measurement
        return built.index

    def _kept(self, index: RowIndex, recall: float) -> RowIndex | None:
        """Return the index, measured again where it has drifted; None where it is to be built."""
        sizes, rows = index.sizes, len(self._row_of)
        changed = sizes.tail + sizes.masked if sizes.base else 0
        if index.needs_rebuild or contract.gave_up(self._measured, rows):
            return None
        if not contract.due(self._measured, recall, rows, changed):
            return index
        sampler = Sampler(
            self._vectors[: self._rows], self._live[: self._rows], self.metric, seed=rows
        )
        kept = contract.kept(index, sampler, self.spec, self._measured, recall)
        if kept is not None:
            self._measured = kept.measurement
        return kept.index if kept else None

    def _compact(self) -> None:
        """Drop the removed rows where they are many; readers keep the arrays that they have."""
        if self._rows - len(self._row_of) > DEAD_SHARE * self._rows:
            at = np.flatnonzero(self._live[: self._rows])
            self._set(self._vectors[at], self._keys[at], self._live[at])

    def _ties(self) -> Keys | None:
        """Return the keys, where ordering by row is not ordering by key."""
        keys = self._keys[: self._rows]
        return None if (keys[1:] > keys[:-1]).all() else keys


def _check_target(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"expected a folder to save to, got the file {folder}")
    if folder.is_dir() and not (folder / HEAD).exists() and any(folder.iterdir()):
        raise InvalidInputError(
            f"expected an empty folder or a saved index, got {folder}, which holds other files"
        )
