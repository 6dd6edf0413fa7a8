"""Whatever happens to the file, a wrong row never answers and the work goes on."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from embedkit.caching import Space, VectorCache, database
from embedkit.errors import StorageError
from embedkit.store.vectors import content_key

SPACE = Space("m", "document", 96)
N = 2000
KEYS = [content_key(str(i)) for i in range(N)]
ROWS = np.random.default_rng(0).standard_normal((N, 96)).astype(np.float32)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    caplog.set_level(logging.WARNING, "embedkit")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A cache that nobody has open."""
    cache = VectorCache(tmp_path, bound=10**9)
    cache.put(SPACE, KEYS, ROWS)
    cache.close()
    assert not cache.path.with_name("vectors.sqlite-wal").exists()
    return cache.path


def reopened(file: Path) -> VectorCache:
    return VectorCache(file.parents[1], bound=10**9)


def sound(cache: VectorCache) -> int:
    """Return how many rows answer, after making sure that each is right."""
    places, rows = cache.get(SPACE, KEYS)
    assert rows.tobytes() == ROWS[places].tobytes()
    return len(places)


def works(cache: VectorCache) -> bool:
    """Whether all rows are there once they were put again."""
    cache.put(SPACE, KEYS, ROWS)
    return sound(cache) == N


def change(file: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(file) as db:
        assert db.execute(statement, values).rowcount == 1
    db.close()


def test_a_damaged_row_is_a_miss_and_goes(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(file.read_bytes())
    at = data.find(ROWS[1234].tobytes())
    assert at > 0
    data[at + 17] ^= 4
    file.write_bytes(data)
    cache = reopened(file)
    assert KEYS[1234] in {bytes(key) for key in cache.contents(SPACE)}
    places, _ = cache.get(SPACE, KEYS)
    assert sorted(set(range(N)) - set(places.tolist())) == [1234]
    assert KEYS[1234] not in {bytes(key) for key in cache.contents(SPACE)}
    cache.put(SPACE, [KEYS[1234]], ROWS[[1234]])
    assert sound(cache) == N
    assert sound(reopened(file)) == N
    assert caplog.records == [], "one row is no reason to worry a person"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blocks SET sums = x'00' WHERE id = 2",
        "UPDATE blocks SET contents = 7 WHERE id = 2",
        "UPDATE blocks SET contents = substr(contents, 1, 21) WHERE id = 2",
        "UPDATE vectors SET rows = NULL WHERE block = 2",
        "UPDATE vectors SET rows = substr(rows, 5) WHERE block = 2",
        "UPDATE vectors SET rows = (SELECT rows FROM vectors WHERE block = 3) WHERE block = 2",
        "DELETE FROM vectors WHERE block = 2",
        "DELETE FROM blocks WHERE id = 2",
        "UPDATE blocks SET space = 1 WHERE id = 2",
        "UPDATE blocks SET used = 'x' WHERE id = 2",
        "UPDATE spaces SET model_id = x'ff'",
        "UPDATE spaces SET dim = 'wide'",
    ],
)
def test_tables_that_do_not_fit_together(
    file: Path, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    change(file, statement)
    cache = reopened(file)
    cache.info()
    assert sound(cache) <= N
    assert works(cache)
    cache.info()
    assert cache.clear() >= N
    assert caplog.records == []


def test_a_flipped_byte_anywhere(file: Path) -> None:
    whole = file.read_bytes()
    moments = random.Random(5)
    for at in [*range(0, 100, 7), *(moments.randrange(len(whole)) for _ in range(60))]:
        data = bytearray(whole)
        data[at] ^= 1 << moments.randrange(8)
        file.write_bytes(data)
        cache = reopened(file)
        sound(cache)
        cache.info()
        cache.put(SPACE, KEYS, ROWS)
        sound(cache)
        cache.close()


def test_a_stretch_of_zeros_anywhere(file: Path) -> None:
    whole = file.read_bytes()
    for page in range(len(whole) // database.PAGE):
        data = bytearray(whole)
        data[page * database.PAGE : (page + 1) * database.PAGE] = bytes(database.PAGE)
        file.write_bytes(data)
        cache = reopened(file)
        sound(cache)
        cache.info()
        cache.put(SPACE, KEYS, ROWS)
        cache.put(SPACE, KEYS, ROWS)
        assert sound(cache) > N // 2, page
        cache.close()


@pytest.mark.parametrize(
    "garbage", [b"garbage" * 99, b"SQLite format 3\0" + os.urandom(5000), b"\0" * 70_000]
)
def test_garbage_is_set_aside_and_said_once(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / ".cache" / "vectors.sqlite"
    file.parent.mkdir()
    file.write_bytes(garbage)
    cache = VectorCache(tmp_path, bound=10**9)
    assert sound(cache) == 0
    assert works(cache)
    assert len(caplog.records) == 1
    assert "is damaged" in caplog.text
    assert file.with_name("vectors.sqlite.damaged").read_bytes() == garbage
    cache.clear()
    assert not file.with_name("vectors.sqlite.damaged").exists()


def test_an_error_that_quotes_a_damaged_name(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite says which table is malformed; Python cannot decode what it says."""
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"CREATE TABLE blocks", b"CREATE TABLE bl\xf3cks"))
    assert sound(reopened(file)) == 0
    file.write_bytes(whole.replace(b"blocks_of_space", b"bl\xf3cks_of_sp\xffce"))
    assert works(reopened(file))


def test_rows_without_a_block_do_not_fill_the_cache(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("DELETE FROM blocks")
    db.close()
    cache = VectorCache(file.parents[1], bound=file.stat().st_size)
    cache.put(SPACE, KEYS[:500], ROWS[:500])
    cache.put(SPACE, KEYS[500:900], ROWS[500:900])
    assert sound(cache) == 900


def test_garbage_met_while_writing(tmp_path: Path) -> None:
    file = tmp_path / ".cache" / "vectors.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"garbage" * 99)
    assert works(VectorCache(tmp_path, bound=10**9))


def test_a_cut_file(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = file.read_bytes()
    for length in (1, 99, 4096, 65536, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        cache = reopened(file)
        sound(cache)
        cache.put(SPACE, KEYS, ROWS)
        cache.put(SPACE, KEYS, ROWS)
        sound(cache)
        cache.close()
        assert works(reopened(file)), length


def test_a_database_of_somebody_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / ".cache" / "vectors.sqlite"
    file.parent.mkdir()
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE songs (name)")
        db.execute("INSERT INTO songs VALUES ('x')")
    db.close()
    assert works(VectorCache(tmp_path, bound=10**9))
    assert "not a vector cache" in caplog.text
    with sqlite3.connect(file.with_name("vectors.sqlite.damaged")) as db:
        assert db.execute("SELECT * FROM songs").fetchall() == [("x",)]
    db.close()


def test_a_later_version_is_left_alone(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = file.read_bytes()
    cache = reopened(file)
    assert sound(cache) == 0
    cache.put(SPACE, KEYS, ROWS)
    assert file.read_bytes() == before
    assert "another version" in caplog.text


@pytest.mark.parametrize("place", ["home", "home/.cache"])
def test_a_file_where_the_folder_should_be(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("in the way")
    cache = VectorCache(tmp_path / "home", bound=10**9)
    for _ in range(3):
        assert sound(cache) == 0
        cache.put(SPACE, KEYS, ROWS)
    assert cache.info().entries == 0
    assert len(caplog.records) == 1
    assert "going on without it" in caplog.text


def test_a_folder_where_the_file_should_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".cache" / "vectors.sqlite").mkdir(parents=True)
    cache = VectorCache(tmp_path, bound=10**9)
    cache.put(SPACE, KEYS, ROWS)
    assert sound(cache) == 0
    assert "cannot be used" in caplog.text
    with pytest.raises(StorageError, match="cannot change the vector cache"):
        cache.clear()


def test_locked_for_long(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = reopened(file)
    more = [content_key("more")]
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        cache.put(SPACE, more, ROWS[:1])
        assert sound(cache) == N, "who writes keeps nobody from reading"
    assert len(caplog.records) == 1
    assert "locked" in caplog.text
    with pytest.raises(StorageError, match="locked"):
        cache.clear()
    holder.execute("ROLLBACK")
    holder.close()
    cache.put(SPACE, more, ROWS[:1])
    assert len(cache.get(SPACE, more)[0]) == 0, "left alone for a minute"
    monkeypatch.setattr(
        database.time, "monotonic", lambda clock=database.time.monotonic: clock() + 61
    )
    cache.put(SPACE, more, ROWS[:1])
    assert len(cache.get(SPACE, more)[0]) == 1


def test_a_forked_process_opens_the_file_for_itself(file: Path) -> None:
    cache = reopened(file)
    assert sound(cache) == N
    child = os.fork()
    if not child:
        cache.put(SPACE, [content_key("child")], ROWS[:1])
        os._exit(0 if len(cache.get(SPACE, [content_key("child")])[0]) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(cache.get(SPACE, [content_key("child")])[0]) == 1
    assert works(cache)
