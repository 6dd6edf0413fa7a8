"""Every fenced block of README.md and of the pages runs, in order, in a folder of the examples.

``console`` blocks hold commands after ``$ `` and their output; ``bash`` blocks hold commands only.
``python`` blocks share their variables. ``text`` blocks are output. What installs embedkit or runs
these very tests is not run here; it is checked against the Makefile and pyproject.toml.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "notebooks").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
SHELL = ("console", "bash", "sh")
OUTPUT = ("text", "json", "toml", "sql")
INSTALLS = ("make", "pip", "git", "cd", "source", ".")


@dataclass(frozen=True)
class Block:
    """One fenced block, and where its fence is."""

    page: Path
    line: int
    language: str
    body: str

    def commands(self) -> list[str]:
        """Return the shell commands, a continued one in one piece."""
        lines = self.body.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def read_blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


def installs(command: str) -> bool:
    """Tell whether a command sets up a machine, and so is checked instead of run."""
    words = shlex.split(command, comments=True)
    return words[0] in INSTALLS or words[1:3] in (["-m", "pip"], ["-m", "venv"])


BLOCKS = [block for page in PAGES for block in read_blocks(page)]
COMMANDS = [command for block in BLOCKS if block.language in SHELL for command in block.commands()]


class Reader:
    """Somebody who runs the blocks one after the other; each runs once."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.done = 0

    def run_up_to(self, position: int) -> None:
        while self.done <= position:
            block = BLOCKS[self.done]
            self.done += 1
            if block.language == "python":
                self.python(block)
            elif block.language in SHELL:
                self.shell(block)

    def python(self, block: Block) -> None:
        padding = "\n" * block.line
        code = compile(padding + block.body, str(block.page), "exec")
        exec(code, self.names)

    def shell(self, block: Block) -> None:
        commands = [command for command in block.commands() if not installs(command)]
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(commands)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        where = f"{block.page.name}:{block.line}"
        told = done.stdout + done.stderr
        assert done.returncode == 0, f"{where} ended with {done.returncode}\n{told}"
        assert "Traceback" not in done.stderr, f"{where}\n{done.stderr}"


@pytest.fixture(scope="module")
def reader(workspace: Path, environment: dict[str, str]) -> Reader:
    return Reader(workspace, environment)


@pytest.mark.parametrize(
    "position", range(len(BLOCKS)), ids=lambda i: f"{BLOCKS[i].page.stem}-{BLOCKS[i].line}"
)
def test_block_runs(position: int, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reader.folder)
    for name in [name for name in os.environ if name.startswith("EMBEDKIT_")]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", *(n for n in reader.environment if n.startswith("CO_API"))):
        monkeypatch.setenv(name, reader.environment[name])
    reader.run_up_to(position)


def test_languages_are_known() -> None:
    odd = [block for block in BLOCKS if block.language not in (*SHELL, *OUTPUT, "python")]
    assert not odd, f"a fence without a language, or one that no test reads: {odd}"


def test_readme_shows_something_to_run() -> None:
    assert any(command.startswith("embedkit index") for command in COMMANDS)
    assert any(command.startswith("embedkit search") for command in COMMANDS)
    assert any(block.language == "python" for block in BLOCKS)


def test_make_targets_exist(root: Path) -> None:
    targets = re.findall(r"^([\w-]+):(?!=)", (root / "Makefile").read_text(), re.MULTILINE)
    named = [shlex.split(line, comments=True)[1:] for line in COMMANDS if line.startswith("make ")]
    assert ["demo"] in named
    assert ["test"] in named
    assert {word for words in named for word in words} <= set(targets)


def test_extras_exist(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    named = re.findall(r"embedkit\[([\w,-]+)\]", README.read_text(encoding="utf-8"))
    extras = {extra for group in named for extra in group.split(",")}
    assert extras <= set(project["optional-dependencies"])


def test_links_within_the_project_lead_somewhere() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
        assert [link for link in links if not (page.parent / link).exists()] == []
