"""Which collection is meant where -c is left out."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def two(run: Any, work: Path) -> Path:
    for name in ("first", "second"):
        (work / f"{name}.csv").write_text(f"id,text\n{name},words\n", encoding="utf-8")
        run("index", f"{name}.csv")
    return work


def test_none(run: Any, work: Path) -> None:
    result = run("search", "x", code=1)
    assert "there is no collection in" in result.stderr
    assert "embedkit index FILE" in result.stderr
    assert not (work / ".embedkit").exists(), "looking makes nothing"


def test_the_only_one_is_not_worth_a_word(run: Any, questions: Path) -> None:
    assert run("search", "x").stderr == ""


def test_the_last_one_used_is_named(run: Any, two: Path) -> None:
    result = run("search", "words")
    assert '"id": "second"' in result.stdout
    assert result.stderr == "embedkit: using second, the collection used last; choose with -c\n"
    assert run("search", "words", "-c", "first").stderr == ""
    result = run("search", "words")
    assert '"id": "first"' in result.stdout
    assert "using first" in result.stderr


def test_several_and_none_used_yet(run: Any, two: Path) -> None:
    (two / ".embedkit" / "last-used").unlink()
    result = run("search", "words", code=2)
    assert "first, second" in result.stderr
    assert "-c" in result.stderr


@pytest.mark.parametrize("content", [b"gone\n", b"\xff\xfe", b""])
def test_a_strange_note_is_no_choice(run: Any, two: Path, content: bytes) -> None:
    (two / ".embedkit" / "last-used").write_bytes(content)
    assert "choose one with -c" in run("search", "words", code=2).stderr


def test_unknown_name_offers_the_nearest(run: Any, two: Path) -> None:
    result = run("search", "words", "-c", "frist", code=1)
    assert "did you mean 'first'?" in result.stderr
    assert "first, second" in result.stderr


def test_a_home_that_cannot_be_written_can_be_searched(run: Any, two: Path) -> None:
    note = two / ".embedkit" / "last-used"
    note.unlink()
    # A folder in its place refuses the write whoever asks, root too.
    note.mkdir()
    note.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        result = run("search", "words", "-c", "first")
    finally:
        note.parent.chmod(stat.S_IRWXU)
    assert '"id": "first"' in result.stdout
    assert result.stderr == ""
    assert list(note.iterdir()) == []


def test_home_by_variable(
    run: Any, two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(two / ".embedkit"))
    monkeypatch.chdir(tmp_path)
    assert '"id": "second"' in run("search", "words").stdout
    assert "there is no collection" in run("search", "words", "--home", "x", code=1).stderr
