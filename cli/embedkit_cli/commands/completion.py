"""``embedkit completion``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from embedkit_cli.lazy import Command
from embedkit_cli.options import standing

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command, example="embedkit completion bash")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@standing
def completion(shell: str | None) -> int:
    """Print the script that completes commands, options and collections in a shell.

    Put its output where the shell reads it at start-up; for bash, in ~/.bashrc:
    eval "$(embedkit completion bash)".
    """
    from click.shell_completion import get_completion_class

    from embedkit_cli.root import cli

    found = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(found)
    if kind is None or found not in SHELLS:
        raise click.UsageError(f"expected one of {', '.join(SHELLS)}, got {found or 'nothing'}")
    click.echo(kind(cli, {}, "embedkit", "_EMBEDKIT_COMPLETE").source())
    return 0
