"""A source put down on disk, to be gone through more than once in little memory.

The files have no name, so nothing is left of them however the process ends.
"""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import numpy as np

from embedkit.ingest.choose import Choice
from embedkit.integrity import storage_error
from embedkit.types import Reject

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.types import Keys, Vectors


def _put(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise storage_error(error, tempfile.gettempdir()) from error


def _unnamed() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="embedkit-", buffering=2**20)


class Texts:
    """Texts by their number."""

    def __init__(self) -> None:
        self._file = _unnamed()
        self._ends = array("q", [0])
        self._map: mmap.mmap | None = None

    def add(self, texts: Iterable[str]) -> None:
        """Put texts after the others."""
        end = self._ends[-1]
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        for data in encoded:
            end += len(data)
            self._ends.append(end)
        _put(self._file, b"".join(encoded))
        self._map = None

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number], self._ends[number + 1]
        if start == end:
            return ""
        if self._map is None:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map[start:end].decode("utf-8", "surrogatepass")

    def lengths(self) -> Keys:
        """Return how long each text is, in bytes, shape (n,)."""
        ends = np.frombuffer(self._ends, np.int64)
        return ends[1:] - ends[:-1]

    def close(self) -> None:
        """Let go of the file."""
        if self._map is not None:
            self._map.close()
        self._file.close()


class Rows:
    """Batches of rows, read again from the beginning as often as is wanted."""

    def __init__(self) -> None:
        self._file = _unnamed()
        self.schemas: list[pa.Schema] = []
        """The different ones that the batches have."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Put a batch after the others."""
        import pyarrow as pa

        if not any(batch.schema.equals(known, check_metadata=True) for known in self.schemas):
            self.schemas.append(batch.schema)
        # Batches may differ in their columns, so each is a stream of its own.
        out = pa.BufferOutputStream()
        with pa.ipc.new_stream(out, batch.schema) as stream:
            stream.write_batch(batch)
        data = out.getvalue().to_pybytes()
        _put(self._file, len(data).to_bytes(8, "little") + data)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        self._file.seek(0)
        while head := self._file.read(8):
            with pa.ipc.open_stream(self._file.read(int.from_bytes(head, "little"))) as stream:
                yield from stream

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Matrix:
    """Vectors by their number."""

    def __init__(self, dim: int) -> None:
        self._file = _unnamed()
        self._dim = dim
        self._rows = 0

    def add(self, vectors: Vectors) -> None:
        """Put vectors after the others."""
        _put(self._file, vectors.tobytes())
        self._rows += len(vectors)

    def read(self) -> Vectors:
        """Return all of them, memory-mapped, shape (n, dim)."""
        if not self._rows:
            return np.empty((0, self._dim), np.float32)
        self._file.flush()
        shape = (self._rows, self._dim)
        return np.memmap(self._file, np.float32, "r", shape=shape).view(np.ndarray)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


@dataclass(slots=True)
class Shelf:
    """A source as it was read.

    Attributes
    ----------
    rows : Rows
    texts : Texts
        The text of each row; empty where there is none.
    lines : list of int64 array
        Where each row begins.
    """

    rows: Rows = field(default_factory=Rows)
    texts: Texts = field(default_factory=Texts)
    lines: list[Keys] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    failed: int = 0
    choice: Choice | None = None

    def close(self) -> None:
        """Let go of the files."""
        self.rows.close()
        self.texts.close()


def joined(columns: Sequence[Sequence[str | None]]) -> list[str]:
    """Return the text of each row out of its columns, blank parts left out, as ``index`` does."""
    return [
        "\n".join(part for part in parts if part and not part.isspace())
        for parts in zip(*columns, strict=True)
    ]
