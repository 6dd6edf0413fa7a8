"""Keeps the index of a collection up to its contract: measured again, tuned anew, or built anew."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import EmbedkitError, StorageError
from embedkit.indexes import contract
from embedkit.indexes.measure import Sampler
from embedkit.integrity import FileDigest
from embedkit.store.layout import Layout
from embedkit.store.manifest import IndexEntry
from embedkit.store.published import Opened, open_index
from embedkit.types import Metric

if TYPE_CHECKING:
    from embedkit.indexes.rows import RowIndex
    from embedkit.quantized import Matrix
    from embedkit.types import Mask

_log = logging.getLogger("embedkit")


@dataclass(frozen=True, slots=True)
class Indexing:
    """What an index is to be: over which vectors, of what kind, how good."""

    layout: Layout
    matrix: Matrix
    live: Mask
    metric: Metric
    spec: str
    recall: float
    opened: Opened | None = None
    """The index that this process has open already."""

    def up_to_date(self, entry: IndexEntry | None, generation: int) -> IndexEntry | None:
        """Return the entry of an index that serves: the one there is, measured again, or a new one.

        Parameters
        ----------
        entry : IndexEntry or None
            The index that is there.
        generation : int
            Names the folder of a new one.

        Returns
        -------
        IndexEntry or None
            None where it cannot be built; search is exact meanwhile.
        """
        kept = self._kept(entry) if entry is not None else None
        if kept is not None:
            return kept
        try:
            return self.build(generation)
        except StorageError:
            raise
        except Exception as error:
            # A library's failure must not cost the records: they are searched exactly meanwhile.
            _log.warning("the index %s could not be built, searching exactly: %s", self.spec, error)
            return None

    def build(self, generation: int) -> IndexEntry:
        """Build an index and write it into the folder of a generation."""
        folder = self.layout.index(generation)
        shutil.rmtree(folder, ignore_errors=True)
        built = contract.build(
            self.matrix, metric=self.metric, spec=self.spec, live=self.live, recall=self.recall
        )
        built.index.save(folder)
        files = FileDigest.of(folder / "files.json")
        return IndexEntry(folder.name, self.spec, built.resolved, files, built.measurement)

    def _kept(self, entry: IndexEntry) -> IndexEntry | None:
        """Return the entry of an index that goes on serving, None where one must be built."""
        if entry.spec != self.spec or self._outgrown(entry):
            return None
        try:
            index = open_index(
                self.layout,
                entry,
                self.matrix,
                self.metric,
                self.live,
                opened=self.opened,
                unchanged=True,
            )
        except EmbedkitError:
            return None  # damaged, or its library is gone
        if index.needs_rebuild:
            return None
        return self._measured(entry, index)

    def _outgrown(self, entry: IndexEntry) -> bool:
        """Whether what was measured speaks of another contract, or of far fewer or more rows."""
        before = entry.measurement
        if before is None:
            return False
        if before.target != self.recall:
            return True
        return contract.gave_up(before, int(np.count_nonzero(self.live)))

    def _measured(self, entry: IndexEntry, index: RowIndex) -> IndexEntry | None:
        """Return the entry, measured again where the index has drifted."""
        rows = int(np.count_nonzero(self.live))
        sizes = index.sizes
        changed = sizes.tail + sizes.masked if sizes.base else 0
        if not contract.due(entry.measurement, self.recall, rows, changed):
            return entry
        sampler = Sampler(self.matrix, self.live, self.metric, seed=rows)
        built = contract.kept(index, sampler, self.spec, entry.measurement, self.recall)
        if built is None:
            return None
        return IndexEntry(entry.folder, entry.spec, built.resolved, entry.files, built.measurement)
