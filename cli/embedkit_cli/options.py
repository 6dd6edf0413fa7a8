"""Options that commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from embedkit_cli.session import Session, colourless

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
FORMATS = ("table", "json", "jsonl", "csv")


class Number(click.FloatRange):
    """A number within bounds; one that is not a number is within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse what no comparison would."""
        number = super().convert(value, param, ctx)
        if number is not None and not math.isfinite(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


def standing(command: Decorated) -> Decorated:
    """Add what every command takes: ``--home`` and ``--no-color``."""
    for option in (
        click.option(
            "--no-color",
            is_flag=True,
            expose_value=False,
            callback=_no_color,
            help="Print no colours (as does the variable NO_COLOR).",
        ),
        click.option(
            "--home",
            metavar="DIR",
            expose_value=False,
            is_eager=True,
            callback=_home,
            help="Folder of the collections.  [default: EMBEDKIT_HOME, else ./.embedkit]",
        ),
    ):
        command = option(command)
    return command


def printing(*more: str) -> Callable[[Decorated], Decorated]:
    """Add ``--format`` and ``--json``, with formats of the command's own after the usual ones."""

    def decorate(command: Decorated) -> Decorated:
        shorthand = click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            callback=_json,
            help="Short for --format json: one JSON value.",
        )
        choice = click.option(
            "--format",
            type=click.Choice([*FORMATS, *more]),
            expose_value=False,
            callback=_format,
            help="How to print.  [default: table on a terminal, else jsonl]",
        )
        return choice(shorthand(standing(command)))

    return decorate


def collection_option(command: Decorated) -> Decorated:
    """Add ``-c``: which collection is meant."""
    return click.option(
        "-c",
        "--collection",
        metavar="NAME",
        shell_complete=complete_collection,
        help="Collection.  [default: the only one, else the last one used]",
    )(command)


def complete_collection(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the collections of the home."""
    from click.shell_completion import CompletionItem

    from embedkit.catalog import names

    home = ctx.ensure_object(Session).home
    return [CompletionItem(name) for name in names(home) if name.startswith(incomplete)]


def _home(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    session = ctx.ensure_object(Session)
    if value is not None:
        if not value.strip():
            raise click.BadParameter("expected a folder, got nothing")
        session.given_home = value


def _no_color(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value or colourless():
        ctx.color = False


def _json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    session = ctx.ensure_object(Session)
    if value:
        if session.given_format not in (None, "json"):
            raise click.UsageError(f"--json and --format {session.given_format} exclude each other")
        session.given_format = "json"


def _format(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    session = ctx.ensure_object(Session)
    if value is not None:
        if session.given_format == "json" and value != "json":
            raise click.UsageError(f"--json and --format {value} exclude each other")
        session.given_format = value
