"""What the writer and the readers both need of a generation: its live rows and its index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import DamagedError, EmbedkitError
from embedkit.indexes.rows import RowIndex
from embedkit.integrity import FileDigest, Stamp, stamp
from embedkit.store.database import Connection, translated
from embedkit.store.layout import Layout
from embedkit.store.manifest import IndexEntry, VectorSet
from embedkit.store.passages import rows_of_records
from embedkit.store.vectors import VectorFile
from embedkit.types import Metric

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Mask


def open_vectors(layout: Layout, vectors: VectorSet) -> VectorFile:
    """Open a set of vectors to read.

    Raises
    ------
    DamagedError
        There are fewer rows than were committed.
    """
    model = vectors.model
    rows, keys = layout.vectors(vectors.number, model.precision)
    with translated(rows):
        return VectorFile(rows, keys, model.dim, vectors.rows, model.precision)


def live_rows(connection: Connection, rows: int) -> Mask:
    """Return which vector rows some record or passage uses, shape (rows,)."""
    live = np.zeros(rows, np.bool_)
    query = f"SELECT DISTINCT row FROM {rows_of_records(connection)}"
    used = connection.execute(query).fetchnumpy()["row"]
    live[np.asarray(used, np.int64)] = True
    return live


class Opened:
    """The index that a process has open, for the generations that go on using it. Thread-safe."""

    def __init__(self) -> None:
        self._held: tuple[Path, FileDigest, Stamp, RowIndex] | None = None

    def get(self, folder: Path, entry: IndexEntry, *, unchanged: bool) -> RowIndex | None:
        """Return the index where it is this one.

        Parameters
        ----------
        unchanged : bool
            Only where its files are still the ones that were checked.
        """
        held = self._held
        if held is None or held[0] != folder or held[1] != entry.files:
            return None
        return None if unchanged and held[2] != stamp(sorted(folder.rglob("*"))) else held[3]

    def put(self, folder: Path, entry: IndexEntry, index: RowIndex, *, checked: bool) -> None:
        """Hold an index.

        Parameters
        ----------
        checked : bool
            Its files have just been checked.
        """
        held = self._held
        seen: Stamp = ()
        if checked:
            seen = stamp(sorted(folder.rglob("*")))
        elif held is not None and held[:2] == (folder, entry.files):
            seen = held[2]
        self._held = folder, entry.files, seen, index


def open_index(
    layout: Layout,
    entry: IndexEntry,
    matrix: Matrix,
    metric: Metric,
    live: Mask,
    failed: Callable[[EmbedkitError], None] | None = None,
    opened: Opened | None = None,
    *,
    unchanged: bool = False,
) -> RowIndex:
    """Open a published index, every file checked first.

    Parameters
    ----------
    failed : callable, optional
        With it, the files of the backend are checked and read when a search would gain by it; where
        they cannot be used this is told why, and every search is exact.
    opened : Opened, optional
        Where it is open already, it is brought up to date with the rows and the setting
        instead.
    unchanged : bool
        Look whether its files are still the ones that were checked.

    Raises
    ------
    DamagedError
    """
    folder = layout.root / entry.folder
    held = opened.get(folder, entry, unchanged=unchanged) if opened is not None else None
    if held is not None:
        index = held.refreshed(matrix, live)
    else:
        index = _load_index(layout, entry, matrix, metric, live, failed)
    if entry.measurement is not None and index.sizes.base:
        # Others may have tuned it anew since it was opened; older generations keep their setting.
        index = index.tuned(entry.measurement.setting)
    if opened is not None:
        opened.put(folder, entry, index, checked=held is None and failed is None)
    return index


def _load_index(
    layout: Layout,
    entry: IndexEntry,
    matrix: Matrix,
    metric: Metric,
    live: Mask,
    failed: Callable[[EmbedkitError], None] | None,
) -> RowIndex:
    folder = layout.root / entry.folder

    def tell(error: EmbedkitError) -> None:
        assert failed is not None
        failed(_unusable(layout, error))

    try:
        entry.files.check(folder / "files.json")
        later = None if failed is None else tell
        index = RowIndex.load(folder, matrix, metric=metric, live=live, failed=later)
    except DamagedError as error:
        raise _unusable(layout, error) from error
    return index


def _unusable(layout: Layout, error: EmbedkitError) -> EmbedkitError:
    if not isinstance(error, DamagedError):
        return error
    return DamagedError(
        f"the index of {layout.root.name!r} cannot be used ({error.message})",
        do=f"searching goes on exactly; mend it with: embedkit rebuild {layout.root.name}",
    )
