"""Is everything in a collection's folder what was written? Reads all of it, changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from embedkit.errors import CollectionLockedError, DamagedError, StorageError
from embedkit.quantized import row_bytes
from embedkit.store.database import (
    committed,
    expected_commits,
    scalar,
    translated,
)
from embedkit.store.layout import Layout
from embedkit.store.lock import WriterLock
from embedkit.store.manifest import IndexEntry, Manifest, VectorSet
from embedkit.store.passages import largest_row
from embedkit.store.published import open_vectors
from embedkit.store.sets import current_set
from embedkit.store.snapshot import Snapshot
from embedkit.store.vectors import file_size
from embedkit.types import Finding


def check(layout: Layout, *, thorough: bool = True) -> list[Finding]:
    """Check each part of a collection.

    Parameters
    ----------
    thorough : bool
        Read every byte; otherwise large files are checked in samples, as on each open.

    Returns
    -------
    list of Finding
        One for the manifest, the published records, the vectors, the index, the writer's database
        and the calibration, where there is one; where the manifest is damaged, only that one.
    """
    try:
        manifest = Manifest.read(layout.manifest)
    except (FileNotFoundError, DamagedError) as error:
        return [Finding("manifest", False, _message(error), _remedy(layout))]
    return list(_parts(layout, manifest, thorough))


def _parts(layout: Layout, manifest: Manifest, thorough: bool) -> Iterator[Finding]:
    yield Finding("manifest", True, f"generation {manifest.generation}")
    yield _finding(
        layout,
        "records",
        lambda: check_records(layout, manifest, thorough=thorough),
        f"{manifest.records:,} records",
    )
    yield _finding(
        layout,
        "vectors",
        lambda: check_vectors(layout, manifest, thorough=thorough),
        _described(manifest.vectors),
    )
    for kept in manifest.sets:
        yield _finding(
            layout, "kept vectors", partial(_check_set, layout, kept, thorough), _described(kept)
        )
    entry = manifest.index
    if entry is not None:
        yield _finding(
            layout,
            "index",
            lambda: check_index(layout, entry, thorough=thorough),
            entry.resolved,
            remedy=f"run: embedkit rebuild {layout.root.name}",
        )
    lexical = manifest.lexical
    if lexical is not None:
        yield _finding(
            layout,
            "lexical",
            lambda: check_index(layout, lexical, thorough=thorough),
            "the index of words",
            remedy=f"run: embedkit rebuild {layout.root.name}",
        )
    yield _finding(layout, "work", lambda: check_work(layout, manifest), "the writer's database")
    if layout.calibration.exists():
        yield _finding(
            layout,
            "calibration",
            lambda: check_calibration(layout),
            "what judgements told",
            remedy=f"calibrate again, or run: embedkit calibrate -c {layout.root.name} --forget",
        )


def check_records(layout: Layout, manifest: Manifest, *, thorough: bool) -> None:
    """Raise StorageError unless the published records are what was written."""
    path = layout.records(manifest.snapshot)
    manifest.database.check(path, thorough=thorough)
    snapshot = Snapshot(layout, manifest)
    try:
        snapshot.advance(manifest)
        with translated(path):
            count = scalar(snapshot.cursor(manifest), "SELECT count(*) FROM records")
    finally:
        snapshot.close()
    if count != manifest.records:
        raise DamagedError(f"{path} holds {count:,} records, expected {manifest.records:,}")


def check_vectors(layout: Layout, manifest: Manifest, *, thorough: bool) -> None:
    """Raise StorageError unless the published vectors are what was written."""
    _check_set(layout, manifest.vectors, thorough)


def _check_set(layout: Layout, vectors: VectorSet, thorough: bool) -> None:
    open_vectors(layout, vectors).check(thorough=thorough)


def _described(vectors: VectorSet) -> str:
    model = vectors.model
    kept = "" if model.precision == "float32" else f" as {model.precision}"
    return f"{vectors.rows:,} vectors of width {model.dim}{kept}, by {model.model_id}"


def check_index(layout: Layout, entry: IndexEntry, *, thorough: bool) -> None:
    """Raise StorageError unless the index's files are what was written."""
    from embedkit.indexes import files

    folder = layout.root / entry.folder
    entry.files.check(folder / "files.json", thorough=thorough)
    files.check(folder, do="")


def check_calibration(layout: Layout) -> None:
    """Raise StorageError unless what judgements told is what was written."""
    from embedkit.retrieval.confidence import load

    load(layout.root)


def check_work(layout: Layout, manifest: Manifest) -> None:
    """Raise StorageError unless the writer's database is whole.

    Passes while a writer has it, and where nobody could write: DuckDB cannot open it then.
    """
    if layout.work.exists() and not os.access(layout.root, os.W_OK):
        return
    try:
        with WriterLock(layout.lock, layout.root.name):
            check_work_locked(layout, manifest)
    except CollectionLockedError:
        return


def check_work_locked(layout: Layout, manifest: Manifest) -> None:
    """Check the writer's database while holding the lock."""
    import duckdb

    if not layout.work.exists():
        raise DamagedError(f"{layout.work} is missing")
    with translated(layout.work):
        connection = duckdb.connect(layout.work)
        try:
            # Every column of every row is read, so that a damaged block is met here.
            names = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
            for name in names:
                connection.execute(f"SELECT max(hash(t)) FROM {name} AS t").fetchone()
            count, rows = committed(connection), largest_row(connection) + 1
            number = current_set(connection)
        finally:
            connection.close()
    counted = expected_commits(layout)
    if counted is None:
        raise DamagedError(f"{layout.commits} is damaged")
    expected = max(manifest.commits, counted)
    if count < expected:
        raise DamagedError(
            f"{layout.work} has lost the last {expected - count} of {expected} commits"
        )
    if number != manifest.vector_set:
        return  # a change of models that was not published: the next writer undoes it
    model = manifest.model
    path, _ = layout.vectors(number, model.precision)
    size = file_size(path) // row_bytes(model.precision, model.dim)
    if rows > max(size, manifest.vector_rows):
        raise DamagedError(f"{layout.work} uses {rows:,} vectors, there are {size:,}")


def _finding(
    layout: Layout, part: str, work: Callable[[], None], detail: str, remedy: str = ""
) -> Finding:
    try:
        work()
    except StorageError as error:
        return Finding(part, False, error.message, remedy or _remedy(layout))
    except FileNotFoundError as error:
        return Finding(part, False, f"{error.filename} is missing", remedy or _remedy(layout))
    return Finding(part, True, detail)


def _message(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} is missing"
    return error.message if isinstance(error, DamagedError) else str(error)


def _remedy(layout: Layout) -> str:
    return f"run: embedkit doctor {layout.root.name} --repair"
