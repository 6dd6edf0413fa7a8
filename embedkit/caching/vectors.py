"""Vectors that were delivered once, kept by model, kind of text and text, for a whole home."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.caching import statements
from embedkit.caching.database import Database, pages, shrink, transaction
from embedkit.caching.spaces import CacheInfo, Space, SpaceInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedkit.caching.blocks import Gathered, KeyIndex
    from embedkit.types import Keys

FOLDER = ".cache"
FILE = "vectors.sqlite"
_TOUCH_SECONDS = 3600
"""How exact the time of last use is kept: a block is marked at most once in so long."""
_KEEP = 0.9
"""Share of the bound that is left when the oldest go, so that they go seldom."""
_SLACK = 2**18
"""Bytes that a write may take besides the vectors: tables, keys, half-filled pages."""
_READ_TOGETHER = 200


class VectorCache:
    """The vectors that were paid for, shared by the collections of a home.

    Rows are bit for bit what was put in: a damaged one counts as not there. Nothing here fails
    because of the file (damage, a full or read-only disk, another process that holds it): it is
    said once on the logger ``embedkit``, and the work goes on without. May be used by several
    threads and processes.

    Parameters
    ----------
    home : str or Path
        The folder of the collections; the file is ``.cache/vectors.sqlite`` in it.
    bound : int or None
        Bytes that the file may grow to, its log of a few megabytes aside; 0 keeps nothing. None:
        the setting ``cache_size``.

    Raises
    ------
    SettingsError
        A ``cache_size`` that is no size.
    """

    def __init__(self, home: str | Path, *, bound: int | None = None) -> None:
        from embedkit.settings import load

        self.path = Path(home) / FOLDER / FILE
        self.bound = load().cache_size if bound is None else bound
        self._database = Database(self.path)
        self._indexes: dict[int, KeyIndex] = {}
        self._lock = threading.Lock()

    def get(self, space: Space, contents: Sequence[bytes]) -> tuple[Keys, NDArray[np.generic]]:
        """Return the rows that are there.

        Parameters
        ----------
        space : Space
        contents : sequence of bytes
            :func:`embedkit.store.vectors.content_key` of each text.

        Returns
        -------
        places : int64 array, shape (n_found,)
            Which of the contents were found, ascending.
        rows : array, shape (n_found, space.columns)
            Their rows, of ``space.dtype``.
        """
        from embedkit.caching.blocks import Gathered

        nothing = Gathered(space, 0, ()).result()[:2]
        if not self.bound or not len(contents):
            return nothing
        return self._database.attempt("read", lambda db: self._get(db, space, contents), nothing)

    def put(self, space: Space, contents: Sequence[bytes], rows: NDArray[np.generic]) -> None:
        """Keep rows; those of contents that are there already change nothing.

        Once this returns, the end of the process does not undo it.

        Parameters
        ----------
        contents : sequence of bytes
            Keys of the texts, shape (n,); one that comes twice counts once.
        rows : array, shape (n, space.columns)
            As delivered, of ``space.dtype``.
        """
        if self.bound and len(contents):
            first = {content: place for place, content in enumerate(contents)}
            # A file that turns out to be damaged is set aside; the second time it is a new one.
            for _ in range(2):
                if self._database.attempt(
                    "write", lambda db: self._put(db, space, first, rows), False
                ):
                    break

    def contents(self, space: Space) -> NDArray[np.void]:
        """Return the keys of all rows of a space, shape (n,), 16 bytes each, in any order."""
        import numpy as np

        def read(db: sqlite3.Connection) -> bytes:
            return statements.space_contents(db, statements.space_number(db, space))

        joined = self._database.attempt("read", read, b"") if self.bound else b""
        keys: NDArray[np.void] = np.frombuffer(joined, f"V{statements.KEY}")
        good: NDArray[np.void] = keys[keys != np.void(statements.EMPTY)]
        return good

    def info(self, *, model: str | None = None, older_than: timedelta | None = None) -> CacheInfo:
        """Say what is there, or what :meth:`clear` would delete with the same arguments."""

        def read(db: sqlite3.Connection) -> tuple[SpaceInfo, ...]:
            return statements.describe(db, model, older_than)

        nothing: tuple[SpaceInfo, ...] = ()
        spaces = self._database.attempt("read", read, nothing)
        entries = sum(space.entries for space in spaces)
        return CacheInfo(str(self.path), self.bound, self._database.size(), entries, spaces)

    def clear(self, *, model: str | None = None, older_than: timedelta | None = None) -> int:
        """Delete rows, give their space back to the disk, and return how many they were.

        Parameters
        ----------
        model : str or None
            Only those of a model, by its ``model_id``.
        older_than : timedelta or None
            Only those that nobody used for so long. Rows are kept in blocks of a few: one stays as
            long as any of its block is in use.

        Raises
        ------
        StorageError
            Another process writes, or the disk refuses.
        """

        def work(db: sqlite3.Connection) -> int:
            with transaction(db):
                count = statements.delete(db, model, older_than)
            shrink(db)
            return count

        cleared = self._database.insist(work, 0)
        if model is None and older_than is None:
            with suppress(OSError):
                self._database.damaged.unlink()
        self._forget_all()
        return cleared

    def trim(self) -> int:
        """Delete what was not used for longest until the bound is kept; return how many rows.

        Writing does so by itself where it must.
        """

        def work(db: sqlite3.Connection) -> int:
            return self._trim(db, 0) if pages(db)[1] > self.bound else 0

        return self._database.attempt("change", work, 0)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._database.close()

    def __repr__(self) -> str:
        return f"<VectorCache {self.path}>"

    def _get(
        self, db: sqlite3.Connection, space: Space, contents: Sequence[bytes]
    ) -> tuple[Keys, NDArray[np.generic]]:
        from embedkit.caching.blocks import Gathered, split

        number = statements.space_number(db, space)
        gathered = Gathered(space, number, contents)
        wanted: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for place, where in enumerate(self._find(db, number, contents).tolist()):
            if where >= 0:
                block, slot = split(where)
                wanted[block].append((place, slot))
        broken, stale = _read(db, gathered, wanted)
        places, rows, damaged = gathered.result()
        spoilt: dict[int, list[int]] = {block: [] for block in broken}
        for place in damaged:
            block, slot = gathered.origin[place]
            spoilt.setdefault(block, []).append(slot)
        lost = [*gathered.missing, *damaged, *(p for b in broken for p, _ in wanted[b])]
        if lost:
            with self._lock:
                self._index(number).forget([contents[place] for place in lost])
        statements.mark(db, stale, spoilt)
        return places, rows

    def _put(
        self,
        db: sqlite3.Connection,
        space: Space,
        first: dict[bytes, int],
        rows: NDArray[np.generic],
    ) -> bool:
        from embedkit.caching.blocks import as_bytes, capacity, checksums

        new = self._absent(db, statements.space_number(db, space), list(first))
        room = len(new) * space.row_bytes + _SLACK
        if not new or room > self.bound * _KEEP:
            return True
        if pages(db)[1] + room > self.bound:
            self._trim(db, room)
        with transaction(db):
            number = statements.space_number(db, space) or statements.add_space(db, space)
            with self._lock:
                others_wrote = self._index(number).refresh(db, number)
            if others_wrote:
                new = self._absent(db, number, new)
            if len(new) < len(rows):
                rows = rows[[first[key] for key in new]]
            data = as_bytes(space, rows)
            sums = checksums(number, new, data)
            statements.write_rows(db, number, new, sums, data, capacity(space))
        return True

    def _trim(self, db: sqlite3.Connection, room: int) -> int:
        """Delete the blocks not used for longest until there is room; return how many rows."""
        total = 0
        with transaction(db):
            while (too_much := pages(db)[1] + room - int(self.bound * _KEEP)) > 0:
                gone = statements.delete_oldest(db, too_much)
                if gone is None:
                    break
                total += gone
        self._forget_all()
        size, used = pages(db)
        # A bound that was lowered; at any other time what is free is soon filled again.
        if size > 1.25 * self.bound and used < size:
            shrink(db)
        return total

    def _absent(self, db: sqlite3.Connection, number: int, keys: Sequence[bytes]) -> list[bytes]:
        return [
            key for key, where in zip(keys, self._find(db, number, keys), strict=True) if where < 0
        ]

    def _find(self, db: sqlite3.Connection, number: int, contents: Sequence[bytes]) -> Keys:
        with self._lock:
            index = self._index(number)
            index.refresh(db, number)
            return index.find(contents)

    def _index(self, number: int) -> KeyIndex:
        from embedkit.caching.blocks import KeyIndex

        return self._indexes.setdefault(number, KeyIndex())

    def _forget_all(self) -> None:
        with self._lock:
            self._indexes.clear()


def _read(
    db: sqlite3.Connection, gathered: Gathered, wanted: dict[int, list[tuple[int, int]]]
) -> tuple[list[int], list[int]]:
    """Read blocks; return those that are not whole, and those whose last use is long ago."""
    now = int(time.time())
    broken, stale = [], []
    blocks = list(wanted)
    for start in range(0, len(blocks), _READ_TOGETHER):
        some = blocks[start : start + _READ_TOGETHER]
        query = (
            "SELECT id, used, contents, sums, rows FROM blocks LEFT JOIN vectors ON block = id "
            f"WHERE id IN ({','.join('?' * len(some))})"
        )
        absent = set(some)
        for block, used, keys, sums, rows in db.execute(query, some):
            absent.remove(block)
            if not gathered.take(block, wanted[block], keys, sums, rows):
                broken.append(block)
            elif not isinstance(used, int) or not 0 <= now - used < _TOUCH_SECONDS:
                stale.append(block)
        gathered.missing += [place for block in absent for place, _ in wanted[block]]
    return broken, stale
