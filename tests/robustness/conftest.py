"""Processes that a test starts and ends."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("worker.py")
PATIENCE = 120.0
"""Seconds after which a process counts as stuck: a guard, not a measure."""


def environment() -> dict[str, str]:
    """Return an environment in which the packages can be imported."""
    paths = [str(ROOT), str(ROOT / "cli"), str(ROOT / "connectors")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


class Process:
    """A process whose lines are gathered while it runs."""

    def __init__(self, command: list[str], **options: object) -> None:
        self.popen = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            **options,
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._told = threading.Condition()
        self._threads = [
            threading.Thread(target=self._gather, args=pair, daemon=True)
            for pair in ((self.popen.stdout, self.lines), (self.popen.stderr, self.errors))
        ]
        for thread in self._threads:
            thread.start()

    def _gather(self, stream, lines: list[str]) -> None:
        for line in stream:
            if lines is self.lines and not line.endswith("\n"):
                continue  # a kill cut it in the middle
            with self._told:
                lines.append(line.rstrip("\n"))
                self._told.notify_all()
        with self._told:
            self._told.notify_all()

    def wait_for(self, word: str, times: int = 1, *, or_end: bool = False) -> None:
        """Wait until so many lines begin with the word."""

        def there() -> bool:
            return sum(line.startswith(word) for line in self.lines) >= times

        with self._told:
            alive = self._threads[0].is_alive
            assert self._told.wait_for(lambda: there() or not alive(), PATIENCE), self.lines
            assert or_end or there(), (self.lines, self.errors)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.popen.kill()
        self.end()

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        code = self.popen.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        self.popen.stdout.close()
        self.popen.stderr.close()
        return code


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start processes; what still runs at the end of the test is killed."""
    started: list[Process] = []

    def begin(command: list[str], **options: object) -> Process:
        started.append(Process(command, **options))
        return started[-1]

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.kill()


@pytest.fixture
def work(start, home: Path, tmp_path: Path) -> Callable[..., Process]:
    """Start ``worker.py`` on the test's home."""
    home.mkdir(exist_ok=True)

    def begin(action: str, *arguments: object, home: Path = home) -> Process:
        command = [sys.executable, str(SCRIPT), str(home), str(tmp_path / "log"), action]
        return start(command + [str(argument) for argument in arguments])

    return begin


@pytest.fixture(scope="session")
def worker() -> ModuleType:
    """The module that the processes run."""
    spec = importlib.util.spec_from_file_location("embedkit_test_worker", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def logged(tmp_path: Path) -> Callable[[], list[str]]:
    """Return the texts that were embedded so far, in all processes."""
    path = tmp_path / "log"
    return lambda: path.read_text().splitlines() if path.exists() else []
