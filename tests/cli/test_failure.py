"""What does not end well ends with one line, the right code and no traceback."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from embedkit.errors import CredentialsError, InvalidInputError, StorageError
from embedkit_cli.failure import InterruptedWorkError, guarded

PATHS = [str(Path(__file__).parents[2] / part) for part in ("", "cli", "connectors")]
Start = Callable[..., "subprocess.Popen[bytes]"]


def raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (StorageError("disk", do="mend it"), 1, "embedkit: disk; mend it"),
        (InvalidInputError("expected 1, got 2"), 2, "embedkit: expected 1, got 2"),
        (CredentialsError("no key"), 4, "embedkit: no key"),
        (KeyboardInterrupt(), 130, "embedkit: interrupted"),
        (click.Abort(), 130, "embedkit: interrupted"),
        (InterruptedWorkError("all is kept"), 130, "embedkit: all is kept"),
        (MemoryError(), 1, "embedkit: out of memory; close other programs or give embedkit less"),
        (
            OSError(28, "No space left on device", "x.db"),
            1,
            "embedkit: cannot write x.db: the disk",
        ),
        (PermissionError(13, "Permission denied", "x.db"), 1, "embedkit: cannot use x.db: Permiss"),
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
        (click.FileError("x", "hint"), 1, "embedkit: could not open file 'x': hint"),
        (click.UsageError("Bad thing."), 2, "embedkit: bad thing (see embedkit --help)"),
        (
            RuntimeError("odd\n\x1b[31m"),
            1,
            "embedkit: this is a bug in embedkit: RuntimeError: odd",
        ),
    ],
)
def test_answers(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error)) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.lower().startswith(line.lower())
    assert "Traceback" not in said.err
    assert "\x1b" not in said.err
    if type(error) is RuntimeError:
        assert "EMBEDKIT_DEBUG=1" in said.err


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMBEDKIT_DEBUG", "1")
    assert guarded(raising(RuntimeError("odd"))) == 1
    assert "Traceback" in capsys.readouterr().err


def test_bad_settings_are_one_line(run: Any, questions: Path) -> None:
    (questions / "embedkit.toml").write_text("home = [\n", encoding="utf-8")
    result = run("search", "x", code=2)
    assert len(result.stderr.splitlines()) == 1
    assert "embedkit.toml is not TOML" in result.stderr


def test_errors_cannot_drive_the_terminal(run: Any, questions: Path) -> None:
    assert "\x1b" not in run("similar", "\x1b[31mx", code=1).stderr
    assert "\x1b" not in run("index", "\x1b[31mx", code=1).stderr


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"], ["search", "how", "--json"]])
def test_closed_pipe_ends_quietly(start: Start, questions: Path, words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = start(words, stdout=write)
    os.close(write)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


def test_pipe_that_closes_half_way(start: Start, questions: Path) -> None:
    (questions / "q.txt").write_text("words of a query\n" * 2000, encoding="utf-8")
    process = start(["search", "--queries", "q.txt", "-k", "20"])
    assert process.stdout is not None
    assert process.stdout.read(10)
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0


FULL = Path("/dev/full")
if FULL.exists():  # A device of Linux.

    @pytest.mark.parametrize("words", [["--help"], ["search", "how", "--json"]])
    def test_full_disk_behind_stdout(start: Start, questions: Path, words: list[str]) -> None:
        with FULL.open("wb") as full:
            process = start(words, stdout=full)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert errors.decode().splitlines() == [
            "embedkit: cannot write the output: the disk is full; free some space and run again"
        ]


def test_closed_stdout_and_stderr(start: Start, questions: Path) -> None:
    script = 'exec "$0" -m embedkit_cli search how >&- 2>&-'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    done = subprocess.run(["sh", "-c", script, sys.executable], env=environment, timeout=60)
    assert done.returncode == 0


def _unread(pipe: int) -> int:
    """Return the bytes that wait in a pipe."""
    held = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, held)
    return held[0]


def test_interruption_keeps_what_was_done(start: Start, data: Any, work: Path) -> None:
    read, write = os.pipe()
    # The source never ends, so the command is at work, and waits, when the signal comes.
    os.write(write, b"id,text\n" + b"".join(b"%d,text %d\n" % (i, i) for i in range(2000)))
    process = start(["index", "-", "-c", "piped", "--json"], stdin=read)
    deadline = time.monotonic() + 60
    while _unread(read) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.close(read)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    os.close(write)
    assert process.returncode == 130, errors
    assert out == b""
    assert b"Traceback" not in errors
    assert errors.decode().splitlines()[-1].startswith("embedkit: interrupted")
    (work / "a.csv").write_text("id,text\n1,one\n", encoding="utf-8")
    assert data("index", "a.csv", "-c", "piped")["new"] == 1


def test_python_m_answers_like_the_script(start: Start) -> None:
    out, errors = start(["--version"]).communicate(timeout=60)
    assert out.startswith(b"embedkit ")
    assert errors == b""
    process = start(["search"])
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.startswith(b"embedkit: expected a query")


def test_one_value_of_json_whatever_happens(start: Start, questions: Path) -> None:
    out, errors = start(["search", "how", "--json", "-k", "3"]).communicate(timeout=60)
    assert len(json.loads(out)) == 3
    assert errors == b""
