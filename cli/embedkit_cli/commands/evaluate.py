"""``embedkit evaluate``."""

from __future__ import annotations

import click

from embedkit_cli.lazy import LazyGroup
from embedkit_cli.options import standing

COMMANDS = {
    "search": (
        "embedkit_cli.commands.evaluate_search:search",
        "How relevant the hits are, by judgements or without.",
    ),
    "index": (
        "embedkit_cli.commands.evaluate_index:index",
        "How much of the nearest each index finds, and how fast.",
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, example="embedkit evaluate search")
@standing
def evaluate() -> None:
    """Measure on your own data how good it is, and how sure that is."""
