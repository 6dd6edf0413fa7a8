from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from embedkit.embedders.minilm import MiniLMEmbedder
from embedkit.embedders.minilm_cache import SUMS, cache_home, converted_minilm, is_sound
from embedkit.errors import StorageError

TEXT = ["How do I get my money back?"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of this test's own."""
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 model as it was converted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        with converted_minilm("int8") as folder:
            return folder


@pytest.fixture
def model(cache: Path, pristine: Path) -> Path:
    """A copy of the int8 model in the cache folder of this test."""
    folder = cache / "models" / pristine.name
    shutil.copytree(pristine, folder)
    assert is_sound(folder)
    return folder


def test_the_folder_is_named_or_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_CACHE", "~/elsewhere")
    assert cache_home() == Path.home() / "elsewhere"
    monkeypatch.delenv("EMBEDKIT_CACHE")
    assert cache_home().name == "embedkit"


def test_precisions_are_kept_apart_and_nothing_is_left_over(cache: Path, model: Path) -> None:
    with converted_minilm("fp32") as other:
        assert other != model
    kept = [path for path in (cache / "models").iterdir() if path.is_dir()]
    assert sorted(kept) == sorted([model, other])


def test_a_kept_model_is_not_converted_again(model: Path) -> None:
    before = (model / "model.bin").stat().st_mtime_ns
    with converted_minilm("int8") as again:
        assert again == model
    assert (model / "model.bin").stat().st_mtime_ns == before


def damage_cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def damage_empty(path: Path) -> None:
    os.truncate(path, 0)


def damage_first(path: Path) -> None:
    _flip(path, 0)


def damage_middle(path: Path) -> None:
    _flip(path, path.stat().st_size // 2)


def damage_last(path: Path) -> None:
    _flip(path, path.stat().st_size - 1)


def damage_missing(path: Path) -> None:
    path.unlink()


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


DAMAGE = [damage_cut, damage_empty, damage_first, damage_middle, damage_last, damage_missing]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_to_any_file_is_found(model: Path, damage: Callable[[Path], None]) -> None:
    for path in sorted(model.iterdir()):
        sound = path.read_bytes()
        damage(path)
        assert not is_sound(model), path.name
        path.write_bytes(sound)
        assert is_sound(model)


@pytest.mark.parametrize("sums", ["{}", "[]", "null", "3", '{"model.bin": 3}'])
def test_foreign_sums_are_not_believed(model: Path, sums: str) -> None:
    (model / SUMS).write_text(sums)
    assert not is_sound(model)


def test_a_damaged_model_is_made_anew_without_a_word(model: Path) -> None:
    expected = MiniLMEmbedder("int8").embed(TEXT)
    damage_middle(model / "model.bin")
    np.testing.assert_array_equal(MiniLMEmbedder("int8").embed(TEXT), expected)
    assert is_sound(model)
    assert [path for path in model.parent.iterdir() if path.is_dir()] == [model]


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "file"))
    with converted_minilm("int8") as folder:
        assert is_sound(folder)
    assert not folder.exists()
    assert MiniLMEmbedder("int8").embed(TEXT).shape == (1, 384)


@pytest.mark.parametrize("damaged", [False, True])
def test_several_at_once_leave_one_whole_model(cache: Path, pristine: Path, damaged: bool) -> None:
    folder = cache / "models" / pristine.name
    if damaged:
        shutil.copytree(pristine, folder)
        damage_middle(folder / "model.bin")
    code = (
        "from embedkit.embedders.minilm import MiniLMEmbedder;"
        f"v = MiniLMEmbedder('int8', threads=1).embed({TEXT!r}); print(v.tobytes().hex())"
    )

    def run(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(run, range(4)))) == 1
    assert is_sound(folder)
    assert [path for path in (cache / "models").iterdir() if path.is_dir()] == [folder]


def test_a_full_temporary_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot write"):
        MiniLMEmbedder("int8").embed(TEXT)


def test_what_a_killed_process_left_is_cleared(cache: Path, pristine: Path) -> None:
    leftover = cache / "models" / f".{pristine.name}-abc123"
    leftover.mkdir(parents=True)
    (leftover / "model.bin").write_bytes(b"half")
    with converted_minilm("int8") as folder:
        assert is_sound(folder)
    assert not leftover.exists()
