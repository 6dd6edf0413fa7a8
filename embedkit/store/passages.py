"""Which vector rows a record has: one, or one for each of its passages.

A record that is one passage, as all are where nothing is chunked, has only its own ``row``. One of
several has a line for each in the table ``passages``: the stretch of its text, in characters, and
the row; its own row is then that of the first. Whoever asks which rows are used, by whom, or for
which text, asks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from embedkit.store.database import Connection, scalar
from embedkit.types import Passage
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Vectors

_WHOLE_ROWS = "(SELECT seq, 0 AS part, row FROM records)"
_ROWS = (
    "(SELECT seq, 0 AS part, row FROM records"
    " UNION ALL SELECT seq, part, row FROM passages WHERE part > 0)"
)
_WHOLE_TEXTS = "(SELECT seq, id, 0 AS part, row, text FROM records)"
_TEXTS = (
    "(SELECT r.seq, r.id, 0 AS part, r.row,"
    "  CASE WHEN p.stop IS NULL THEN r.text ELSE substring(r.text, 1, p.stop) END AS text"
    " FROM records AS r LEFT JOIN passages AS p ON p.seq = r.seq AND p.part = 0"
    " UNION ALL SELECT r.seq, r.id, p.part, p.row,"
    "  substring(r.text, p.start + 1, p.stop - p.start)"
    " FROM passages AS p JOIN records AS r ON r.seq = p.seq WHERE p.part > 0)"
)


def has_passages(connection: Connection) -> bool:
    """Whether some record has several passages. What an older version published has no table."""
    try:
        return bool(connection.execute("SELECT 1 FROM passages LIMIT 1").fetchall())
    except duckdb.CatalogException:
        return False


def rows_of_records(connection: Connection) -> str:
    """Return SQL for a table of (seq, part, row): the vector rows that each record uses."""
    return _ROWS if has_passages(connection) else _WHOLE_ROWS


def texts_of_rows(connection: Connection) -> str:
    """Return SQL for a table of (seq, id, part, row, text): what each vector row is the vector of.

    Where passages or records are equal, a row comes more than once, each time with the same text,
    unless it is a vector of the user's own.
    """
    return _TEXTS if has_passages(connection) else _WHOLE_TEXTS


def drop_orphans(connection: Connection) -> None:
    """Delete the passages of records that are gone."""
    connection.execute("DELETE FROM passages WHERE seq NOT IN (SELECT seq FROM records)")


def largest_row(connection: Connection) -> int:
    """Return the largest vector row that a record uses, -1 where there are no records."""
    query = f"SELECT coalesce(max(row), -1) FROM {rows_of_records(connection)}"
    return int(scalar(connection, query))


@dataclass(frozen=True, slots=True)
class Passages:
    """The passages of all records that have several, in memory.

    Attributes
    ----------
    seqs, starts, stops, rows : int64 arrays, shape (n_passages,)
        Ordered by record, and within a record as they stand in its text.
    """

    seqs: Keys
    starts: Keys
    stops: Keys
    rows: Keys

    @classmethod
    def read(cls, connection: Connection) -> Passages | None:
        """Read them; None where there are none."""
        if not has_passages(connection):
            return None
        found = connection.execute(
            "SELECT seq, start, stop, row FROM passages ORDER BY seq, part"
        ).fetchnumpy()
        return cls(*(np.asarray(found[n], np.int64) for n in ("seq", "start", "stop", "row")))

    def of(self, seq: int) -> slice:
        """Return where the passages of a record are; empty where it is one passage."""
        first, last = np.searchsorted(self.seqs, [seq, seq + 1])
        return slice(int(first), int(last))

    def among(self, seqs: Keys) -> Keys:
        """Return the vector rows of the passages of some records."""
        return self.rows[np.isin(self.seqs, seqs)]

    def one_each(self, live: Mask) -> Mask:
        """Return which vector rows are in use, of each record that is cut only the middle one."""
        first = np.flatnonzero(np.diff(self.seqs, prepend=-1))
        last = np.append(first[1:], len(self.seqs))
        mask = live.copy()
        mask[self.rows] = False
        mask[self.rows[(first + last) // 2]] = True
        return mask

    def means(self, matrix: Matrix, seqs: Keys, rows: Keys) -> tuple[Keys, Vectors]:
        """Return a vector for each record: of one that is cut, the mean of its passages'.

        Parameters
        ----------
        matrix : float32 array or CodedMatrix, shape (n, dim)
        seqs, rows : int64 arrays, shape (n_records,)
            Numbers of the records, and their own rows.

        Returns
        -------
        places : int64 array, shape (n_records,)
            Where in ``vectors`` the one of each record is; equal texts share one.
        vectors : float32 array, shape (n_vectors, dim)
        """
        first, last = (np.searchsorted(self.seqs, seqs, side) for side in ("left", "right"))
        known: dict[bytes, int] = {}
        used: list[Keys] = []
        places = np.empty(len(seqs), np.int64)
        for i, (start, stop) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            several = self.rows[start:stop] if stop > start else rows[i : i + 1]
            places[i] = known.setdefault(several.tobytes(), len(used))
            if places[i] == len(used):
                used.append(several)
        vectors = np.empty((len(used), matrix.shape[1]), np.float32)
        for i, several in enumerate(used):
            vectors[i] = matrix[several].mean(axis=0)
        return places, normalize(vectors)

    def cut(self, seq: int, text: str) -> list[Passage]:
        """Return the passages of a record, whose text is given; none where it is not cut."""
        at = self.of(seq)
        starts, stops = self.starts[at].tolist(), self.stops[at].tolist()
        ends = [*stops[1:], len(text)][: len(stops)]
        return [
            Passage(part, len(stops), start, stop, text[start:stop], text[stop:end])
            for part, (start, stop, end) in enumerate(zip(starts, stops, ends, strict=True), 1)
        ]

    def place(self, seq: int, row: int) -> int | None:
        """Return which passage of a record has a vector, from 0: the first; None where none has."""
        found = np.flatnonzero(self.rows[self.of(seq)] == row)
        return int(found[0]) if len(found) else None
