"""``embedkit prompt``."""

from __future__ import annotations

import click

from embedkit_cli.lazy import LazyGroup
from embedkit_cli.options import standing

COMMANDS = {
    "list": ("embedkit_cli.commands.prompt_list:list_", "List the templates that come along."),
    "show": ("embedkit_cli.commands.prompt_show:show", "Show all of a template."),
    "render": (
        "embedkit_cli.commands.prompt_render:render",
        "Fill in a template: what a generator is sent.",
    ),
    "run": (
        "embedkit_cli.commands.prompt_run:run",
        "Ask a generator with a template, once or for each row of a file.",
    ),
    "test": (
        "embedkit_cli.commands.prompt_test:test",
        "Measure several templates on labelled rows, side by side.",
    ),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    example="embedkit prompt list\n"
    'embedkit prompt run title --var text="A cat sat on a mat." --generator echo',
)
@standing
def prompt() -> None:
    """Ask with templates: files that say what a generator is told and may answer.

    TEMPLATE is the name of one that comes along, or a file: TOML, or a text with TOML in front
    between two lines of +++.
    """
