"""The one place where an index that cannot add, delete or filter learns to do all three.

A :class:`RowIndex` searches the rows of a matrix that others own (a memory-mapped file, an array).
A backend, frozen once built, proposes candidates among the rows it was built on, the *base*. Newer
rows, the *tail*, are searched exactly beside it; deleted ones are masked. How a search is carried
out is decided by :mod:`embedkit.indexes.planner`. Whatever was proposed is scored exactly from the
vectors and the query in float32, and where too little was proposed the search is exact, so a filter
never costs hits.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.errors import DamagedError, FormatVersionError, InvalidInputError
from embedkit.indexes import files
from embedkit.indexes.carry_out import Ground, Search
from embedkit.indexes.geometry import check_lengths, plain, row_norms, unit_dim, unit_rows
from embedkit.indexes.held import BACKEND, REBUILD, Held, Unusable, read_backend
from embedkit.indexes.planner import Task, by_index, decide
from embedkit.integrity import storage_error
from embedkit.protocols import IndexBackend
from embedkit.types import Metric, Neighbors
from embedkit.validate import check_k, check_vectors, normalize

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Vectors

FORMAT = 1
EXACT_ROWS = 2048
"""Rows up to which a backend is not even built: scoring all of them is quicker."""
LEAST_TAIL = 4096
"""New rows below which a rebuild never pays: they cost well under a millisecond a query."""
MASKED_SHARE = 0.25
"""Share of deleted rows in the base past which a rebuild pays."""
CELLS = 2**31
"""Answers of one call: beyond, a mistake is likelier than a wish."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows a backend covers, are searched exactly beside it, and are masked in it."""

    base: int
    tail: int
    masked: int


