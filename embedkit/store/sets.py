"""Sets of vectors: what each model that a collection knows has made of its texts.

The records use one set, the current one; others are being filled by a model that the collection is
to change to, or are kept so that it can change back. Rows describe themselves by the key of their
content, so a set is complete when it has a row for the text of every record.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from embedkit.errors import StorageError
from embedkit.quantized import check_precision
from embedkit.store.database import Connection, scalar, write_commits
from embedkit.store.layout import Layout
from embedkit.store.manifest import Manifest, Model, VectorSet
from embedkit.store.passages import texts_of_rows
from embedkit.store.vectors import VectorFile, file_size
from embedkit.types import KeptVectors

CONTENT = "unhex(left(sha256({}), 32))"
"""SQL for the key of a text's content."""


def current_set(connection: Connection) -> int:
    """Return the number of the set that the records' rows are in."""
    return int(scalar(connection, "SELECT value FROM meta WHERE key = 'vector_set'") or 0)


def note_own_vectors(connection: Connection) -> None:
    """Note that the user brought vectors: records of one row may then have different texts."""
    if not has_own_vectors(connection):
        connection.execute("INSERT INTO meta VALUES ('own_vectors', 1)")


def has_own_vectors(connection: Connection) -> bool:
    """Whether the user ever brought vectors for some records."""
    return bool(scalar(connection, "SELECT value FROM meta WHERE key = 'own_vectors'"))


def other_sets(connection: Connection) -> tuple[VectorSet, ...]:
    """Return the sets that the records do not use, in the order of their numbers."""
    rows = connection.execute(
        "SELECT number, spec, model_id, dim, precision, rows, retired FROM vector_sets"
        " ORDER BY number"
    ).fetchall()
    return tuple(
        VectorSet(
            number,
            Model(spec, model_id, dim, check_precision(precision)),
            count,
            retired and retired.replace(tzinfo=UTC),
        )
        for number, spec, model_id, dim, precision, count, retired in rows
    )


def write_set(connection: Connection, vectors: VectorSet) -> None:
    """Enter a set that the records do not use, or how it is now."""
    remove_set(connection, vectors.number)
    model, retired = vectors.model, vectors.retired
    connection.execute(
        "INSERT INTO vector_sets VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            vectors.number,
            model.spec,
            model.model_id,
            model.dim,
            model.precision,
            vectors.rows,
            retired and retired.astimezone(UTC).replace(tzinfo=None),
        ],
    )


def remove_set(connection: Connection, number: int) -> None:
    """Forget a set."""
    connection.execute("DELETE FROM vector_sets WHERE number = ?", [number])


def unused_number(connection: Connection, layout: Layout) -> int:
    """Return a number that no set has, nor any file that a dropped one may have left."""
    numbers = [current_set(connection), *(vectors.number for vectors in other_sets(connection))]
    for path in layout.root.glob("vectors-*"):
        found = re.match(r"vectors-(\d+)\.", path.name)
        numbers += [int(found[1])] if found else []
    return max(numbers) + 1


def register_contents(connection: Connection, name: str, vectors: VectorFile) -> None:
    """Make a table of (content, row) of all rows, under a name, until it is unregistered."""
    import numpy as np
    import pyarrow as pa

    contents = np.ascontiguousarray(vectors.contents)
    column = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), vectors.rows, [None, pa.py_buffer(contents.tobytes())]
    )
    rows = np.arange(vectors.rows, dtype=np.int64)
    connection.register(name, pa.table({"content": column, "row": rows}))


def use_set(connection: Connection, old: VectorSet, new: VectorSet, vectors: VectorFile) -> None:
    """Point every record and passage at its vector in another set, within the caller's transaction.

    Parameters
    ----------
    old : VectorSet
        The set that the records use; it is kept.
    new : VectorSet
    vectors : VectorFile
        The rows of the new set.

    Raises
    ------
    StorageError
        A record has no vector there; the transaction must be rolled back.
    """
    register_contents(connection, "target", vectors)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE moves AS SELECT seq, part, min(t.row) AS row"
        f" FROM {texts_of_rows(connection)} AS r"
        f" JOIN target AS t ON t.content = {CONTENT.format('r.text')} GROUP BY seq, part"
    )
    connection.unregister("target")
    moved = scalar(
        connection,
        "UPDATE records SET row = moves.row FROM moves"
        " WHERE moves.seq = records.seq AND moves.part = 0",
    )
    parts = scalar(
        connection,
        "UPDATE passages SET row = moves.row FROM moves"
        " WHERE moves.seq = passages.seq AND moves.part = passages.part",
    )
    connection.execute("DROP TABLE moves")
    left = int(scalar(connection, "SELECT count(*) FROM records")) - int(moved or 0)
    left += int(scalar(connection, "SELECT count(*) FROM passages")) - int(parts or 0)
    if left:
        raise StorageError(
            f"{left:,} texts have no vector of {new.model.model_id}",
            do="migrate again",
        )
    connection.execute("UPDATE meta SET value = ? WHERE key = 'vector_set'", [new.number])
    remove_set(connection, new.number)
    write_set(connection, VectorSet(old.number, old.model, old.rows, datetime.now(UTC)))


def undo_unpublished(layout: Layout, manifest: Manifest) -> None:
    """Put the published records in the place of the writer's database, which must be closed.

    For a process that died between pointing the records at another set and publishing that. All
    that was committed before had been published, so only the change of sets is undone.

    Raises
    ------
    DamagedError
        The published records are not what was written.
    """
    from embedkit.store.restore import restore

    published = layout.records(manifest.snapshot)
    do = f"run: embedkit doctor {layout.root.name} --repair"
    manifest.database.check(published, thorough=True, do=do)
    # First, since a count beside the database that is larger than its own is taken for a loss.
    write_commits(layout, manifest.commits)
    layout.work.with_name(layout.work.name + ".wal").unlink(missing_ok=True)
    restore(layout, manifest)


def vector_names(layout: Layout, *sets: VectorSet) -> set[str]:
    """Return the names of the files of sets."""
    files = [layout.vectors(vectors.number, vectors.model.precision) for vectors in sets]
    return {path.name for pair in files for path in pair}


def describe(layout: Layout, vectors: VectorSet) -> KeptVectors:
    """Return what is told of a set that is not in use."""
    model = vectors.model
    files = layout.vectors(vectors.number, model.precision)
    return KeptVectors(
        embedder=model.spec,
        model_id=model.model_id,
        dim=model.dim,
        precision=model.precision,
        vectors=vectors.rows,
        bytes=sum(map(file_size, files)),
        retired=vectors.retired,
    )
