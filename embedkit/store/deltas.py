"""What changed since a snapshot of the records was published: frames in a file that only grows.

A snapshot costs what the collection holds, a frame what a publication changed. A frame holds the
keys of what was changed or deleted and the rows that are there for those keys now, so that rows of
the snapshot and of earlier frames with these keys count no more. The manifest says how much of the
file belongs to its generation, with a digest of that much; what lies beyond is not looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.errors import DamagedError
from embedkit.integrity import storage_error, sync_folder
from embedkit.store.arrow import int64_array

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.store.database import Connection

KEYS: Mapping[str, tuple[str, ...]] = {
    "seq": ("records", "passages"),
    "run": ("runs", "failures", "batches"),
    "source": ("sources",),
}
"""For each kind of key, the tables whose rows have it. Other tables do not change in a frame."""
_PART = b"embedkit.part"


@dataclass(frozen=True, slots=True)
class Delta:
    """How much of which delta file belongs to a generation.

    Attributes
    ----------
    snapshot : int
        The generation whose snapshot it changes.
    size : int
        Bytes of the file that count.
    sha256 : str
        Of these bytes, in hexadecimal.
    frames : int
    """

    snapshot: int
    size: int
    sha256: str
    frames: int


@dataclass(slots=True)
class Changes:
    """What a writing session has changed since its last publication, as far as it is known.

    Attributes
    ----------
    keys : dict
        For each kind of key, those of changed, new and deleted rows.
    freed : set of int
        Vector rows that changed and deleted records used.
    known : bool
        False once something changed that is not in ``keys``; only a snapshot can tell it then.
    """

    keys: dict[str, set[int]] = field(default_factory=lambda: {kind: set() for kind in KEYS})
    freed: set[int] = field(default_factory=set)
    known: bool = True

    def add(self, kind: str, keys: Sequence[int]) -> None:
        """Note the keys of rows that were changed, added or deleted."""
        self.keys[kind].update(keys)

    @property
    def size(self) -> int:
        """How many keys changed."""
        return sum(map(len, self.keys.values()))


@dataclass(frozen=True, slots=True)
class Frame:
    """What one generation changed.

    Attributes
    ----------
    generation : int
    keys : dict
        For each kind of key, those whose rows changed.
    tables : dict
        For each table that has any, the present rows of these keys, as Arrow tables.
    """

    generation: int
    keys: dict[str, list[int]]
    tables: dict[str, pa.Table]

    def rows(self) -> Iterator[tuple[int, int]]:
        """Yield (seq, row) of the records and passages that it brought."""
        for name in KEYS["seq"]:
            table = self.tables.get(name)
            if table is not None:
                parts = table.column("part").to_pylist() if name == "passages" else [1] * len(table)
                seqs, rows = (table.column(key).to_pylist() for key in ("seq", "row"))
                # The first passage of a record has the row of the record itself.
                yield from (
                    (seq, row) for seq, row, part in zip(seqs, rows, parts, strict=True) if part
                )

    def to_bytes(self) -> bytes:
        """Return the frame as Arrow streams, one after the other."""
        import pyarrow as pa

        # All kinds of keys are written, so that the frame is there whatever it changes.
        parts = {kind: pa.table({"key": int64_array(self.keys[kind])}) for kind in self.keys}
        sink = pa.BufferOutputStream()
        for name, table in (parts | self.tables).items():
            about = json.dumps({"generation": self.generation, "part": name})
            schema = table.schema.with_metadata({_PART: about.encode()})
            with pa.ipc.new_stream(sink, schema) as stream:
                stream.write_table(table)
        return bytes(sink.getvalue())


def read_frames(data: bytes) -> list[Frame]:
    """Return the frames that some bytes hold, which must be whole."""
    import pyarrow as pa

    frames: dict[int, Frame] = {}
    source = pa.BufferReader(data)
    while source.tell() < len(data):
        table = pa.ipc.open_stream(source).read_all()
        about = json.loads(table.schema.metadata[_PART])
        number, part = about["generation"], about["part"]
        frame = frames.setdefault(number, Frame(number, {kind: [] for kind in KEYS}, {}))
        if part in KEYS:
            frame.keys[part] = table.column("key").to_pylist()
        else:
            frame.tables[part] = table.replace_schema_metadata(None)
    return list(frames.values())


class DeltaFile:
    """A delta file, read and checked as far as manifests name it, each byte once.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.frames = 0
        self._hash = hashlib.sha256()

    def advance(self, delta: Delta) -> list[Frame]:
        """Return the frames up to where a manifest says that its generation ends.

        Raises
        ------
        DamagedError
            They are not what was written; nothing was taken in.
        """
        more = delta.size - self.size
        try:
            with self.path.open("rb") as file:
                file.seek(self.size)
                data = file.read(more) if more > 0 else b""
        except FileNotFoundError:
            raise self._damaged("is missing") from None
        except OSError as error:
            raise storage_error(error, self.path, doing="read") from error
        digest = self._hash.copy()
        digest.update(data)
        if len(data) != more:
            raise self._damaged(f"is damaged: it holds fewer than {delta.size:,} bytes")
        if digest.hexdigest() != delta.sha256:
            raise self._damaged("is damaged: its content is not what was written")
        self._hash, self.size, self.frames = digest, delta.size, delta.frames
        return read_frames(data)

    def append(self, frame: Frame, snapshot: int) -> Delta:
        """Write a frame behind the last one, durably; what a crash left there goes.

        Raises
        ------
        StorageError
        """
        data = frame.to_bytes()
        digest = self._hash.copy()
        digest.update(data)
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self.path, flags, 0o644)
            try:
                os.ftruncate(descriptor, self.size)
                os.lseek(descriptor, self.size, os.SEEK_SET)
                view = memoryview(data)
                while len(view):
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if not self.size:
                sync_folder(self.path.parent)
        except OSError as error:
            raise storage_error(error, self.path) from error
        self._hash, self.size, self.frames = digest, self.size + len(data), self.frames + 1
        return Delta(snapshot, self.size, digest.hexdigest(), self.frames)

    def _damaged(self, problem: str) -> DamagedError:
        return DamagedError(
            f"{self.path} {problem}", do=f"run: embedkit doctor {self.path.parent.name} --repair"
        )


