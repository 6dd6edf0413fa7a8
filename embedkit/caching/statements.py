"""What is asked of the file, and written to it; a transaction is the caller's business."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from embedkit.caching.database import BUSY_SECONDS, transaction
from embedkit.caching.spaces import Space, SpaceInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEY = 16
"""Bytes of a key."""
EMPTY = bytes(KEY)
"""Stands for the key of a row that is no longer good."""
NO_SPACE = 0

_NEWEST = (
    "SELECT id, contents, sums, rows FROM blocks JOIN vectors ON block = id "
    "WHERE id = (SELECT max(id) FROM blocks WHERE space = ?)"
)
_ROW_BYTES = (
    "CASE precision WHEN 'float32' THEN dim * 4 WHEN 'int8' THEN dim ELSE (dim + 7) / 8 END"
)
_LATEST = 253_402_300_799
"""The last second that a datetime can tell."""


def space_number(db: sqlite3.Connection, space: Space) -> int:
    """Return the number of a space, ``NO_SPACE`` where nothing was ever put into it."""
    found = db.execute(
        "SELECT id FROM spaces WHERE model_id = ? AND input_type = ? AND precision = ? AND dim = ?",
        (space.model_id, space.input_type, space.precision, space.dim),
    ).fetchone()
    return int(found[0]) if found else NO_SPACE


def add_space(db: sqlite3.Connection, space: Space) -> int:
    """Enter a space and return its number."""
    return int(
        db.execute(
            "INSERT INTO spaces (model_id, input_type, precision, dim) VALUES (?, ?, ?, ?)",
            (space.model_id, space.input_type, space.precision, space.dim),
        ).lastrowid
        or NO_SPACE
    )


def space_contents(db: sqlite3.Connection, number: int) -> bytes:
    """Return the keys of all rows of a space, joined."""
    found = db.execute("SELECT contents FROM blocks WHERE space = ?", (number,)).fetchall()
    return b"".join(keys for (keys,) in found if isinstance(keys, bytes) and not len(keys) % KEY)


def write_rows(
    db: sqlite3.Connection,
    number: int,
    keys: Sequence[bytes],
    sums: NDArray[np.int64],
    rows: NDArray[np.uint8],
    capacity: int,
) -> None:
    """Fill the newest block of a space up, then begin new ones."""
    now = int(time.time())
    start = 0
    newest = db.execute(_NEWEST, (number,)).fetchone()
    if newest and all(isinstance(part, bytes) for part in newest[1:]):
        block, *parts = newest
        start = max(capacity - len(parts[0]) // KEY, 0)
        more = (b"".join(keys[:start]), sums[:start].tobytes(), rows[:start].tobytes())
        if start:
            contents, checks, values = (a + b for a, b in zip(parts, more, strict=True))
            db.execute(
                "UPDATE blocks SET used = ?, contents = ?, sums = ? WHERE id = ?",
                (now, contents, checks, block),
            )
            db.execute("UPDATE vectors SET rows = ? WHERE block = ?", (values, block))
    for first in range(start, len(keys), capacity):
        part = slice(first, first + capacity)
        block = db.execute(
            "INSERT INTO blocks (space, used, contents, sums) VALUES (?, ?, ?, ?)",
            (number, now, b"".join(keys[part]), sums[part].tobytes()),
        ).lastrowid
        db.execute("INSERT INTO vectors VALUES (?, ?)", (block, rows[part].data))


def mark(db: sqlite3.Connection, used: Sequence[int], spoilt: Mapping[int, Sequence[int]]) -> None:
    """Note that blocks are in use, and strike out what is damaged in others.

    Parameters
    ----------
    spoilt : mapping of block to slots
        The rows that are damaged; none where it is the block.

    Notes
    -----
    Reading waits for nobody: while another process writes this is left to the next reader.
    """
    if not used and not spoilt:
        return
    db.execute("PRAGMA busy_timeout = 0")
    try:
        with suppress(sqlite3.OperationalError), transaction(db):
            now = int(time.time())
            db.executemany("UPDATE blocks SET used = ? WHERE id = ?", ((now, b) for b in used))
            for block, slots in spoilt.items():
                if slots:
                    _strike_out(db, block, slots)
                else:
                    delete_blocks(db, [block])
    finally:
        db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _strike_out(db: sqlite3.Connection, block: int, slots: Sequence[int]) -> None:
    found = db.execute("SELECT contents FROM blocks WHERE id = ?", (block,)).fetchone()
    if found and isinstance(found[0], bytes):
        keys = bytearray(found[0])
        for slot in slots:
            # Its place stays, so that others still find the rows after it.
            keys[slot * KEY : (slot + 1) * KEY] = EMPTY
        db.execute("UPDATE blocks SET contents = ? WHERE id = ?", (bytes(keys), block))


def delete_blocks(db: sqlite3.Connection, blocks: Iterable[int]) -> None:
    """Delete blocks with their rows."""
    listed = [(block,) for block in blocks]
    db.executemany("DELETE FROM blocks WHERE id = ?", listed)
    db.executemany("DELETE FROM vectors WHERE block = ?", listed)


def delete_oldest(db: sqlite3.Connection, size: int) -> int | None:
    """Delete the blocks not used for longest, about so many bytes of them.

    Returns
    -------
    int or None
        How many rows went; None where there are none.
    """
    doomed, gone, freed = [], 0, 0
    for block, slots, row_bytes in db.execute(
        f"SELECT blocks.id, length(contents) / {KEY}, {_ROW_BYTES} FROM blocks "
        "LEFT JOIN spaces ON spaces.id = space ORDER BY used, blocks.id"
    ):
        doomed.append(block)
        gone += slots or 0
        freed += (slots or 0) * ((row_bytes or 0) + KEY + 8)
        if freed >= size:
            break
    delete_blocks(db, doomed)
    if not doomed:
        db.execute("DELETE FROM vectors")  # what damage has left without a block
        return None
    return gone


def describe(
    db: sqlite3.Connection, model: str | None, older_than: timedelta | None
) -> tuple[SpaceInfo, ...]:
    """Say how much there is of each space, among the blocks meant."""
    which, values = _which(model, older_than)
    query = (
        "SELECT model_id, input_type, CAST(dim AS INTEGER), precision, "
        f"sum(length(contents)) / {KEY} AS entries, "
        f"sum(length(contents)) / {KEY} * CAST({_ROW_BYTES} AS INTEGER), "
        "CAST(min(used) AS INTEGER), CAST(max(used) AS INTEGER) "
        "FROM blocks JOIN spaces ON spaces.id = space "
        f"WHERE {which} GROUP BY spaces.id ORDER BY model_id, input_type, dim, precision"
    )
    return tuple(
        SpaceInfo(model_id, input_type, dim, precision, entries, size, _moment(old), _moment(new))
        for model_id, input_type, dim, precision, entries, size, old, new in db.execute(
            query, values
        )
    )


def delete(db: sqlite3.Connection, model: str | None, older_than: timedelta | None) -> int:
    """Delete the blocks meant, and return how many rows they had."""
    which, values = _which(model, older_than)
    found = db.execute(
        f"SELECT blocks.id, length(contents) / {KEY} FROM blocks "
        f"LEFT JOIN spaces ON spaces.id = space WHERE {which}",
        values,
    ).fetchall()
    if model is None and older_than is None:
        # Also what damage has left without a block.
        db.execute("DELETE FROM blocks")
        db.execute("DELETE FROM vectors")
    else:
        delete_blocks(db, (block for block, _ in found))
    db.execute("DELETE FROM spaces WHERE id NOT IN (SELECT space FROM blocks)")
    return sum(slots or 0 for _, slots in found)


def _which(model: str | None, older_than: timedelta | None) -> tuple[str, list[str | float]]:
    conditions, values = ["TRUE"], list[str | float]()
    if model is not None:
        conditions.append("model_id = ?")
        values.append(model)
    if older_than is not None:
        conditions.append("used <= ?")
        values.append(time.time() - older_than.total_seconds())
    return " AND ".join(conditions), values


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC).replace(tzinfo=None)
