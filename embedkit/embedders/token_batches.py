"""Batches of texts of about one length, as large as a device bears, drawn by one device or several.

A batch is padded to its longest text, and the padding costs what tokens cost. So texts are taken
by length, and a batch is bounded by its tokens with padding. The longest come first: what a device
does not bear shows at once, and with several devices the short ones at the end even out who is
ready when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import EmbeddingError

if TYPE_CHECKING:
    from embedkit.types import Keys


BATCH_TEXTS = 1024
"""Texts of a batch, where tokens do not bound it first."""


@dataclass(slots=True)
class Limits:
    """What a device computes at a time; shrinks for good where memory runs out.

    Attributes
    ----------
    texts : int, >= 1
        Texts of a batch.
    tokens : int, >= 1
        Tokens of a batch, padding included; a single text may have more.
    """

    texts: int
    tokens: int

    def rows(self, longest: int) -> int:
        """Return how many texts of that many tokens make a batch, at least 1."""
        return max(1, min(self.texts, self.tokens // max(longest, 1)))

    def halve(self, rows: int, longest: int) -> None:
        """Take half of the texts of that length that were too many, from now on."""
        # The least so far: another thread may have shrunk them since this batch was taken.
        self.tokens = min(self.tokens, max(1, rows // 2 * max(longest, 1)))


class TextQueue:
    """Texts that wait for a device, the longest first. Safe from several threads.

    Parameters
    ----------
    lengths : int64 array, shape (n,)
        Tokens of each text, as the model reads it.
    """

    def __init__(self, lengths: Keys) -> None:
        self._lengths = lengths
        self._order: list[int] = np.argsort(-lengths, kind="stable").tolist()
        self._next = 0
        self._returned: list[list[int]] = []
        self._stopped = False
        self._lock = threading.Lock()

    def longest(self, rows: Sequence[int]) -> int:
        """Return the tokens of the longest of some rows that were taken together."""
        return int(self._lengths[rows[0]])

    def take(self, limits: Limits) -> list[int]:
        """Return the rows of the next batch, the longest first; none where all are taken."""
        with self._lock:
            if self._stopped:
                return []
            if self._returned:
                waiting = self._returned.pop()
                count = limits.rows(self.longest(waiting))
                if waiting[count:]:
                    self._returned.append(waiting[count:])
                return waiting[:count]
            if self._next == len(self._order):
                return []
            count = limits.rows(int(self._lengths[self._order[self._next]]))
            taken = self._order[self._next : self._next + count]
            self._next += len(taken)
            return taken

    def put_back(self, rows: list[int]) -> None:
        """Let some rows that were taken together be taken again, before all others."""
        with self._lock:
            self._returned.append(rows)

    def stop(self) -> None:
        """Give out nothing more."""
        with self._lock:
            self._stopped = True


@dataclass(frozen=True, slots=True)
class Device:
    """One that computes batches: how, how large, and how to tell that it lacked memory."""

    limits: Limits
    compute: Callable[[list[int]], None]
    """Computes the rows of a batch and keeps the outcome."""
    out_of_memory: Callable[[BaseException], bool]
    release: Callable[[], None]
    """Hands memory back before a smaller batch is tried."""
    name: str
    remedy: str
    """What to do where a single text is too much."""

    def drain(self, queue: TextQueue) -> None:
        """Compute what the queue gives until it is empty."""
        while rows := queue.take(self.limits):
            if not self._fits(rows):
                self._shrink(queue, rows)

    def _fits(self, rows: list[int]) -> bool:
        try:
            self.compute(rows)
        except Exception as error:  # torch raises RuntimeError and its kin, models all sorts
            if not self.out_of_memory(error):
                raise EmbeddingError(f"{self.name} failed: {error}") from error
            if len(rows) == 1:
                raise EmbeddingError(
                    f"{self.name} ran out of memory on a single text", do=self.remedy
                ) from error
            return False
        return True

    def _shrink(self, queue: TextQueue, rows: list[int]) -> None:
        # Not within the except clause: until it ends, the error keeps the batch's memory alive.
        self.limits.halve(len(rows), queue.longest(rows))
        self.release()
        queue.put_back(rows)


def compute_all(lengths: Keys, devices: Sequence[Device]) -> None:
    """Compute every row once, on one device in this thread or on several in a thread each.

    Raises
    ------
    EmbeddingError
        The first failure of a device; the others end their batch and stop.
    """
    queue = TextQueue(lengths)
    if len(devices) == 1:
        devices[0].drain(queue)
        return

    def work(device: Device) -> Any:
        try:
            device.drain(queue)
        except BaseException:
            queue.stop()
            raise

    with ThreadPoolExecutor(len(devices)) as pool:
        try:
            for done in [pool.submit(work, device) for device in devices]:
                done.result()
        finally:
            queue.stop()  # where this thread is interrupted, too
