"""The records of a view, found by the row of their vector.

Which record has which vector is kept in memory, as numbers (16 bytes a record). The records
themselves are read from the database; DuckDB takes two milliseconds for ten of them that lie apart,
more than searching takes. So the blocks that hits keep coming from are kept too, as Arrow, up to
:data:`KEPT_BYTES`: a process that goes on searching soon finds its hits in memory, and one that
searches once reads no more than its hits.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.store.columns import Column, decode
from embedkit.store.passages import rows_of_records
from embedkit.types import Record

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.store.database import Connection
    from embedkit.store.deltas import Frame
    from embedkit.types import Keys, Mask

BLOCK = 2048
"""Records of a block: what DuckDB reads at once."""
KEPT_BYTES = 64 * 2**20
"""What the blocks of a view may take in memory: 500,000 titles, or 50,000 abstracts."""
LARGE = 2**14
"""Bytes of a record, on average, past which no blocks are kept: few of them would fit."""


class Records:
    """The records of one database, which does not change. Several threads may read them.

    Parameters
    ----------
    cursor : callable
        Returns a connection for the calling thread.
    columns : sequence of Column
    """

    def __init__(self, cursor: Callable[[], Connection], columns: Sequence[Column]) -> None:
        self._cursor = cursor
        self._columns = columns
        self._lock = threading.Lock()
        self._fresh: dict[int, Sequence[Any]] = {}
        """What frames brought, by seq."""
        self._blocks: dict[int, _Block] = {}
        self._asked: Counter[int] = Counter()
        self._bytes = 0
        self._seen = [0, 0]
        self.listed = ", ".join(["seq", "row", "id", "text", *(c.physical for c in columns)])

    def after(self, frames: Sequence[Frame], cursor: Callable[[], Connection]) -> Records:
        """Return the records after some changes, with what is in memory of those that stay."""
        made = Records(cursor, self._columns)
        touched = sorted({seq for frame in frames for seq in frame.keys["seq"]})
        changed = {seq // BLOCK for seq in touched}
        with self._lock:
            made._blocks = {n: block for n, block in self._blocks.items() if n not in changed}
            made._asked, made._seen = Counter(self._asked), list(self._seen)
        made._bytes = sum(block.table.nbytes for block in made._blocks.values())
        pairs = self.__dict__.get("_pairs")
        if pairs is not None:
            made._pairs = _changed(pairs, touched, frames)
        made._fresh = dict(self._fresh)
        for frame in frames:
            for seq in frame.keys["seq"]:
                made._fresh.pop(seq, None)
            if "records" in frame.tables:
                rows = frame.tables["records"].select(self.listed.split(", "))
                values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
                made._fresh.update((row[0], row) for row in values)
        return made

    # -- which record has which vector ----------------------------------------------------------

    @functools.cached_property
    def _pairs(self) -> tuple[Keys, Keys]:
        """Numbers of the records and their vector rows, by row and then by number.

        A record of several passages comes with the row of each.
        """
        cursor = self._cursor()
        table = rows_of_records(cursor)
        found = cursor.execute(f"SELECT seq, row FROM {table}").fetchnumpy()
        seqs, rows = (np.asarray(found[name], np.int64) for name in ("seq", "row"))
        # They mostly come in order already, and sorting a million takes a tenth of a second.
        if not _ascends(rows, seqs):
            order = _order(rows, seqs)
            seqs, rows = seqs[order], rows[order]
            # The same passage twice in a record is one pair.
            again = np.flatnonzero((np.diff(rows) == 0) & (np.diff(seqs) == 0)) + 1
            seqs, rows = np.delete(seqs, again), np.delete(rows, again)
        return seqs, rows

    def live(self, rows: int) -> Mask:
        """Return which vector rows some record uses, shape (rows,)."""
        live = np.zeros(rows, np.bool_)
        live[self._pairs[1]] = True
        return live

    def of_rows(
        self, rows: Sequence[int], limit: int, among: Keys | None = None
    ) -> list[tuple[int, int]]:
        """Return (seq, row) of the records that have these vectors, by seq.

        Parameters
        ----------
        limit : int
            How many of each vector at most, the first of them.
        among : int64 array, ascending, optional
            Only these records count.
        """
        seqs, keys = self._pairs
        wanted = np.asarray(rows, np.int64)
        starts, stops = (np.searchsorted(keys, wanted, side) for side in ("left", "right"))
        found: list[tuple[int, int]] = []
        for row, start, stop in zip(wanted.tolist(), starts.tolist(), stops.tolist(), strict=True):
            having = seqs[start:stop]
            if among is not None:
                having = having[_contains(among, having)]
            found += [(seq, row) for seq in having[:limit].tolist()]
        return sorted(found)

    # -- what they hold -------------------------------------------------------------------------

    def record(self, values: Sequence[Any]) -> Record:
        """Return a record, of the values of the ``listed`` columns."""
        metadata = {
            column.name: decode(value, column.type)
            for column, value in zip(self._columns, values[4:], strict=True)
        }
        return Record(values[2], values[3], metadata)

    def fetch(self, seqs: Sequence[int]) -> dict[int, Record]:
        """Return records by their numbers."""
        found: dict[int, Record] = {}
        missing = []
        for seq in seqs:
            block = self._blocks.get(seq // BLOCK)
            values = self._fresh.get(seq)
            if values is None and block is not None:
                values = block.values(seq)
            if values is None:
                missing.append(seq)
            else:
                found[seq] = self.record(values)
        if missing:
            found |= self._read(missing)
            self._keep(missing)
        return found

    def _read(self, seqs: Sequence[int]) -> dict[int, Record]:
        rows = self._cursor().execute(
            f"SELECT {self.listed} FROM records WHERE seq IN (SELECT unnest(?::BIGINT[]))",
            [list(seqs)],
        )
        found = {row[0]: self.record(row) for row in rows.fetchall()}
        with self._lock:
            self._seen[0] += len(found)
            self._seen[1] += sum(len(record.text) for record in found.values())
        return found

    def _keep(self, missed: Iterable[int]) -> None:
        """Read the block that was missed most often, if it was missed before."""
        with self._lock:
            here = {seq // BLOCK for seq in missed} - set(self._blocks)
            self._asked.update(here)
            records, size = self._seen
            if not here or self._bytes >= KEPT_BYTES or size > LARGE * records:
                return
            number = max(here, key=lambda block: self._asked[block])
            if self._asked[number] > 1:
                block = _Block(self._cursor(), self.listed, number)
                self._blocks[number] = block
                self._bytes += block.table.nbytes


class _Block:
    """Records whose numbers lie together, as they came from the database."""

    def __init__(self, connection: Connection, listed: str, number: int) -> None:
        first = number * BLOCK
        query = f"SELECT {listed} FROM records WHERE seq BETWEEN {first} AND {first + BLOCK - 1}"
        table: pa.Table = connection.sql(query).to_arrow_table()
        self.table = table.combine_chunks()
        seqs = self.table.column("seq").to_pylist()
        self._places = dict(zip(seqs, range(len(seqs)), strict=True))
        self._arrays = [column.chunk(0) for column in self.table.columns] if seqs else []

    def values(self, seq: int) -> list[Any] | None:
        place = self._places.get(seq)
        return None if place is None else [array[place].as_py() for array in self._arrays]


def _order(rows: Keys, seqs: Keys) -> Keys:
    if (np.diff(seqs) >= 0).all():
        # All but some that share a vector are in order: a stable sort is through at once.
        return np.argsort(rows, kind="stable")
    return np.lexsort((seqs, rows))


def _changed(
    pairs: tuple[Keys, Keys], touched: Sequence[int], frames: Sequence[Frame]
) -> tuple[Keys, Keys]:
    """Return the pairs of seq and row after some changes, by row and then by seq."""
    seqs, rows = pairs
    gone = np.isin(seqs, np.asarray(touched, np.int64), kind="sort")
    if gone.any():
        seqs, rows = seqs[~gone], rows[~gone]
    present: dict[int, set[int]] = {}
    for frame in frames:
        for seq in frame.keys["seq"]:
            present.pop(seq, None)
        for seq, row in frame.rows():
            present.setdefault(seq, set()).add(row)
    fresh = sorted((row, seq) for seq, listed in present.items() for row in listed)
    if not fresh:
        return seqs, rows
    more_rows, more_seqs = (np.array(values, np.int64) for values in zip(*fresh, strict=True))
    at = np.searchsorted(rows, more_rows, "right")
    seqs, rows = np.insert(seqs, at, more_seqs), np.insert(rows, at, more_rows)
    if not _ascends(rows, seqs):
        order = _order(rows, seqs)
        seqs, rows = seqs[order], rows[order]
    return seqs, rows


def _ascends(rows: Keys, seqs: Keys) -> bool:
    steps = np.diff(rows)
    return bool(((steps > 0) | ((steps == 0) & (np.diff(seqs) > 0))).all())


def _contains(ascending: Keys, values: Keys) -> Mask:
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    inside: Mask = ascending[at] == values
    return inside
