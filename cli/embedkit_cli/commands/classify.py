"""``embedkit classify``."""

from __future__ import annotations

import click

from embedkit_cli.lazy import LazyGroup
from embedkit_cli.options import standing

COMMANDS = {
    "list": (
        "embedkit_cli.commands.classify_list:list_",
        "List the classifiers of the home.",
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, example="embedkit classify list --json")
@standing
def classify() -> None:
    """Label texts by classifiers that learn from labelled rows.

    A classifier is trained once, under a name, and kept in the home. It says how sure it is of each
    label, and when a text is like nothing that it has seen.
    """
