"""The file of vectors: what is appended, recovered, checked and mended."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from embedkit.errors import DamagedError, StorageError
from embedkit.store import vectors as module
from embedkit.store.vectors import (
    ENTRY,
    VectorFile,
    VectorWriter,
    content_key,
    row_checksums,
    vector_keys,
)

DIM = 6
ROW = DIM * 4


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "vectors.f32", tmp_path / "vectors.keys"


@pytest.fixture
def vectors(rng):
    return rng.standard_normal((10, DIM)).astype(np.float32)


KEYS = [content_key(f"text {i}") for i in range(10)]


@pytest.fixture
def filled(paths, vectors):
    writer = VectorWriter(*paths, DIM, 0)
    assert writer.append(KEYS[:4], vectors[:4]) == 0
    assert writer.append(KEYS[4:], vectors[4:]) == 4
    return paths


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 16
    path.write_bytes(data)


def test_what_is_appended_is_read_back(filled, vectors):
    file = VectorFile(*filled, DIM, 10)
    assert np.array_equal(file.matrix, vectors)
    assert [content.tobytes() for content in file.contents] == KEYS
    file.check(thorough=True)
    assert VectorFile(*filled, DIM, 3).matrix.shape == (3, DIM), "only what counts is looked at"


def test_nothing_at_all_is_a_file_too(paths):
    file = VectorFile(*paths, DIM, 0)
    assert file.matrix.shape == (0, DIM)
    assert len(file.contents) == 0
    file.check(thorough=True)
    assert VectorWriter(*paths, DIM, 0).append([], np.empty((0, DIM), np.float32)) == 0


@pytest.mark.parametrize("row", [0, 5, 9])
@pytest.mark.parametrize("where", ["vector", "content", "its checksum", "entry checksum"])
def test_every_row_says_of_itself_whether_it_is_sound(filled, row, where):
    place = {"content": 3, "its checksum": 17, "entry checksum": 30}
    if where == "vector":
        flip(filled[0], row * ROW + 7)
    else:
        flip(filled[1], row * ENTRY.itemsize + place[where])
    file = VectorFile(*filled, DIM, 10)
    assert file.damaged().tolist() == [row]
    with pytest.raises(
        DamagedError, match=f"1 of 10 vectors .* the first in row {row}; run: .*--repair"
    ):
        file.check()


def test_rows_that_changed_places_are_damaged(filled):
    for path, size in zip(filled, (ROW, ENTRY.itemsize), strict=True):
        data = path.read_bytes()
        path.write_bytes(data[size : 2 * size] + data[:size] + data[2 * size :])
    assert VectorFile(*filled, DIM, 10).damaged().tolist() == [0, 1]


@pytest.mark.parametrize("which", [0, 1])
def test_fewer_rows_than_were_committed_are_damage(filled, which):
    path = filled[which]
    os.truncate(path, path.stat().st_size - 1)
    for kind in (VectorFile, VectorWriter):
        with pytest.raises(DamagedError, match="fewer than the 10 vectors committed"):
            kind(*filled, DIM, 10)
    path.unlink()
    with pytest.raises(DamagedError):
        VectorFile(*filled, DIM, 10)


def test_whole_rows_beyond_the_committed_ones_are_kept_and_found_again(filled, vectors):
    writer = VectorWriter(*filled, DIM, 4)
    assert writer.rows == 10
    assert [content.tobytes() for content in writer.contents] == KEYS
    assert np.array_equal(writer.matrix, vectors)


def test_the_first_broken_row_beyond_the_committed_ones_and_all_after_it_go(filled, vectors):
    flip(filled[0], 7 * ROW)
    writer = VectorWriter(*filled, DIM, 4)
    assert writer.rows == 7
    assert filled[0].stat().st_size == 7 * ROW
    assert filled[1].stat().st_size == 7 * ENTRY.itemsize
    assert writer.append(KEYS[7:], vectors[7:]) == 7
    VectorFile(*filled, DIM, 10).check(thorough=True)


@pytest.mark.parametrize("cut", [(3, 0), (0, 5), (ROW + 1, 2), (0, ENTRY.itemsize * 3)])
def test_half_a_row_that_a_crash_left_is_cut_off(filled, vectors, cut):
    for path, less in zip(filled, cut, strict=True):
        os.truncate(path, path.stat().st_size - less)
    writer = VectorWriter(*filled, DIM, 4)
    assert 4 <= writer.rows < 10
    assert np.array_equal(writer.matrix, vectors[: writer.rows])
    first = writer.rows
    assert writer.append(KEYS[first:], vectors[first:]) == first
    VectorFile(*filled, DIM, 10).check(thorough=True)


def test_committed_rows_are_never_cut_even_if_broken(filled):
    flip(filled[0], 2 * ROW)
    writer = VectorWriter(*filled, DIM, 10)
    assert writer.rows == 10
    with pytest.raises(DamagedError):
        writer.check()


def test_a_failed_append_leaves_the_file_as_it_was(filled, vectors, monkeypatch):
    before = [path.read_bytes() for path in filled]
    writer = VectorWriter(*filled, DIM, 10)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="free some space"):
            writer.append([b"x" * 16], vectors[:1])
    assert [path.read_bytes() for path in filled] == before
    assert writer.rows == 10
    assert writer.append([b"x" * 16], vectors[:1]) == 10


def test_a_row_is_mended_in_its_place(filled, vectors):
    flip(filled[0], 3 * ROW)
    flip(filled[1], 8 * ENTRY.itemsize)
    file = VectorFile(*filled, DIM, 10)
    file.replace([3, 8], [KEYS[3], KEYS[8]], vectors[[3, 8]])
    file = VectorFile(*filled, DIM, 10)
    file.check(thorough=True)
    assert np.array_equal(file.matrix, vectors)


def test_checksums_tell_any_two_rows_apart_that_differ_in_one_number(rng):
    vectors = rng.standard_normal((1, 64)).astype(np.float32)
    sums = {int(row_checksums(vectors)[0])}
    for i in range(64):
        for change in (np.float32(-0.0), vectors[0, i] * np.float32(1.0000001), -vectors[0, i]):
            other = vectors.copy()
            other[0, i] = change
            if not np.array_equal(other.view(np.uint32), vectors.view(np.uint32)):
                sums.add(int(row_checksums(other)[0]))
    assert len(sums) > 2 * 64
    assert np.array_equal(
        row_checksums(np.repeat(vectors, 3, axis=0)), [row_checksums(vectors)[0]] * 3
    )


def test_keys_of_contents_differ_by_kind_and_content(vectors):
    assert len(set(KEYS) | set(vector_keys(vectors))) == 20
    assert {len(key) for key in [*KEYS, *vector_keys(vectors)]} == {16}
    assert content_key("caf\u00e9") != content_key("cafe\u0301"), "bytes count, not looks"


def test_the_factors_of_checksums_are_those_of_numpy():
    """Files were written with them: they never change."""
    generator = np.random.Generator(np.random.PCG64(0x5EED))
    expected = generator.integers(0, 2**64, size=800, dtype=np.uint64) | np.uint64(1)
    for n in (1, 2, 193, 800):
        assert np.array_equal(module._factors(n), expected[:n])
