from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import BashComplete

from embedkit_cli.root import cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(run: Any, shell: str) -> None:
    script = run("completion", shell).stdout
    assert "_EMBEDKIT_COMPLETE" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script.encode(), check=True)


def test_shell_from_the_environment(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert run("completion").stdout == run("completion", "zsh").stdout
    monkeypatch.setenv("SHELL", "/bin/csh")
    assert "bash, zsh, fish" in run("completion", code=2).stderr


@pytest.mark.parametrize(
    ("words", "incomplete", "offered"),
    [
        ([], "se", ["search"]),
        (["collections"], "d", ["delete"]),
        (["search", "-c"], "", ["questions"]),
        (["collections", "show"], "q", ["questions"]),
        (["search"], "--wh", ["--where"]),
        (["search", "--format"], "j", ["json", "jsonl"]),
    ],
)
def test_offers(questions: Path, words: list[str], incomplete: str, offered: list[str]) -> None:
    complete = BashComplete(cli, {}, "embedkit", "_EMBEDKIT_COMPLETE")
    assert [item.value for item in complete.get_completions(words, incomplete)] == offered


def test_offers_of_another_home(questions: Path, tmp_path: Path) -> None:
    complete = BashComplete(cli, {}, "embedkit", "_EMBEDKIT_COMPLETE")
    empty = ["search", "--home", str(tmp_path / "none"), "-c"]
    assert complete.get_completions(empty, "") == []