def gather(connection: Connection, changes: Changes, generation: int) -> Frame:
    """Return the frame of what a session changed, as the writer's database now has it."""
    asked = {
        name: f"FROM {name} WHERE {in_list(kind, changes.keys[kind])}"
        for kind, name in _tables()
        if changes.keys[kind]
    }
    tables = {}
    if asked:
        # Most have none: counting all of them at once is quicker than fetching nothing of each.
        listed = ", ".join(f"(SELECT count(*) {rows})" for rows in asked.values())
        counts = connection.execute(f"SELECT {listed}").fetchall()[0]
        for (name, rows), count in zip(asked.items(), counts, strict=True):
            if count:
                tables[name] = connection.sql(f"SELECT * {rows}").to_arrow_table()
    keys = {kind: sorted(keys) for kind, keys in changes.keys.items()}
    return Frame(generation, keys, tables)


def used_rows(connection: Connection, key: str, values: Any) -> set[int]:
    """Return the vector rows in use among those with one of some values of a column."""
    if not values:
        return set()
    condition = in_list(key, values)
    query = " UNION ".join(f"SELECT row FROM {name} WHERE {condition}" for name in KEYS["seq"])
    return {int(row) for (row,) in connection.execute(query).fetchall()}


def replay(connection: Connection, frames: Sequence[Frame]) -> None:
    """Apply frames to a copy of their snapshot, within the caller's transaction."""
    for frame in frames:
        for kind, name in _tables():
            if frame.keys.get(kind):
                connection.execute(f"DELETE FROM {name} WHERE {in_list(kind, frame.keys[kind])}")
        for name, table in frame.tables.items():
            connection.register("frame", table)
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM frame")
            connection.unregister("frame")


def in_list(column: str, keys: Any) -> str:
    """Return a condition: the column is one of some whole numbers."""
    low, high = min(keys), max(keys)
    listed = ", ".join(map(str, sorted(keys)))
    # The range lets DuckDB pass over the parts of the table that have none of them.
    return f"{column} BETWEEN {low} AND {high} AND {column} IN ({listed})"


def _tables() -> Iterator[tuple[str, str]]:
    return ((kind, name) for kind, names in KEYS.items() for name in names)