class RowIndex:
    """Nearest rows of a matrix. Immutable: safe for several threads, updated by ``refreshed``.

    Parameters
    ----------
    vectors : float32 array or CodedMatrix, shape (n, dim)
        May be memory-mapped, and longer than the base. Of unit length for the metric cosine.
    metric : "cosine" or "inner_product"
    spec : str
        Names the backend, as in the registry.
    live : bool array, shape (n,)
        Which rows count.
    backend : IndexBackend or Held
        Built on the rows ``base``.
    base : int64 array, ascending
        Row numbers of the backend's positions.
    norms : float32 array, shape (n,), optional
        Lengths of the rows, where they are known already; for the metric inner_product.
    ties : int64 array, shape (n,), optional
        Equal scores are ordered by this value of the row, not by its number.
    """

    def __init__(
        self,
        vectors: Matrix,
        *,
        metric: Metric,
        spec: str,
        live: Mask,
        backend: IndexBackend | Held,
        base: Keys,
        norms: Vectors | None = None,
        ties: Keys | None = None,
    ) -> None:
        self.metric: Metric = metric
        self.spec = spec
        self._vectors = plain(vectors)
        self._live = np.array(live, dtype=np.bool_)
        if self._live.shape != (len(self._vectors),):
            raise InvalidInputError(
                f"expected live of shape ({len(self._vectors)},), got {self._live.shape}"
            )
        if not isinstance(backend, Held):
            backend = Held(str(getattr(backend, "resolved", backend.name)), backend)
        self._held = backend
        self._base = base
        self._ties = ties
        self._norms = row_norms(self._vectors, metric) if norms is None else norms
        self._set_out()

    def _set_out(self) -> None:
        """Work out once what every query needs."""
        live, base = self._live, self._base
        self._count = int(np.count_nonzero(live))
        self._all = self._count == len(live)
        self._prefix = len(base) == 0 or int(base[-1]) == len(base) - 1
        self._ground = Ground(
            vectors=self._vectors,
            metric=self.metric,
            norms=self._norms,
            ties=self._ties,
            held=self._held,
            base=None if self._prefix else base,
            longest=_longest(self._norms, base),
        )
        outside = live.copy()
        outside[slice(len(base)) if self._prefix else base] = False
        self._tail = np.flatnonzero(outside)
        flags = self._in_base(live)
        self._masked = len(base) - int(np.count_nonzero(flags))
        self._flags = flags if self._masked else None

    @classmethod
    def build(
        cls,
        vectors: Matrix,
        *,
        metric: Metric,
        spec: str,
        live: Mask,
        ties: Keys | None = None,
        backend: IndexBackend | None = None,
    ) -> RowIndex:
        """Build a fresh base on the live rows, with a backend of that spec or the one given.

        Raises
        ------
        UnknownBackendError, MissingDependencyError, InvalidInputError
            The spec names no backend, one that is not installed, or options it does not have.
        """
        if backend is None:
            backend = registry.create("index", spec)
            assert backend is not None
        matrix = plain(vectors)
        rows = np.flatnonzero(live)
        norms = row_norms(matrix, metric)
        if (backend.exact and not _outgrown(backend, len(rows))) or len(rows) <= EXACT_ROWS:
            rows = rows[:0]
        else:
            unit: Any = unit_rows(matrix, rows, norms)
            reads_blocks = getattr(backend, "reads_blocks", False)
            backend.build(unit if reads_blocks else np.asarray(unit))
        if backend.exact:
            rows = rows[:0]
        return cls(
            matrix,
            metric=metric,
            spec=spec,
            live=live,
            backend=backend,
            base=rows,
            norms=norms,
            ties=ties,
        )

    def refreshed(self, vectors: Matrix, live: Mask, *, ties: Keys | None = None) -> RowIndex:
        """Return an index with the same base over more rows, or with another live mask.

        Rows that were there before must still hold the same vectors. Nothing is rebuilt.
        """
        matrix = plain(vectors)
        norms = self._norms
        if norms is not None:
            more = row_norms(matrix[len(norms) :], self.metric)
            norms = norms if more is None else np.concatenate((norms[: len(matrix)], more))
        return RowIndex(
            matrix,
            metric=self.metric,
            spec=self.spec,
            live=live,
            backend=self._held,
            base=self._base,
            norms=norms,
            ties=ties,
        )

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self._vectors.shape[1])

    @property
    def backend(self) -> IndexBackend:
        """What proposes the candidates.

        Raises
        ------
        DamagedError
            It could not be read.
        """
        backend = self._held.get()
        if backend is None:
            raise DamagedError(f"the files of {self.spec} cannot be used", do=REBUILD)
        return backend

    @property
    def resolved(self) -> str:
        """Name of the backend that does the work: what ``auto`` chose."""
        return self._held.name

    def apart(self) -> RowIndex:
        """Return the same index with a knob of its own; tuning that changes nothing here."""
        twin = copy.copy(self)
        twin._held = self._held.apart()
        twin._ground = replace(self._ground, held=twin._held)
        return twin

    def tuned(self, setting: Mapping[str, float]) -> RowIndex:
        """Return the same index with its knob set to this; nothing changes for others."""
        if not setting or setting == self._held.setting:
            return self
        twin = self.apart()
        twin._held.tune(setting)
        return twin

    @property
    def sizes(self) -> Sizes:
        """Rows of the base, of the tail, and masked ones of the base."""
        return Sizes(len(self._base), len(self._tail), self._masked)

    @property
    def needs_rebuild(self) -> bool:
        """Whether a fresh build would make searching worth its cost quicker."""
        masked = max(EXACT_ROWS, MASKED_SHARE * len(self._base))
        changed = len(self._tail) > LEAST_TAIL or self._masked > EXACT_ROWS
        if len(self._base) and not changed and self._held.loaded is None:
            return False  # nothing is worth a build, nor worth reading the backend to ask it
        backend = self._held.get()
        if backend is None:
            return True
        if backend.exact:
            return _outgrown(backend, self._count)
        return (
            len(self._tail) > max(LEAST_TAIL, backend.tail_share * len(self._base))
            or self._masked > masked
            or (len(self._base) > 0 and _outgrown(backend, self._count))
        )

    def search(
        self, queries: Vectors, k: int, *, allow: Mask | None = None, measured: bool = False
    ) -> Neighbors:
        """Return the k nearest live rows of each query.

        Parameters
        ----------
        queries : array, shape (n_queries, dim)
        k : int, >= 1
        allow : bool array, shape (n,), optional
            Only these rows count.
        measured : bool
            Ask the index also where scoring all rows is quicker: to find out what it finds.

        Returns
        -------
        Neighbors
            Keys are row numbers, shape (n_queries, k). Always min(k, rows that count) hits.
        """
        queries, k = check_vectors(queries, self.dim, what="queries"), check_k(k)
        if k * len(queries) > CELLS:
            raise InvalidInputError(f"expected fewer answers than {CELLS:,}, got k = {k:,}")
        if self.metric == "cosine":
            queries = normalize(queries)
        else:
            check_lengths(queries, "queries")
        allowed, count = self._allowed(allow)
        m = min(k, count)
        flags, tail = self._flags, self._tail
        if allow is not None and allowed is not None:
            flags, tail = self._in_base(allowed), tail[allowed[tail]]
        task = Task(
            rows=len(self._live),
            dim=self.dim,
            base=len(self._base),
            tail=len(tail),
            matches=count,
            inside=len(self._base) if flags is None else int(np.count_nonzero(flags)),
            wanted=m,
            queries=len(queries),
            filtered=allow is not None,
        )
        if measured and task.inside:
            decision = by_index(task, self.backend)
        else:
            decision = decide(task, self._held)
        search = Search(self._ground, queries, task, decision, allowed, flags, tail)
        return search.neighbors(k, self._count)

    def _allowed(self, allow: Mask | None) -> tuple[Mask | None, int]:
        """Return which rows count (None for all of them), and how many."""
        if allow is None:
            return (None if self._all else self._live), self._count
        allow = np.asarray(allow)
        if allow.dtype != np.bool_ or allow.shape != self._live.shape:
            raise InvalidInputError(
                f"expected allow as flags of shape {self._live.shape},"
                f" got {allow.dtype} of shape {allow.shape}"
            )
        allowed = allow if self._all else allow & self._live
        return allowed, int(np.count_nonzero(allowed))

    def _in_base(self, flags: Mask) -> Mask:
        return flags[: len(self._base)] if self._prefix else flags[self._base]

    def save(self, folder: Path) -> None:
        """Write the base into a folder, which is created; the vectors are not part of it."""
        about = {
            "format": FORMAT,
            "spec": self.spec,
            "resolved": self.resolved,
            "metric": self.metric,
            "dim": self.dim,
            "rows": len(self._base),
            "prefix": self._prefix,
        }
        try:
            (folder / BACKEND).mkdir(parents=True, exist_ok=True)
            head = json.dumps(files.signed(about), indent=1)
            (folder / "base.json").write_text(head, encoding="utf-8")
            if not self._prefix:
                np.save(folder / "rows.npy", self._base, allow_pickle=False)
            backend = self._held.get() if len(self._base) else None
            if backend is not None:
                backend.save(folder / BACKEND)
            files.seal(folder)
        except OSError as error:
            raise storage_error(error, folder) from error

    @classmethod
    def load(
        cls,
        folder: Path,
        vectors: Matrix,
        *,
        metric: Metric,
        live: Mask,
        ties: Keys | None = None,
        failed: Callable[[Unusable], None] | None = None,
    ) -> RowIndex:
        """Read what ``save`` wrote, every file checked wholly before a backend sees it.

        Parameters
        ----------
        failed : callable, optional
            With it, the backend's own files are checked and read only when a search would gain by
            it; where they cannot be used this is told why, and every search is exact.

        Raises
        ------
        DamagedError
            A file is not what was written, or does not belong to these vectors.
        """
        size = files.check(folder, do=REBUILD, only=lambda name: not name.startswith(BACKEND))
        about = files.read_signed(folder / "base.json", do=REBUILD)
        if about.get("format") != FORMAT:
            raise FormatVersionError(
                f"expected an index of format {FORMAT}, got {about.get('format')}", do=REBUILD
            )
        matrix = plain(vectors)
        rows = int(about["rows"])
        base = np.arange(rows) if about["prefix"] else np.load(folder / "rows.npy")
        dim = matrix.shape[1]
        outside = rows > 0 and int(base[-1]) >= len(matrix)
        if about["dim"] != dim or about["metric"] != metric or outside:
            raise DamagedError(f"{folder} was built on other vectors", do=REBUILD)
        load = partial(read_backend, folder, about["spec"], rows, unit_dim(dim, metric))
        held = Held(about["resolved"], load=load, size=size, failed=failed)
        if failed is None:
            held.get()
        spec = about["spec"]
        return cls(matrix, metric=metric, spec=spec, live=live, backend=held, base=base, ties=ties)


def _longest(norms: Vectors | None, base: Keys) -> float:
    return 1.0 if norms is None or not len(base) else float(norms[base].max()) or 1.0


def _outgrown(backend: IndexBackend, rows: int) -> bool:
    ask = getattr(backend, "outgrown", None)
    return bool(ask(rows)) if ask else False
