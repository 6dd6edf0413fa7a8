"""What the writer and the readers both need of a generation: its live rows and its index."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import DamagedError, EmbedkitError
from embedkit.indexes.rows import RowIndex
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


def open_index(
    layout: Layout,
    entry: IndexEntry,
    matrix: Matrix,
    metric: Metric,
    live: Mask,
    failed: Callable[[EmbedkitError], None] | None = None,
) -> RowIndex:
    """Open a published index, every file checked first.

    Parameters
    ----------
    failed : callable, optional
        With it, the files of the backend are checked and read when a search would gain by it; where
        they cannot be used this is told why, and every search is exact.

    Raises
    ------
    DamagedError
    """
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
    if entry.measurement is not None and index.sizes.base:
        index.tune(entry.measurement.setting)
    return index


def _unusable(layout: Layout, error: EmbedkitError) -> EmbedkitError:
    if not isinstance(error, DamagedError):
        return error
    return DamagedError(
        f"the index of {layout.root.name!r} cannot be used ({error.message})",
        do=f"searching goes on exactly; mend it with: embedkit rebuild {layout.root.name}",
    )
