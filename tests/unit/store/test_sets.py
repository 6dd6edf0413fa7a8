"""Several sets of vectors in one collection's database."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from embedkit.errors import StorageError
from embedkit.store import database, sets
from embedkit.store.layout import Layout
from embedkit.store.manifest import Model, VectorSet
from embedkit.store.vectors import VectorWriter, content_key

OLD = VectorSet(0, Model("a", "model a", 4), 3)
NEW = VectorSet(5, Model("b", "model b", 8, "int8"), 3)


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@pytest.fixture
def connection(layout):
    with database.connect_writer(layout) as connection:
        yield connection


def write(layout, vectors, texts):
    rows, keys = layout.vectors(vectors.number, vectors.model.precision)
    file = VectorWriter(rows, keys, vectors.model.dim, 0, vectors.model.precision)
    file.append([content_key(t) for t in texts], np.eye(len(texts), file.dim, dtype=np.float32))
    return file


def fill(connection, texts):
    for seq, text in enumerate(texts):
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, 1)", [seq, str(seq), text, seq])


def rows(connection):
    return [row for (row,) in connection.execute("SELECT row FROM records ORDER BY seq").fetchall()]


def test_sets_are_read_as_they_were_written(connection):
    assert sets.current_set(connection) == 0
    assert sets.other_sets(connection) == ()
    moment = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
    kept = VectorSet(3, OLD.model, 7, moment)
    for vectors in (NEW, kept, VectorSet(5, NEW.model, 9)):
        sets.write_set(connection, vectors)
    assert sets.other_sets(connection) == (kept, VectorSet(5, NEW.model, 9))
    sets.remove_set(connection, 3)
    assert [vectors.number for vectors in sets.other_sets(connection)] == [5]


def test_a_number_is_never_used_twice(connection, layout):
    assert sets.unused_number(connection, layout) == 1
    sets.write_set(connection, NEW)
    assert sets.unused_number(connection, layout) == 6
    (layout.root / "vectors-11.bit").touch()
    (layout.root / "vectors-x.f32").touch()
    assert sets.unused_number(connection, layout) == 12


def test_every_record_is_pointed_at_its_vector_by_content(connection, layout):
    fill(connection, ["red", "green", "red", "blue"])
    file = write(layout, NEW, ["blue", "unused", "red", "green", "red"])
    sets.write_set(connection, NEW)
    with database.commit(connection, layout):
        sets.use_set(connection, OLD, NEW, file)
    assert rows(connection) == [2, 3, 2, 0], "the first row of each content"
    assert sets.current_set(connection) == 5
    (kept,) = sets.other_sets(connection)
    assert (kept.number, kept.model, kept.rows) == (0, OLD.model, 3)
    assert kept.retired is not None


def test_a_record_without_a_vector_keeps_everything_as_it_was(connection, layout):
    fill(connection, ["red", "green"])
    file = write(layout, NEW, ["red"])
    with (
        pytest.raises(StorageError, match="1 texts have no vector of model b"),
        database.commit(connection, layout),
    ):
        sets.use_set(connection, OLD, NEW, file)
    assert rows(connection) == [0, 1]
    assert sets.current_set(connection) == 0
    assert sets.other_sets(connection) == ()


def test_names_and_sizes_of_files(layout):
    assert sets.vector_names(layout, OLD, NEW) == {
        "vectors.f32", "vectors.keys", "vectors-5.i8", "vectors-5.keys",
    }  # fmt: skip
    write(layout, NEW, ["a", "b"])
    told = sets.describe(layout, NEW)
    assert (told.bytes, told.precision, told.vectors) == (2 * (8 + 32), "int8", 3)
