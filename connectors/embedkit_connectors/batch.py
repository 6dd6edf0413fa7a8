"""What sources yield: some rows as an Arrow batch, where each begins, and what was refused."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.types import Reject

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.types import Keys

BATCH_ROWS = 10_000
BATCH_BYTES = 16 * 2**20
"""A batch ends at this many rows or bytes, whichever comes first."""
MAX_RECORD = 32 * 2**20
"""Bytes of one row: what is longer is refused, so that memory stays bounded."""
MAX_REJECTS = 10_000
"""Rejects that end a batch, so that a file of bad rows does not pile them up."""
EXCERPT = 80


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source (see :class:`embedkit.protocols.SourceBatch`).

    Attributes
    ----------
    table : pyarrow.RecordBatch
    lines : int64 array, shape (n,)
        Where each row begins, from 1: a line of the file, or a row number.
    rejects : sequence of Reject
    """

    table: pa.RecordBatch
    lines: Keys
    rejects: Sequence[Reject] = ()


def line_array(lines: Iterable[int]) -> Keys:
    """Return line numbers as an int64 array, shape (n,)."""
    return np.fromiter(lines, dtype=np.int64)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Make many small objects at once without the garbage collector looking through them all.

    Worth a third of the time that reading rows takes; for blocks of bounded size only.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def excerpt(text: str) -> str:
    """Return the beginning of a bad row on one printable line of at most 80 characters."""
    shown = text[: EXCERPT + 1].rstrip("\r\n")
    shown = "".join(c if c.isprintable() else _escape(c) for c in shown)
    return shown if len(shown) <= EXCERPT else shown[: EXCERPT - 1] + "…"


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte, see lines.mark
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
