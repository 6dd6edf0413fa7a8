"""Reading a collection: records, facts, the ledger; always the published state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embedkit import catalog
from embedkit.errors import DamagedError, InvalidInputError, RecordNotFoundError
from embedkit.model import ModelChoice, read_manifest
from embedkit.protocols import Embedder
from embedkit.store.layout import Layout, check_name
from embedkit.types import CollectionInfo, Passage, Record, RunInfo

if TYPE_CHECKING:
    from embedkit.store.view import View
    from embedkit.store.warm import Warm

_ATTEMPTS = 20

T = TypeVar("T")


class Reader:
    """Opens what was published last. Safe from several threads; never waits for a writer."""

    def __init__(self, name: str, home: Path, embedder: str | Embedder | None) -> None:
        self.name = check_name(name)
        self.home = home
        self.path = home / name
        self._layout = Layout(self.path)
        self._model = ModelChoice(self._layout, embedder)
        self._view: View | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._warm: Warm | None = None
        self._reading = threading.Lock()
        self._keeping = threading.Lock()
        catalog.check_home(home)
        self._model.check_given()

    @property
    def embedder(self) -> Embedder:
        """The embedder of this collection; a managed one with the home's cache before it.

        Raises
        ------
        ModelMismatchError
            It is not the model that filled the collection.
        UnsupportedOperationError
            The collection holds vectors of the user's own.
        """
        return self._model.embedder()

    def close(self) -> None:
        """Let go of the files. The collection can be used again; it then opens them again."""
        with self._reading, self._keeping:
            # Threads may be reading; the files are closed when the last of them lets go.
            self._view, self._warm = None, None

    def _kept(self) -> Warm:
        """Return what this process keeps of the collection from one call to the next."""
        from embedkit.store.warm import Warm

        # A lock of its own, since a reader that holds the other one asks too.
        with self._keeping:
            if self._warm is None:
                self._warm = Warm()
            return self._warm

    def _refreshed(self) -> View | None:
        """Return the view of the last published generation, or None before the first."""
        from embedkit.store.view import open_view

        with self._reading:
            stamp = _stamp(self._layout.manifest)
            if self._view is None or not self._view.whole or stamp != self._stamp:
                if stamp is None and read_manifest(self._layout) is None:
                    self._view = None
                else:
                    self._view = open_view(self._layout, self._view, self._kept().opened)
                self._stamp = stamp
            return self._view

    def _existing(self) -> View:
        view = self._refreshed()
        if view is None:
            raise catalog.not_found(self.home, self.name)
        return view

    def _read(self, work: Callable[[View], T]) -> T:
        """Do some reading on the present generation, again if it is replaced meanwhile."""
        from embedkit.store.database import database_errors
        from embedkit.store.view import ReplacedError

        for _ in range(_ATTEMPTS):
            view = self._existing()
            try:
                with database_errors(self._layout.records(view.manifest.snapshot)):
                    return work(view)
            except ReplacedError:
                with self._reading:
                    self._view = None
        raise DamagedError(
            f"{self.path} misses files of its index",
            do=f"run: embedkit doctor {self.name} --repair",
        )

    def _found(self, view: View, id: str) -> tuple[int, Record]:
        found = view.get(str(id))
        if found is None:
            raise self._unknown(view, id)
        return found

    def _unknown(self, view: View, id: str) -> RecordNotFoundError:
        example = self._example(view)
        return RecordNotFoundError(
            f"no record {id!r} in collection {self.name!r}",
            do=f"ids look like {example!r}" if example else "it is empty",
        )

    def _example(self, view: View) -> str:
        rows = view.query("SELECT id FROM records ORDER BY seq LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def get(self, id: str) -> Record:
        """Return a record.

        Raises
        ------
        RecordNotFoundError
        """
        return self._read(lambda view: self._found(view, id)[1])

    def passages(self, id: str) -> list[Passage]:
        """Return the passages of a record, in order; of one that is not cut, its whole text.

        Raises
        ------
        RecordNotFoundError
        """
        return self._read(lambda view: self._passages(view, id))

    def _passages(self, view: View, id: str) -> list[Passage]:
        text = self._found(view, id)[1].text
        cut: list[Passage] = []
        if view.passages is not None:
            ((seq,),) = view.query("SELECT seq FROM records WHERE id = ?", [str(id)])
            cut = view.passages.cut(seq, text)
        return cut or [Passage(1, 1, 0, len(text), text)]

    def having(self, ids: Sequence[str]) -> set[str]:
        """Return those of the ids that there are records of."""
        from embedkit.validate import is_unicode

        listed = [id for id in ids if is_unicode(id)]
        sql = "SELECT id FROM records WHERE id IN (SELECT unnest(?::VARCHAR[]))"
        return {str(row[0]) for row in self._read(lambda view: view.query(sql, [listed]))}

    def sample(self, n: int, *, seed: int = 0, where: str | None = None) -> list[Record]:
        """Return n records at random, or all where there are fewer; by the same seed the same.

        What is drawn stays, mostly, when records are added: two measurements can be compared.

        Raises
        ------
        FilterError
        """
        from embedkit.validate import check_k

        check_k(n, "n")
        return self._read(lambda view: view.sample(n, str(seed), where))

    def some_ids(self, n: int = 3) -> list[str]:
        """Return the ids of the first records, to show what ids look like."""
        sql = "SELECT id FROM records ORDER BY seq LIMIT ?"
        return [str(row[0]) for row in self._read(lambda view: view.query(sql, [n]))]

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self._read(lambda view: view.get(id)) is not None

    def __len__(self) -> int:
        view = self._refreshed()
        return view.manifest.records if view else 0

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in the order in which they came, as they are when this begins."""
        view = self._refreshed()
        return iter(view) if view else iter(())

    # -- about itself ---------------------------------------------------------------------------

    def info(self) -> CollectionInfo:
        """Describe the collection.

        Raises
        ------
        CollectionNotFoundError
        """
        from embedkit.store.sets import describe

        view = self._existing()
        manifest = view.manifest
        resolved = manifest.index.resolved if manifest.index else "not built yet"
        spec = manifest.index.spec if manifest.index else manifest.index_spec
        runs = self.runs()
        return CollectionInfo(
            name=self.name,
            path=str(self.path),
            records=manifest.records,
            embedder=manifest.model.spec,
            model_id=manifest.model.model_id,
            dim=manifest.model.dim,
            metric=manifest.metric,
            index=spec if spec == resolved else f"{spec} ({resolved})",
            generation=manifest.generation,
            bytes=self._layout.size(),
            columns={column.name: column.type for column in view.columns},
            updated=manifest.updated,
            last_run=runs[0] if runs else None,
            precision=manifest.model.precision,
            chunk=manifest.chunk,
            passages=view.count_passages(),
            kept=tuple(describe(self._layout, vectors) for vectors in manifest.sets),
            recall=manifest.recall,
            measurement=manifest.index.measurement if manifest.index else None,
        )

    def runs(self) -> list[RunInfo]:
        """Return the ledger of runs, the newest first, without their failures."""
        from embedkit.store import ledger

        return self._ledger(ledger.read_runs)

    def run(self, number: int) -> RunInfo:
        """Return one run with its failures.

        Raises
        ------
        InvalidInputError
            There is no such run.
        """
        from embedkit.store import ledger

        found = self._ledger(lambda connection: ledger.read_run(connection, number))
        if found is None:
            raise InvalidInputError(
                f"collection {self.name!r} has no run {number}", do="see: embedkit runs"
            )
        return found

    def _ledger(self, read: Callable[[Any], T]) -> T:
        return self._read(lambda view: read(view.ledger))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one published manifest from the next."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
