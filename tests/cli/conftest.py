from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from embedkit_cli.root import cli

ROOT = Path(__file__).parents[2]
QUESTIONS = ROOT / "examples" / "questions.csv"
PATHS = [str(ROOT), str(ROOT / "cli"), str(ROOT / "connectors")]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own; no settings but the fast embedder."""
    for name in list(os.environ):
        if name.startswith("EMBEDKIT_"):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("EMBEDKIT_EMBEDDER", "hashing")
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run a command line in this process; stdout is no terminal."""

    def invoke(*words: str, stdin: str | bytes | None = None, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(words), input=stdin, prog_name="embedkit")
        assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        return result

    return invoke


@pytest.fixture
def data(run: Run) -> Callable[..., Any]:
    """Run a command line with --json and return the value it printed."""

    def invoke(*words: str, stdin: str | None = None, code: int = 0) -> Any:
        return json.loads(run(*words, "--json", stdin=stdin, code=code).stdout)

    return invoke


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the example questions and a classifier of their topics, made once."""
    home = tmp_path_factory.mktemp("filled") / "home"
    common = [str(QUESTIONS), "--embedder", "hashing", "--home", str(home)]
    learn = ["--text", "question", "--label", "topic", "--head", "logreg", "--name", "topics"]
    for words in (["index", *common], ["classify", "train", *common, *learn]):
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result.stderr
    return home


@pytest.fixture
def questions(filled: Path, work: Path) -> Path:
    """The working folder, with the example questions in its home and beside it."""
    shutil.copytree(filled, work / ".embedkit")
    shutil.copy(QUESTIONS, work)
    return work


def process(words: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    command = [sys.executable, "-m", "embedkit_cli", *words]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment, **{**piped, **options})


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[bytes]]:
    """Start a command line in a process of its own."""
    return process
