from __future__ import annotations

import csv
import io
import json
import os
import pty
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_none_yet(run: Any, work: Path) -> None:
    result = run("collections", "--json")
    assert json.loads(result.stdout) == []
    assert "make one with: embedkit index FILE" in result.stderr


def test_list(run: Any, data: Any, questions: Path) -> None:
    listed = data("collections")
    assert [info["name"] for info in listed] == ["questions"]
    assert listed == data("collections", "list")
    assert listed[0]["records"] == 503
    assert listed[0]["embedder"] == "hashing"
    lines = run("collections", "--format", "table").stdout.splitlines()
    assert lines[0].split()[:4] == ["name", "records", "size", "embedder"]
    assert lines[1].split()[:2] == ["questions", "503"]
    text = run("collections", "--format", "csv").stdout
    assert next(csv.DictReader(io.StringIO(text)))["name"] == "questions"


def test_options_of_the_group_hold_for_its_commands(data: Any, questions: Path) -> None:
    home = str(questions / ".embedkit")
    os.chdir(questions.parent)
    assert data("--home", home, "collections")[0]["name"] == "questions"
    assert data("collections", "--home", home, "show", "questions")["records"] == 503


def test_show(run: Any, data: Any, questions: Path) -> None:
    info = data("collections", "show", "questions")
    assert info["columns"]["lang"] == "VARCHAR"
    assert info["last_run"]["run"] == 1
    assert info == data("collections", "show"), "the only collection needs no name"
    shown = run("collections", "show", "questions", "--format", "table").stdout
    for part in ("records   503", "embedder  hashing", "cosine", "lang VARCHAR", "1, done, "):
        assert part in shown


def test_delete_asks_first(run: Any, questions: Path) -> None:
    result = run("collections", "delete", "questions", code=2)
    assert "503 records" in result.stderr
    assert str(questions / ".embedkit" / "questions") in result.stderr
    assert "--yes" in result.stderr
    assert (questions / ".embedkit" / "questions").exists()


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 130), (b"\n", 130)])
def test_delete_asks_a_person(
    start: Callable[..., Any], questions: Path, answer: bytes, code: int
) -> None:
    parent, child = pty.openpty()
    process = start(["collections", "delete", "questions"], stdin=child)
    os.close(child)
    os.write(parent, answer)
    _, errors = process.communicate(timeout=60)
    os.close(parent)
    assert process.returncode == code, errors
    assert b"Delete questions (503 records" in errors
    assert (questions / ".embedkit" / "questions").exists() == (code != 0)


def test_delete(data: Any, questions: Path) -> None:
    deleted = data("collections", "delete", "questions", "--yes")
    assert deleted["deleted"] == "questions"
    assert deleted["records"] == 503
    assert deleted["bytes"] > 0
    assert not (questions / ".embedkit" / "questions").exists()
    assert data("collections") == []


def test_delete_never_guesses(run: Any, questions: Path) -> None:
    result = run("collections", "delete", "question", "--yes", code=1)
    assert "did you mean 'questions'?" in result.stderr
    assert (questions / ".embedkit" / "questions").exists()
    assert run("collections", "delete", code=2).stdout == ""


def test_damaged_collections_are_listed_and_can_be_deleted(run: Any, questions: Path) -> None:
    home = questions / ".embedkit"
    shutil.copytree(home / "questions", home / "broken")
    (home / "broken" / "manifest.json").write_bytes(b"\x00garbage")
    result = run("collections", "--json", code=1)
    assert [info["name"] for info in json.loads(result.stdout)] == ["questions"]
    assert "broken: " in result.stderr
    assert "doctor" in result.stderr
    assert run("collections", "delete", "broken", "--yes", "--json").exit_code == 0
    assert not (home / "broken").exists()


def test_rebuild(data: Any, run: Any, questions: Path) -> None:
    info = data("rebuild", "questions", "--index", "turbovec?bits=4")
    assert info["index"].startswith("turbovec?bits=4")
    assert data("collections", "show")["index"] == info["index"]
    assert data("rebuild")["index"] == info["index"]
    assert "index" in run("rebuild", "--format", "table").stdout
    assert "did you mean 'flat'?" in run("rebuild", "--index", "fla", code=2).stderr
