"""The top of the command tree."""

from __future__ import annotations

import click

from embedkit_cli.lazy import LazyGroup
from embedkit_cli.options import standing

COMMANDS = {
    "index": ("embedkit_cli.commands.index:index", "Fill a collection from files."),
    "search": ("embedkit_cli.commands.search:search", "Find the records nearest to a query."),
    "ask": ("embedkit_cli.commands.ask:ask", "Answer a question from the records."),
    "similar": ("embedkit_cli.commands.similar:similar", "Find the neighbours of a record."),
    "pairs": ("embedkit_cli.commands.pairs:pairs", "Find near-duplicates among records."),
    "dedupe": ("embedkit_cli.commands.dedupe:dedupe", "Copy a file without its near-duplicates."),
    "show": ("embedkit_cli.commands.show:show", "Show records by id."),
    "collections": (
        "embedkit_cli.commands.collections:collections",
        "List, describe and delete collections.",
    ),
    "classify": (
        "embedkit_cli.commands.classify:classify",
        "Label texts by classifiers that you train.",
    ),
    "generate": (
        "embedkit_cli.commands.generate:generate",
        "Write what goes on from a prompt.",
    ),
    "prompt": ("embedkit_cli.commands.prompt:prompt", "Ask a generator with prompt templates."),
    "summarize": (
        "embedkit_cli.commands.summarize:summarize",
        "Summarize texts: the best of several candidates.",
    ),
    "evaluate": (
        "embedkit_cli.commands.evaluate:evaluate",
        "How good it is, measured on your own data.",
    ),
    "calibrate": (
        "embedkit_cli.commands.calibrate:calibrate",
        "Which score means what: confidence in a hit.",
    ),
    "runs": ("embedkit_cli.commands.runs:runs", "What earlier runs did, and which rows failed."),
    "cache": ("embedkit_cli.commands.cache:cache", "Show and clear the cache of vectors."),
    "rebuild": ("embedkit_cli.commands.rebuild:rebuild", "Build the index of a collection anew."),
    "migrate": ("embedkit_cli.commands.migrate:migrate", "Change the model of a collection."),
    "doctor": ("embedkit_cli.commands.doctor:doctor", "Check the installation or a collection."),
    "completion": (
        "embedkit_cli.commands.completion:completion",
        "Print the script that completes commands in a shell.",
    ),
}


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from embedkit import __version__

    click.echo(f"embedkit {__version__}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    example='embedkit index questions.csv\nembedkit search "how do I get my money back?"',
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
@standing
def cli() -> None:
    """Semantic search over your own data, on this machine.

    Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 misuse,
    4 a missing or refused key, 130 interrupted.
    """
