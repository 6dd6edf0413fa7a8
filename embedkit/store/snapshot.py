"""The records of one snapshot and of the generations that deltas make of it, in one database.

The snapshot is attached, read-only. What deltas changed lies beside it in memory, each row with the
generation that brought it and the one that replaced it, so that views of several generations read
at once, and a new one costs what it changed. A generation without a delta is the snapshot itself.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from embedkit.store.arrow import int64_array
from embedkit.store.database import Connection, connect_reader, translated
from embedkit.store.deltas import KEYS, DeltaFile, Frame
from embedkit.store.layout import Layout
from embedkit.store.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS = ("seq",)
LEDGER = tuple(kind for kind in KEYS if kind not in RECORDS)


class Overlay:
    """Tables in memory of what frames changed, beside the snapshot attached as ``published``.

    Parameters
    ----------
    connection : Connection
    kinds : sequence of str, optional
        Kinds of keys (see :data:`~embedkit.store.deltas.KEYS`) whose tables it is for.
    """

    def __init__(self, connection: Connection, kinds: Sequence[str] = tuple(KEYS)) -> None:
        self._connection = connection
        self._kinds = kinds
        self._largest: dict[str, int] = {}
        self._hiding: set[str] = set()
        self._made: set[str] = set()
        self._places: dict[str, set[int]] = {}

    def load(self, frames: Sequence[Frame]) -> None:
        """Take in frames that follow the ones before; many cost no more statements than one."""
        for kind in self._kinds:
            changed = [(key, frame.generation) for frame in frames for key in frame.keys[kind]]
            if changed:
                self._load(kind, changed, frames)

    def define(self, schema: str, generation: int) -> None:
        """Make the views of a generation, in a schema of their own."""
        for kind in self._kinds:
            for name in KEYS[kind]:
                if name not in self._places and kind not in self._hiding:
                    continue  # the snapshot's own table says it all
                self._make(kind, name)
                self._connection.execute(
                    f"CREATE VIEW {schema}.{name} AS SELECT * FROM published.{name} AS p"
                    f" ANTI JOIN (SELECT key FROM memory.hidden_{kind} WHERE born <= {generation})"
                    f" AS h ON p.{kind} = h.key UNION ALL"
                    f" SELECT * EXCLUDE (born, died) FROM memory.new_{name}"
                    f" WHERE born <= {generation} AND (died IS NULL OR died > {generation})"
                )

    def _make(self, kind: str, name: str) -> None:
        """Make the tables beside one of the snapshot's, where they are not there."""
        run = self._connection.execute
        if kind not in self._largest:
            run(f"CREATE TABLE memory.hidden_{kind} (key BIGINT, born BIGINT)")
            found = run(f"SELECT max({kind}) FROM published.{KEYS[kind][0]}").fetchall()
            self._largest[kind] = found[0][0] if found[0][0] is not None else -1
        if name not in self._made:
            run(
                f"CREATE TABLE memory.new_{name} AS SELECT *, 0::BIGINT AS born,"
                f" 0::BIGINT AS died FROM published.{name} LIMIT 0"
            )
            self._made.add(name)

    def _load(self, kind: str, changed: list[tuple[int, int]], frames: Sequence[Frame]) -> None:
        import pyarrow as pa

        self._make(kind, KEYS[kind][0])
        # A key that the snapshot cannot have hides nothing there.
        hidden = [pair for pair in changed if pair[0] <= self._largest[kind]]
        if hidden:
            self._hiding.add(kind)
            self._insert(f"hidden_{kind}", _pairs(hidden))
        for name in KEYS[kind]:
            there = self._places.get(name, set())
            replaced = [pair for pair in changed if pair[0] in there]
            if replaced:
                self._end(kind, name, replaced)
            holding = [frame for frame in frames if name in frame.tables]
            if holding:
                self._make(kind, name)
                tables = [_dated(frame, kind, name, changed) for frame in holding]
                self._insert(f"new_{name}", pa.concat_tables(tables))
                keys = (key for table in tables for key in table.column(kind).to_pylist())
                self._places.setdefault(name, set()).update(keys)

    def _insert(self, name: str, table: pa.Table) -> None:
        self._connection.register("fresh", table)
        self._connection.execute(f"INSERT INTO memory.{name} BY NAME FROM fresh")
        self._connection.unregister("fresh")

    def _end(self, kind: str, name: str, replaced: list[tuple[int, int]]) -> None:
        """Note which generation replaced rows that earlier frames brought."""
        self._connection.register("replaced", _pairs(replaced))
        self._connection.execute(
            f"UPDATE memory.new_{name} SET died = r.born FROM"
            " (SELECT key, min(born) AS born FROM replaced GROUP BY key) AS r"
            f" WHERE died IS NULL AND {kind} = r.key"
        )
        self._connection.unregister("replaced")


