"""Every command explains itself, and its example works."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from embedkit_cli.lazy import Command, LazyGroup
from embedkit_cli.main import HELP
from embedkit_cli.root import cli


def commands(group: LazyGroup = cli, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """All commands under their full names."""
    found: dict[str, click.Command] = {" ".join(path): group}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"the table names {name}, which is not there"
        if isinstance(command, LazyGroup):
            found |= commands(command, (*path, name))
        else:
            found[" ".join((*path, name))] = command
    return found


ALL = commands()


@pytest.mark.parametrize("name", ALL)
def test_help_explains_and_shows_an_example(name: str) -> None:
    result = CliRunner().invoke(cli, [*name.split(), "--help"], prog_name="embedkit")
    assert result.exit_code == 0
    assert "Usage: embedkit" in result.stdout
    assert "\nExample:\n  embedkit " in result.stdout
    assert "--home DIR" in result.stdout
    assert "--no-color" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stderr == ""


@pytest.mark.parametrize("name", ALL)
def test_examples_work_as_they_stand(name: str, questions: Path) -> None:
    command = ALL[name]
    assert isinstance(command, (Command, LazyGroup))
    assert command.example
    for line in command.example.splitlines():
        program, *words = shlex.split(line)
        assert program == "embedkit"
        assert words[: len(name.split())] == name.split()
        result = CliRunner().invoke(cli, words, prog_name="embedkit")
        assert result.exit_code == 0, (line, result.stderr)
        assert result.stdout, line


def test_summaries_agree_with_the_commands() -> None:
    for name, (_, summary) in cli.lazy.items():
        assert len(summary) <= 60, "it must fit a line of help"
        assert ALL[name].help, name


def test_kept_help_is_what_click_says() -> None:
    said = CliRunner(env={"COLUMNS": "80"}).invoke(cli, ["--help"], prog_name="embedkit").stdout
    assert Path(HELP).read_text(encoding="utf-8") == said, (
        f"write the output of `COLUMNS=80 embedkit --help --no-color` to {HELP}"
    )


def test_unknown_command_offers_the_nearest() -> None:
    result = CliRunner().invoke(cli, ["serch", "x"], prog_name="embedkit")
    assert result.exit_code == 2
    assert "no such command 'serch'; did you mean 'search'?" in result.stderr
    assert result.stdout == ""


def test_no_command_shows_help() -> None:
    result = CliRunner().invoke(cli, [], prog_name="embedkit")
    assert result.exit_code == 2
    assert "Commands:" in result.stderr
