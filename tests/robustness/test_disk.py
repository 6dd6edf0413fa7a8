"""A disk that is full or may not be written: one error that says what to do; nothing is lost."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

import embedkit

pytestmark = pytest.mark.slow

ROWS = 2000


def reader(worker, home: Path, tmp_path: Path) -> embedkit.Collection:
    return embedkit.open("q", home=home, embedder=worker.LoggingEmbedder(tmp_path / "other"))


def refused(process) -> str:
    """Return the one error that a worker ended with."""
    assert process.end() == 3, (process.lines, process.errors)
    assert process.errors == [], "no traceback, no warning"
    return process.lines[-1]


@pytest.mark.parametrize("limit", [30_000, 150_000])
def test_no_file_may_grow_beyond_a_limit(work, worker, home, tmp_path, logged, limit):
    """Which file meets the limit first differs: vectors, the database, its log, a copy."""
    reader(worker, home, tmp_path).upsert(worker.rows(10))
    said = refused(work("small_files", limit, ROWS))
    assert said.startswith("StorageError cannot write"), said
    assert "run the same command again" in said
    with reader(worker, home, tmp_path) as collection:
        published = {record.id for record in collection}
        assert {row["id"] for row in worker.rows(10)} <= published
        hits = collection.search("text 00003", k=1)
        assert hits[0].id == "r00003"
        assert [f for f in collection.check() if not f.ok] == []
    # Where there is room again, the same command goes on.
    process = work("index", ROWS)
    assert process.end() == 0, process.errors
    assert len(reader(worker, home, tmp_path)) == ROWS
    sent = logged()
    assert len(sent) - len(set(sent)) <= worker.BATCH


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few megabytes, where the system lets us have one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m,mode=777", "embedkit-test", str(place)],
        capture_output=True,
        check=False,
    )
    yield place if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_runs_full(work, worker, home, tmp_path, small_disk):
    """Without the right to mount, the limit on files above stands for the full disk."""
    place = small_disk or home
    filler = place / "filler"
    reader(worker, place, tmp_path).upsert(worker.rows(10))
    if small_disk is None:
        process = work("small_files", 200_000, ROWS, home=place)
    else:
        free = os.statvfs(place)
        filler.write_bytes(b"\1" * (free.f_bavail * free.f_frsize - 700_000))
        process = work("index", ROWS, home=place)
    said = refused(process)
    assert said.startswith("StorageError cannot write"), said
    assert "again" in said
    with reader(worker, place, tmp_path) as collection:
        assert {row["id"] for row in worker.rows(10)} <= {record.id for record in collection}
        assert [f for f in collection.check() if not f.ok] == []
    filler.unlink(missing_ok=True)
    process = work("index", ROWS, home=place)
    assert process.end() == 0, (process.lines[-1], process.errors)
    assert len(reader(worker, place, tmp_path)) == ROWS


def public(path: Path, mode: int) -> None:
    """Let everybody come as far as the path, and give it a mode."""
    for folder in path.parents:
        if folder == Path("/tmp") or not os.access(folder, os.W_OK):
            break
        folder.chmod(folder.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    path.chmod(mode)


def modes(root: Path, folders: int, files: int) -> None:
    for path in [root, *root.rglob("*")]:
        path.chmod(folders if path.is_dir() else files)


@pytest.fixture
def shared(worker, home, tmp_path):
    """A sound collection that any user could reach."""
    reader(worker, home, tmp_path).upsert(worker.rows(10))
    public(home, 0o755)
    yield home
    modes(home, 0o755, 0o644)


def test_a_home_that_may_be_read_only(work, shared):
    modes(shared, 0o555, 0o444)
    process = work("as_nobody", "read")
    assert process.end() == 0, (process.lines, process.errors)
    assert process.lines[-2:] == ["unsound", "hits r00001"]
    said = refused(work("as_nobody", "write"))
    assert said.startswith("StorageError cannot write"), said
    assert "--home" in said


def test_files_that_may_not_be_read(work, shared):
    modes(shared, 0o755, 0o600)
    said = refused(work("as_nobody", "read"))
    assert said.startswith("StorageError cannot read"), said
    assert "mend its permissions" in said


def test_a_home_that_may_not_be_entered(work, shared):
    shared.chmod(0o600)
    for what in ("read", "write"):
        said = refused(work("as_nobody", what))
        assert said.startswith("StorageError"), said
        assert "Permission denied" in said
