"""Keeps the converted MiniLM between processes: converting takes 0.5 s, loading 0.1 s.

What is kept is derived, so damage is never an error: a folder that does not check is made anew.
Each is written aside, under a lock, and renamed, so that a crash leaves a whole one or none, and a
folder that was once found sound is never taken away from who reads it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import platformdirs
from safetensors import SafetensorError

from embedkit.embedders.minilm_model import Precision, write_model
from embedkit.embedders.minilm_tuned import Tuned
from embedkit.embedders.weights import FILES, locate_minilm
from embedkit.errors import WeightsError
from embedkit.integrity import storage_error

SUMS = "sums.json"
"""Written last into a folder: size and sum of each of its files."""


def cache_home() -> Path:
    """Return where derived models are kept: ``EMBEDKIT_CACHE``, else the user's cache folder."""
    named = os.environ.get("EMBEDKIT_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("embedkit"))


@contextmanager
def converted_minilm(
    precision: Precision, path: str | Path | None = None, *, tuned: Tuned | None = None
) -> Iterator[Path]:
    """Give a folder with the converted model and its tokenizer, checked, until the block ends.

    Parameters
    ----------
    path : str, Path or None
        Where the published weights are; None to look for them, and only if they are needed.
    tuned : Tuned or None
        Other weights, in place of the published ones.

    Raises
    ------
    WeightsError
        The weights are missing or not the known ones.
    StorageError
        The model fits neither into the cache folder nor into the temporary folder.
    """
    weights = locate_minilm(path) if path is not None else None
    mark = FILES["model.safetensors"]
    if tuned is not None:
        weights, mark = tuned.folder, tuned.digest
    folder = cache_home() / "models" / f"minilm-{mark[:12]}-{precision}-1"
    if is_sound(folder):
        yield folder
        return
    weights = weights or locate_minilm()
    try:
        _install(weights, folder, precision)
    except OSError:
        with _temporary(weights, precision) as temporary:
            yield temporary
    else:
        yield folder


def is_sound(folder: Path) -> bool:
    """Say whether every file of a folder is what was written, by size and sum.

    A sum over the whole of 90 MB takes 12 ms, a SHA-256 100 ms. It finds every single flipped byte;
    it need not resist forgery, because whoever may write here may replace the sums as well.
    """
    try:
        expected = json.loads((folder / SUMS).read_text())
        return isinstance(expected, dict) and bool(expected) and expected == _sums(folder)
    except (OSError, ValueError):
        return False


def _install(weights: Path, folder: Path, precision: Precision) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / ".lock"):
        if is_sound(folder):  # another process was quicker
            return
        # Only the holder of the lock builds or removes, so what else is here is left over.
        for leftover in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _convert(weights, aside, precision)
            aside.chmod(0o755)
            if folder.exists():
                shutil.rmtree(folder)
            aside.replace(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for the other processes that convert; the lock goes with the process that holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _temporary(weights: Path, precision: Precision) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embedkit-")))
            _convert(weights, folder, precision)
        except OSError as error:
            raise storage_error(error, tempfile.gettempdir()) from error
        yield folder


def _convert(weights: Path, folder: Path, precision: Precision) -> None:
    try:
        write_model(weights / "model.safetensors", folder, precision)
    except SafetensorError as error:  # the published weights are verified, others may be anything
        raise WeightsError(
            f"{weights / 'model.safetensors'} cannot be read: {error}",
            do="make the model again",
        ) from error
    shutil.copyfile(weights / "tokenizer.json", folder / "tokenizer.json")
    sums = _sums(folder)
    (folder / SUMS).write_text(json.dumps(sums))


def _sums(folder: Path) -> dict[str, list[int]]:
    """Return size and sum of each file but the sums themselves."""
    return {
        file.name: [file.stat().st_size, _sum(file)]
        for file in sorted(folder.iterdir())
        if file.name != SUMS and file.is_file()
    }


def _sum(path: Path) -> int:
    """Add up a file as 64-bit words, block by block; the order of the blocks counts."""
    block = bytearray(2**20)
    words = np.frombuffer(block, "<u8")
    total = 0
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            block[size:] = bytes(len(block) - size)
            total = (total * 31 + int(words.sum(dtype=np.uint64))) % 2**64
    return total
