"""A group whose commands are imported when they are used, and whose failures are one line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import click

from embedkit_cli.failure import guarded, pipe_may_close
from embedkit_cli.main import columns


class Command(click.Command):
    """A click command whose help ends with an example that works as it stands, offline."""

    def __init__(self, *arguments: Any, example: str = "", **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        _write_example(self.example, formatter)


class LazyGroup(click.Group):
    """A click group with a table of commands in place of the commands.

    Parameters
    ----------
    example : str
        Command lines that work as they stand, offline; they end the help.
    lazy : mapping of name to (``module:attribute``, summary)
        Help takes the summaries from here, so that listing the commands imports none of them.
    """

    def __init__(
        self,
        *arguments: Any,
        example: str = "",
        lazy: Mapping[str, tuple[str, str]] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(*arguments, **keywords)
        self.example = example
        self.lazy = dict(lazy or {})

    command_class = Command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        _write_example(self.example, formatter)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or offer the nearest."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise click.UsageError(_unknown(name, self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their summaries."""
        if not self.lazy:
            super().format_commands(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.lazy.items()])

    def make_context(self, *arguments: Any, **keywords: Any) -> click.Context:
        """Parse, which prints help where that is asked."""
        with pipe_may_close():
            return super().make_context(*arguments, **keywords)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with pipe_may_close():
            return super().invoke(ctx)

    def main(self, *arguments: Any, standalone_mode: bool = True, **keywords: Any) -> Any:
        """Run a command line and leave with its exit code."""
        keywords.setdefault("terminal_width", min(max(columns(), 40), 100))

        def call() -> Any:
            run: Any = super(LazyGroup, self).main
            return run(*arguments, standalone_mode=False, **keywords)

        if not standalone_mode:
            return call()
        sys.exit(guarded(call))


def _unknown(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "there are: " + ", ".join(known)
    return f"no such command {name!r}; {hint}"


def _write_example(example: str, formatter: click.HelpFormatter) -> None:
    if example:
        with formatter.section("Example"):
            for line in example.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
