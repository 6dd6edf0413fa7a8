"""How rows lie in the file: in blocks of a page, found by the first half of their key.

A table row for every vector would cost a page each in a tree of random keys. A block holds as many
vectors of a space as fit a page, beside their keys and checksums, and is written once; which block
has which key is read once a process, 16 bytes a vector, and kept in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.caching.database import PAGE
from embedkit.caching.spaces import Space
from embedkit.caching.statements import KEY

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask

GONE = -1
_SLOTS = 2**16
_PAGE_OVERHEAD = 128


def capacity(space: Space) -> int:
    """Return how many rows of a space go into a block."""
    return min(max((PAGE - _PAGE_OVERHEAD) // space.row_bytes, 1), _SLOTS)


def as_bytes(space: Space, rows: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return rows as bytes, shape (n, row_bytes)."""
    array = np.ascontiguousarray(rows, space.dtype)
    return array.view(np.uint8).reshape(len(array), space.row_bytes)


def checksums(number: int, contents: Sequence[bytes], rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return a checksum of each row with its key and its space, shape (n,).

    Multilinear hashing modulo 2**64, as for the vectors of a collection
    (:func:`embedkit.store.vectors.row_checksums`): a change in one word is always noticed.
    """
    if rows.shape[1] % 8:
        rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 8)))
    words = np.ascontiguousarray(rows).view(np.uint64)
    keys = np.frombuffer(b"".join(contents), np.uint64).reshape(-1, 2)
    factors = _factors(words.shape[1] + 3)
    sums: NDArray[np.uint64] = np.einsum("ij,j->i", words, factors[3:])
    sums += np.einsum("ij,j->i", keys, factors[1:3])
    sums += np.uint64(number) * factors[:1]
    return sums.view(np.int64)


@lru_cache(maxsize=8)
def _factors(n: int) -> NDArray[np.uint64]:
    generator = np.random.Generator(np.random.PCG64(0xCAC4E))
    return generator.integers(0, 2**64, size=n, dtype=np.uint64) | np.uint64(1)


class KeyIndex:
    """Where the keys of a space are: block and slot by the first 8 bytes of each.

    It may know too much, because other processes delete: whoever follows it compares the key.
    """

    def __init__(self) -> None:
        # Sorted runs, each more than twice as long as the next, so that adding is cheap.
        self._runs: list[tuple[NDArray[np.uint64], Keys]] = []
        self._block = 0
        self._slots = 0

    def refresh(self, connection: sqlite3.Connection, number: int) -> bool:
        """Take in what was written since the last time, by whomever; return whether there was."""
        found = connection.execute(
            "SELECT id, contents FROM blocks WHERE space = ? AND id >= ? ORDER BY id",
            (number, self._block),
        ).fetchall()
        keys: list[bytes] = []
        places: list[Keys] = []
        for block, contents in found:
            if not isinstance(contents, bytes) or len(contents) % KEY:
                continue
            # The newest block grows until it is full.
            known = self._slots if block == self._block else 0
            slots = len(contents) // KEY
            keys.append(contents[known * KEY :])
            places.append(block * _SLOTS + np.arange(known, slots, dtype=np.int64))
            self._block, self._slots = block, slots
        joined = b"".join(keys)
        if joined:
            self._add(_starts(joined), np.concatenate(places))
        return bool(joined)

    def find(self, contents: Sequence[bytes]) -> Keys:
        """Return where each key is, as block * 65536 + slot; -1 for those that are nowhere."""
        wanted = _starts(b"".join(contents))
        places = np.full(len(wanted), GONE, np.int64)
        for starts, where in self._runs:
            if not len(starts):
                continue
            at = np.minimum(np.searchsorted(starts, wanted), len(starts) - 1)
            hit = (starts[at] == wanted) & (where[at] != GONE)
            places[hit] = where[at[hit]]
        return places

    def forget(self, contents: Sequence[bytes]) -> None:
        """Know no longer where these keys are."""
        wanted = _starts(b"".join(contents))
        for starts, where in self._runs:
            where[np.isin(starts, wanted)] = GONE

    def _add(self, starts: NDArray[np.uint64], where: Keys) -> None:
        order = np.argsort(starts, kind="stable")
        self._runs.append((starts[order], where[order]))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            (a, at), (b, bt) = self._runs[-2:]
            merged, where = np.concatenate([a, b]), np.concatenate([at, bt])
            # What is gone must not stand before a newer place of the same key.
            merged, where = merged[where != GONE], where[where != GONE]
            order = np.argsort(merged, kind="stable")
            self._runs[-2:] = [(merged[order], where[order])]


def split(place: int) -> tuple[int, int]:
    """Return block and slot."""
    return divmod(place, _SLOTS)


class Gathered:
    """Gathers the rows that blocks turn out to hold."""

    def __init__(self, space: Space, number: int, contents: Sequence[bytes]) -> None:
        self._space = space
        self._number = number
        self._contents = contents
        self._places: list[int] = []
        self._rows: list[NDArray[np.uint8]] = []
        self._sums: list[NDArray[np.int64]] = []
        self.origin: dict[int, tuple[int, int]] = {}
        """Block and slot of each place whose key is there."""
        self.missing: list[int] = []
        """Places whose key is not where the index said."""

    def take(
        self,
        block: int,
        wanted: Sequence[tuple[int, int]],
        contents: object,
        sums: object,
        rows: object,
    ) -> bool:
        """Take from a block the rows of (place, slot); return whether the block is whole."""
        if not (
            isinstance(contents, bytes) and isinstance(sums, bytes) and isinstance(rows, bytes)
        ):
            return False
        count, rest = divmod(len(contents), KEY)
        if rest or len(sums) != count * 8 or len(rows) != count * self._space.row_bytes:
            return False
        slots: list[int] = []
        for place, slot in wanted:
            key = contents[slot * KEY : (slot + 1) * KEY]
            if key == self._contents[place]:
                self._places.append(place)
                self.origin[place] = block, slot
                slots.append(slot)
            else:
                self.missing.append(place)
        self._rows.append(np.frombuffer(rows, np.uint8).reshape(count, -1)[slots])
        self._sums.append(np.frombuffer(sums, "<i8")[slots])
        return True

    def result(self) -> tuple[Keys, NDArray[np.generic], list[int]]:
        """Return places, rows of the space's type, and the places whose row is damaged."""
        dtype = self._space.dtype
        if not self._places:
            return np.empty(0, np.int64), np.empty((0, self._space.columns), dtype), []
        places = np.array(self._places, np.int64)
        rows = np.concatenate(self._rows)
        keys = [self._contents[place] for place in self._places]
        sound: Mask = checksums(self._number, keys, rows) == np.concatenate(self._sums)
        damaged = places[~sound].tolist()
        if damaged:
            places, rows = places[sound], rows[sound]
        order = np.argsort(places)
        return places[order], rows[order].view(dtype), damaged


def _starts(joined: bytes) -> NDArray[np.uint64]:
    starts: NDArray[np.uint64] = np.frombuffer(joined, "<u8")[::2]
    return starts