def _pairs(changed: list[tuple[int, int]]) -> pa.Table:
    import pyarrow as pa

    keys, born = (int64_array(numbers) for numbers in zip(*changed, strict=True))
    return pa.table({"key": keys, "born": born})


def _dated(frame: Frame, kind: str, name: str, changed: list[tuple[int, int]]) -> pa.Table:
    """Return rows of a frame, each with the generation that brought it and that replaced it."""
    table = frame.tables[name]
    # Of several later generations the first one counts, which comes last here.
    later = {key: after for key, after in reversed(changed) if after > frame.generation}
    born = int64_array([frame.generation] * table.num_rows)
    died = [later.get(key) for key in table.column(kind).to_pylist()]
    return table.append_column("born", born).append_column("died", int64_array(died))


class Snapshot:
    """A published snapshot and its deltas, opened once for all views of them. Thread-safe.

    Raises
    ------
    DamagedError
        The file is not what was published.
    """

    def __init__(self, layout: Layout, manifest: Manifest, *, do: str = "") -> None:
        path = layout.records(manifest.snapshot)
        manifest.database.check(path, do=do)
        self._path, self._digest, self._layout = path, manifest.database, layout
        self.connection = connect_reader(path)
        self._file = DeltaFile(layout.delta(manifest.snapshot))
        self._frames: list[Frame] = []
        self._overlays: dict[Sequence[str], Overlay] = {}
        self._ledger_frames = 0
        self._defined: dict[int, set[Sequence[str]]] = {}
        self._lock = threading.RLock()
        self.whole = True
        """False once something was taken in by half: views that come open the files anew."""

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def serves(self, manifest: Manifest) -> bool:
        """Whether a generation is made of this snapshot."""
        same = manifest.database == self._digest and (
            self._layout.records(manifest.snapshot) == self._path
        )
        return (
            self.whole
            and same
            and (manifest.delta.size if manifest.delta else 0) >= self._file.size
        )

    def advance(self, manifest: Manifest) -> list[Frame]:
        """Take in what the generations since the last one changed, and return it.

        Raises
        ------
        DamagedError
        """
        if manifest.delta is None:
            return []
        with self._changing():
            frames = self._file.advance(manifest.delta)
            self._overlay(RECORDS).load(frames)
            self._frames += frames
            return frames

    def cursor(self, manifest: Manifest, *, ledger: bool = False) -> Connection:
        """Return a connection for one thread, to which the tables are those of a generation.

        Parameters
        ----------
        ledger : bool
            Also the tables of the ledger; otherwise these may be of an earlier generation.
        """
        cursor = self.connection.cursor()
        if manifest.delta is None:
            cursor.execute("USE published")
            return cursor
        schema = f"memory.g{manifest.generation}"
        with self._changing():
            self._define(schema, manifest.generation, RECORDS)
            if ledger:
                self._overlay(LEDGER).load(self._frames[self._ledger_frames :])
                self._ledger_frames = len(self._frames)
                self._define(schema, manifest.generation, LEDGER)
        cursor.execute(f"SET search_path = '{schema},published.main'")
        return cursor

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock, translated(self._file.path):
            try:
                yield
            except BaseException:
                # Ctrl-C, say: the file may be read further than the tables know.
                self.whole = False
                raise

    def _overlay(self, kinds: Sequence[str]) -> Overlay:
        if kinds not in self._overlays:
            self._overlays[kinds] = Overlay(self.connection.cursor(), kinds)
        return self._overlays[kinds]

    def _define(self, schema: str, generation: int, kinds: Sequence[str]) -> None:
        there = self._defined.get(generation)
        if there is None:
            self.connection.execute(f"CREATE SCHEMA {schema}")
            there = self._defined[generation] = set()
        if kinds not in there:
            self._overlay(kinds).define(schema, generation)
            there.add(kinds)
