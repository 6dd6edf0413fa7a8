"""Pairs best first, however many there are: sorted runs on disk, merged as they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.integrity import storage_error
from embedkit.pairs.join import Found, Join, together

if TYPE_CHECKING:
    from embedkit.types import Keys

RUN = 2**21
"""Pairs that are sorted in memory: 40 MiB, and as much again while they are."""
CHUNK = 2**16
"""Pairs that are handed over, or read of each run, together."""
PAIR = np.dtype([("left", "<i8"), ("right", "<i8"), ("score", "<f4")])


def best_first(found: Iterable[Found]) -> Iterator[Found]:
    """Yield pairs of falling score, those of one score by position.

    Up to RUN pairs stay in memory; more go through a temporary file that nobody else sees.

    Raises
    ------
    StorageError
        No room for it.
    """
    spool = _Spool()
    try:
        held: list[Found] = []
        count = 0
        for part in found:
            held.append(part)
            count += len(part.left)
            if count >= RUN:
                spool.add(_sorted(together(held)))
                held, count = [], 0
        last = _sorted(together(held))
        del held
        if not spool.runs:
            yield from _chunks(last)
            return
        spool.add(last)
        del last
        yield from spool.merged()
    finally:
        spool.close()


def best(join: Join, limit: int) -> Found:
    """Return the first pairs of :func:`best_first`.

    No more than a few times as many are held, and what the worst of them surpasses is passed over
    unscored.
    """
    held = together(())
    waiting: list[Found] = []
    count = 0
    for part in join.pairs():
        waiting.append(part)
        count += len(part.left)
        if count >= max(limit, CHUNK):
            held = _first(together([held, *waiting]), limit)
            if len(held.left) == limit:
                join.raise_threshold(held.scores[-1])
            waiting, count = [], 0
    return _first(together([held, *waiting]), limit)


def _first(found: Found, limit: int) -> Found:
    return _sorted(found).take(np.arange(min(limit, len(found.left))))


def _sorted(found: Found) -> Found:
    return found.take(np.lexsort((found.right, found.left, -found.scores)))


def _chunks(found: Found) -> Iterator[Found]:
    for start in range(0, len(found.left), CHUNK):
        part = slice(start, start + CHUNK)
        yield Found(found.left[part], found.right[part], found.scores[part])


class _Spool:
    """A temporary file of sorted runs; it has no name, so nothing is left of it."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self.runs: list[range] = []
        """Where each run lies, in pairs."""

    def add(self, found: Found) -> None:
        """Write a sorted run."""
        packed = np.empty(len(found.left), PAIR)
        packed["left"], packed["right"], packed["score"] = found
        start = self.runs[-1].stop if self.runs else 0
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="embedkit-pairs-")  # noqa: SIM115
            self._file.write(packed.tobytes())
            self._file.flush()
        except OSError as error:
            raise storage_error(error, tempfile.gettempdir()) from error
        self.runs.append(range(start, start + len(packed)))

    def merged(self) -> Iterator[Found]:
        """Yield all pairs, sorted; of each run no more than CHUNK pairs are held."""
        buffers = [_Buffer(self, run) for run in self.runs]
        while True:
            for buffer in buffers:
                buffer.fill()
            buffers = [buffer for buffer in buffers if len(buffer.pairs)]
            if not buffers:
                return
            # What comes before the last pair of every unfinished buffer can have nothing before it
            # that was not read yet.
            bounds = [buffer.pairs[-1] for buffer in buffers if buffer.left]
            bound = min(bounds, key=_key) if bounds else None
            yield from _chunks(_sorted(together(buffer.until(bound) for buffer in buffers)))

    def read(self, part: range) -> NDArray[np.void]:
        """Return some pairs of the file."""
        assert self._file is not None
        self._file.seek(part.start * PAIR.itemsize)
        return np.frombuffer(self._file.read(len(part) * PAIR.itemsize), PAIR)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


class _Buffer:
    """The next pairs of a run."""

    def __init__(self, spool: _Spool, left: range) -> None:
        self._spool = spool
        self.left = left
        self.pairs: NDArray[np.void] = np.empty(0, PAIR)

    def fill(self) -> None:
        """Read on where all was taken."""
        if not len(self.pairs) and self.left:
            self.pairs = self._spool.read(self.left[:CHUNK])
            self.left = self.left[CHUNK:]

    def until(self, bound: np.void | None) -> Found:
        """Take the pairs up to a bound, itself included."""
        pairs = self.pairs
        end = len(pairs) if bound is None else _count_until(pairs, bound)
        taken, self.pairs = pairs[:end], pairs[end:]
        return Found(
            taken["left"].astype(np.int64),
            taken["right"].astype(np.int64),
            taken["score"].astype(np.float32),
        )


def _key(pair: np.void) -> tuple[float, int, int]:
    return (-float(pair["score"]), int(pair["left"]), int(pair["right"]))


def _count_until(pairs: NDArray[np.void], bound: np.void) -> int:
    low, high = 0, len(pairs)
    while low < high:
        middle = (low + high) // 2
        if _key(pairs[middle]) <= _key(bound):
            low = middle + 1
        else:
            high = middle
    return low


def positions(found: Found) -> Keys:
    """Return every position that occurs, ascending."""
    return np.unique(np.concatenate((found.left, found.right)))
