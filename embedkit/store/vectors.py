"""Vectors on disk: an append-only file of rows, each of which says what it is.

``vectors.f32`` holds the rows as float32; where the model delivers 8-bit integers or bits, they are
kept as they came, in ``vectors.i8`` or ``vectors.bit``. ``vectors.keys`` holds 32 bytes for each of
them: the key of the content that it is the vector of (16 bytes), a checksum of the row as it is
kept and one of the entry itself. A row
once written never changes. Because rows describe themselves, what was embedded before a crash is
found again by its content, whether or not the records that wanted it were committed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedError
from embedkit.integrity import WHOLE, storage_error, sync_file, sync_folder
from embedkit.quantized import (
    DTYPES,
    Matrix,
    check_codes,
    encode,
    matrix,
    row_bytes,
    row_width,
)
from embedkit.types import Precision

if TYPE_CHECKING:
    from embedkit.types import Codes, Keys, Mask, Vectors

ENTRY = np.dtype([("content", "V16"), ("vector", "<u8"), ("entry", "<u8")])
_SAMPLED_ROWS = 128
"""Rows of a large file that are checked when it is opened: reading 512 takes 14 ms, 128 take 4."""
_BLOCK_BYTES = 2**23
_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
_STATE = 0x1BCAA9FBE501B156123C7F2F483D4C9
_INCREMENT = 0x7757850EA525B941797154742036CF4F
"""Of the generator of the factors: see ``_factors``."""


def content_key(text: str) -> bytes:
    """Return the key of a text: the first 16 bytes of the SHA-256 of its UTF-8."""
    return hashlib.sha256(text.encode()).digest()[:16]


def vector_keys(vectors: Vectors) -> list[bytes]:
    """Return keys for vectors that no text stands for: the content is the vector itself."""
    return [hashlib.sha256(b"vector\0" + row.tobytes()).digest()[:16] for row in vectors]


def row_checksums(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a 64-bit checksum of each row as it is kept, shape (n,).

    Multilinear hashing modulo 2**64 (Lemire and Kaser, "Strongly universal string hashing is
    fast", 2014) over 64-bit words, with odd multipliers: a change in one word is always noticed.
    """
    missing = -rows.shape[1] % (8 // rows.itemsize)
    if missing:
        rows = np.pad(rows, ((0, 0), (0, missing)))
    words = np.ascontiguousarray(rows).view(np.uint64)
    factors = _factors(words.shape[1] + 1)
    sums: NDArray[np.uint64] = np.einsum("ij,j->i", words, factors[1:])
    sums += factors[0]
    return sums


def _factors(n: int) -> NDArray[np.uint64]:
    """Return odd numbers at random: those of numpy's PCG64 for the seed 0x5EED.

    Made here, since importing ``numpy.random`` takes longer than all else that opening a file does.
    PCG64 is a linear congruential generator with a permuted output, XSL RR 128/64 (O'Neill, "PCG: a
    family of simple fast space-efficient statistically good algorithms for random number
    generation", 2014, section 6.3.3).
    """
    state, factors = _STATE, []
    for _ in range(n):
        state = (state * _MULTIPLIER + _INCREMENT) % 2**128
        mixed, turn = (state >> 64) ^ (state % 2**64), state >> 122
        factors.append((mixed >> turn | mixed << (-turn % 64)) % 2**64 | 1)
    return np.array(factors, np.uint64)


def _entries(keys: Sequence[bytes], stored: NDArray[Any], first_row: int) -> NDArray[np.void]:
    entries = np.empty(len(keys), ENTRY)
    entries["content"] = np.frombuffer(b"".join(keys), "V16")
    entries["vector"] = row_checksums(stored)
    entries["entry"] = _entry_checksums(entries, np.arange(first_row, first_row + len(keys)))
    return entries


def _entry_checksums(entries: NDArray[np.void], rows: Keys) -> NDArray[np.uint64]:
    factors = _factors(7)
    words = np.ascontiguousarray(entries).view("<u4").reshape(len(entries), 8)[:, :6]
    sums: NDArray[np.uint64] = (words * factors[:6]).sum(axis=1, dtype=np.uint64)
    sums += rows.astype(np.uint64) * factors[6]
    return sums


class VectorFile:
    """The vectors of a collection, read by row number.

    Parameters
    ----------
    vectors, keys : Path
    dim : int
    rows : int
        How many rows count; what lies beyond is not looked at.
    precision : {"float32", "int8", "binary"}
        How a row is kept.

    Attributes
    ----------
    matrix : float32 array or CodedMatrix, shape (rows, dim)
        The vectors, to compute with.
    stored : array, shape (rows, any)
        The rows as they are kept.
    """

    def __init__(
        self, vectors: Path, keys: Path, dim: int, rows: int, precision: Precision = "float32"
    ) -> None:
        self.paths = (vectors, keys)
        self.dim = dim
        self.rows = rows
        self.precision: Precision = precision
        self.row_bytes = row_bytes(precision, dim)
        self._map()

    def _map(self) -> None:
        vectors, keys = self.paths
        if (
            file_size(vectors) < self.rows * self.row_bytes
            or file_size(keys) < self.rows * ENTRY.itemsize
        ):
            raise DamagedError(
                f"{vectors} is damaged: it holds fewer than the {self.rows:,} vectors committed",
                do=f"run: embedkit doctor {vectors.parent.name} --repair",
            )
        dtype, shape = DTYPES[self.precision], (self.rows, row_width(self.precision, self.dim))
        if self.rows:
            self.stored: NDArray[Any] = np.memmap(vectors, dtype, "r", shape=shape)
            self.entries: NDArray[np.void] = np.memmap(keys, ENTRY, "r", shape=(self.rows,))
        else:
            self.stored = np.empty(shape, dtype)
            self.entries = np.empty(0, ENTRY)
        self.matrix: Matrix = matrix(self.stored, self.precision, self.dim)

    @property
    def contents(self) -> NDArray[np.void]:
        """The content key of each row, shape (rows,), 16 bytes each."""
        return np.ascontiguousarray(self.entries["content"])

    def find(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the rows of those keys that are there, of several with one key the first."""
        starts = self.contents.view("<u8").reshape(-1, 2)[:, 0]
        wanted = np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)[:, 0]
        likely = np.flatnonzero(np.isin(starts, wanted))
        there = {bytes(self.entries["content"][row]): int(row) for row in likely[::-1]}
        return {key: there[key] for key in keys if key in there}

    def check(self, *, thorough: bool = False, first: int = 0) -> None:
        """Raise DamagedError if a row is not what was written.

        Small files are checked whole, larger ones on evenly spaced rows unless ``thorough``.

        Parameters
        ----------
        first : int
            Only rows from this one on.
        """
        whole = thorough or (self.rows - first) * self.row_bytes <= WHOLE
        some = np.arange(first, self.rows) if first else None
        bad = self.damaged(some if whole else self._sample(first))
        if len(bad):
            raise DamagedError(
                f"{self.paths[0]} is damaged: {len(bad):,} of {self.rows:,} vectors are not what "
                f"was written, the first in row {bad[0]}",
                do=f"run: embedkit doctor {self.paths[0].parent.name} --repair",
            )

    def damaged(self, rows: Keys | None = None) -> Keys:
        """Return the numbers of the damaged rows, among some rows or all."""
        numbers = np.arange(self.rows, dtype=np.int64) if rows is None else rows
        bad: Mask = np.zeros(len(numbers), np.bool_)
        step = max(1, _BLOCK_BYTES // self.row_bytes)
        for start in range(0, len(numbers), step):
            part = slice(start, start + step)
            picked: slice | Keys = part if rows is None else numbers[part]
            bad[part] = self._unsound(picked, numbers[part])
        return numbers[bad]

    def content(self, row: int) -> bytes:
        """Return the content key of a row."""
        return bytes(self.entries["content"][row])

    def entry_is_sound(self, row: int) -> bool:
        """Whether what is known of a row is what was written; its vector is not looked at."""
        entry = np.asarray(self.entries[row : row + 1])
        # Zeros, which a lost file is filled up with, agree with each other in the first row.
        nothing = not any(entry.tobytes())
        sound = entry["entry"][0] == _entry_checksums(entry, np.array([row]))[0]
        return bool(sound) and not nothing

    def replace(
        self,
        rows: Sequence[int],
        keys: Sequence[bytes],
        vectors: Vectors,
        codes: Codes | None = None,
    ) -> None:
        """Write damaged rows anew, each in its place. For repair: a sound row never changes."""
        for row, key, line in zip(rows, keys, self._to_store(vectors, codes), strict=True):
            entry = _entries([key], line[np.newaxis], row)
            for path, size, array in zip(
                self.paths, (self.row_bytes, ENTRY.itemsize), (line, entry), strict=True
            ):
                with path.open("r+b") as file:
                    file.seek(row * size)
                    file.write(array.tobytes())
        for path in self.paths:
            sync_file(path)

    def _to_store(self, vectors: Vectors, codes: Codes | None) -> NDArray[Any]:
        """Return rows as they are kept: vectors that came without codes are quantised here."""
        if codes is None or self.precision == "float32":
            return encode(vectors, self.precision)
        stored: NDArray[Any] = check_codes(codes, self.precision, self.dim, len(vectors))
        return stored

    def _unsound(self, picked: slice | Keys, numbers: Keys) -> Mask:
        entries = np.asarray(self.entries[picked])
        unsound: Mask = entries["vector"] != row_checksums(np.asarray(self.stored[picked]))
        unsound |= entries["entry"] != _entry_checksums(entries, numbers)
        return unsound

    def _sample(self, first: int) -> Keys:
        return np.unique(np.linspace(first, self.rows - 1, _SAMPLED_ROWS).astype(np.int64))


class VectorWriter(VectorFile):
    """The vectors of a collection, opened by its one writer.

    Rows past the ``committed`` ones, which a crash may have left, are kept as far as they are
    whole; what follows the first broken one is cut off.
    """

    def __init__(
        self, vectors: Path, keys: Path, dim: int, committed: int, precision: Precision = "float32"
    ) -> None:
        for path in (vectors, keys):
            path.touch()
        super().__init__(vectors, keys, dim, committed, precision)
        self._recover()

    def _recover(self) -> None:
        vectors, keys = self.paths
        there = min(vectors.stat().st_size // self.row_bytes, keys.stat().st_size // ENTRY.itemsize)
        committed = self.rows
        if there > committed:
            self.rows = there
            self._map()
            bad = self.damaged(np.arange(committed, there, dtype=np.int64))
            self.rows = int(bad[0]) if len(bad) else there
        os.truncate(vectors, self.rows * self.row_bytes)
        os.truncate(keys, self.rows * ENTRY.itemsize)
        if self.rows > committed:
            # Whoever wrote them may have died before they were durable.
            for path in self.paths:
                sync_file(path)
        self._map()

    def append(self, keys: Sequence[bytes], vectors: Vectors, codes: Codes | None = None) -> int:
        """Append rows, durably, and return the number of the first.

        Parameters
        ----------
        keys : sequence of bytes
        vectors : float32 array, shape (n, dim)
        codes : array, optional
            What is kept of them, where the precision is not float32; without them they are
            quantised here.

        Raises
        ------
        StorageError
            The disk refused; the file is as before.
        """
        first = self.rows
        if not len(keys):
            return first
        stored = self._to_store(vectors, codes)
        data = (stored, _entries(keys, stored, first))
        sizes = (first * self.row_bytes, first * ENTRY.itemsize)
        try:
            for path, size, array in zip(self.paths, sizes, data, strict=True):
                _append(path, size, array)
        except OSError as error:
            for path, size in zip(self.paths, sizes, strict=True):
                os.truncate(path, size)
            raise storage_error(error, self.paths[0]) from error
        if not first:
            sync_folder(self.paths[0].parent)
        self.rows += len(keys)
        self._map()
        return first


def file_size(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _append(path: Path, size: int, array: NDArray[np.generic]) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(size)
        view = memoryview(array.tobytes())
        while len(view):
            view = view[file.write(view) :]
        os.fsync(file.fileno())
