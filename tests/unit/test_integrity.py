"""Files that are what was written."""

from __future__ import annotations

import errno
import os

import pytest

from embedkit import integrity
from embedkit.errors import DamagedError, StorageError
from embedkit.integrity import FileDigest, copy_durably, storage_error, write_durably


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(300_000))
    return path


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("place", [0, 1, 150_000, 299_999])
def test_any_flipped_bit_of_a_small_file_is_found_on_each_open(file, place):
    digest = FileDigest.of(file)
    digest.check(file)
    flip(file, place)
    with pytest.raises(DamagedError, match="content is not what was written; do this"):
        digest.check(file, do="do this")


def test_a_large_file_is_sampled_and_read_whole_on_demand(file, monkeypatch):
    monkeypatch.setattr(integrity, "WHOLE", 10_000)
    monkeypatch.setattr(integrity, "PAGES", 4)
    digest = FileDigest.of(file)
    assert digest.sample != digest.sha256
    digest.check(file)
    digest.check(file, thorough=True)
    flip(file, 50_000)  # between two sampled pages
    digest.check(file)
    with pytest.raises(DamagedError):
        digest.check(file, thorough=True)
    flip(file, 50_000)
    flip(file, 299_999)  # the last page is always sampled
    with pytest.raises(DamagedError):
        digest.check(file)


@pytest.mark.parametrize("size", [0, 299_999, 300_001])
def test_another_size_is_found_and_both_are_named(file, size):
    digest = FileDigest.of(file)
    os.truncate(file, size)
    with pytest.raises(DamagedError, match=rf"expected 300,000 bytes, got {size:,}"):
        digest.check(file)


def test_a_missing_file_is_damage_and_a_folder_cannot_be_read(file, tmp_path):
    digest = FileDigest.of(file)
    with pytest.raises(DamagedError, match="is missing; mend it"):
        digest.check(tmp_path / "nowhere", do="mend it")
    folder = tmp_path / "folder"
    folder.mkdir()
    size = folder.stat().st_size
    with pytest.raises(StorageError):
        FileDigest(size, digest.sha256, digest.sample).check(folder)


def test_a_digest_survives_json(file):
    digest = FileDigest.of(file)
    assert FileDigest.from_dict(digest.to_dict()) == digest


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_durably(path, b"old")
    write_durably(path, b"new")
    assert path.read_bytes() == b"new"

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"cannot write .*No space left.*free some space"):
            write_durably(path, b"newer")
        with pytest.raises(StorageError, match="No space left"):
            copy_durably(path, tmp_path / "copy")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"], "nothing half-written stays"
    copy_durably(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space and run the same command again"),
        (errno.EDQUOT, "free some space"),
        (errno.EACCES, "--home"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "a file of that name"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "check the disk"),
    ],
)
def test_every_refusal_says_what_to_do(number, remedy):
    error = storage_error(OSError(number, os.strerror(number)), "a/path")
    assert str(error).startswith(f"cannot write a/path: {os.strerror(number)}; ")
    assert remedy in str(error)
    assert "cannot read a/path" in str(storage_error(OSError(number, "x"), "a/path", doing="read"))
