"""The wheel and the sdist hold what they should and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import embedkit

ROOT = Path(__file__).parents[2]
PACKAGES = ("embedkit", "embedkit_cli", "embedkit_connectors")
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> dict[str, bytes]:
    with zipfile.ZipFile(built[1]) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sdist(built: tuple[Path, Path]) -> dict[str, int]:
    with tarfile.open(built[0]) as archive:
        return {member.name.partition("/")[2]: member.size for member in archive if member.isfile()}


def metadata(wheel: dict[str, bytes], name: str) -> str:
    return next(
        content.decode() for path, content in wheel.items() if path.endswith(f".dist-info/{name}")
    )


def test_wheel_holds_the_three_packages_and_nothing_else(wheel: dict[str, bytes]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    for package in PACKAGES:
        assert f"{package}/py.typed" in wheel
        assert f"{package}/__init__.py" in wheel
    assert "embedkit_cli/help.txt" in wheel
    strange = {name for name in wheel if "test" in Path(name).stem.split("_")}
    assert strange == {"embedkit_cli/commands/prompt_test.py"}, "a command, and no test"


def test_wheel_holds_every_module_of_the_tree(wheel: dict[str, bytes]) -> None:
    for folder in ("embedkit", "cli/embedkit_cli", "connectors/embedkit_connectors"):
        base = (ROOT / folder).parent
        for path in (ROOT / folder).rglob("*.py"):
            assert str(path.relative_to(base)) in wheel


def test_wheel_is_small_and_carries_no_data(wheel: dict[str, bytes]) -> None:
    assert sum(map(len, wheel.values())) < 3 * MEBIBYTE, "unpacked; packed it is a third"
    endings = {Path(name).suffix for name in wheel if ".dist-info/" not in name}
    assert endings <= {".py", ".typed", ".txt", ".toml", ".json"}


def test_metadata(wheel: dict[str, bytes]) -> None:
    found = Parser().parsestr(metadata(wheel, "METADATA"))
    assert found["Name"] == "embedkit"
    assert found["Version"] == embedkit.__version__
    assert found["License-Expression"] == "Apache-2.0"
    assert found.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert found["Requires-Python"] == ">=3.11"
    assert len(found.get_payload()) > 500, "the README is the description"
    needed = [line for line in found.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert not [line for line in needed if line.startswith(("torch", "sentence", "pandas"))]


def test_script(wheel: dict[str, bytes]) -> None:
    assert "embedkit = embedkit_cli.main:main" in metadata(wheel, "entry_points.txt")


def test_sdist_can_be_tested_and_built(sdist: dict[str, int]) -> None:
    for name in (
        "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "NOTICE", "Makefile",
        "constraints.txt", "examples/questions.csv", "tests/conftest.py",
        "cli/embedkit_cli/help.txt",
    ):  # fmt: skip
        assert name in sdist
    hidden = (".venv", ".embedkit", ".git/", ".mypy_cache", ".ruff_cache", "__pycache__")
    assert not [name for name in sdist if any(part in name for part in hidden)]
    assert max(sdist.values()) < 2 * MEBIBYTE
