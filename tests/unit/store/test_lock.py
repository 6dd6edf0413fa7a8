"""One writer at a time."""

from __future__ import annotations

import os
import re

import pytest

from embedkit.errors import CollectionLockedError, StorageError
from embedkit.store.lock import WriterLock


def test_the_second_is_told_who_the_first_is_and_comes_after_it(tmp_path):
    path = tmp_path / "lock"
    with WriterLock(path, "q"):
        with pytest.raises(CollectionLockedError) as caught, WriterLock(path, "q"):
            pass
        said = str(caught.value)
        assert re.search(
            rf"'q' is being written by process {os.getpid()} on .+ since \d{{4}}-", said
        )
        assert "searching goes on meanwhile" in said
        assert isinstance(caught.value, BlockingIOError)
    with WriterLock(path, "q"):
        pass


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b"{}", b"\xff"])
def test_what_the_file_says_matters_to_nobody_but_the_reader(tmp_path, content):
    path = tmp_path / "lock"
    path.write_bytes(content)
    with WriterLock(path, "q"):
        path.write_bytes(content)
        with (
            pytest.raises(CollectionLockedError, match="by another process"),
            WriterLock(path, "q"),
        ):
            pass


def test_a_refusal_of_the_system_is_no_lock(tmp_path):
    with pytest.raises(StorageError) as caught, WriterLock(tmp_path / "no" / "lock", "q"):
        pass
    assert not isinstance(caught.value, CollectionLockedError)


def test_a_lock_on_a_folder_that_was_deleted_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    from embedkit.store import lock

    folder = tmp_path / "q"
    folder.mkdir()
    acquire, calls = lock._acquire, []

    def deleted_before(descriptor):
        if not calls:
            (folder / "lock").unlink()
            folder.rmdir()
        calls.append(descriptor)
        acquire(descriptor)

    monkeypatch.setattr(lock, "_acquire", deleted_before)
    with lock.WriterLock(folder / "lock", "q"):
        assert len(calls) == 2
        with pytest.raises(CollectionLockedError), lock.WriterLock(folder / "lock", "q"):
            raise AssertionError("two writers at once")
