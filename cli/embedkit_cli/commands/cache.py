"""``embedkit cache``."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.lazy import LazyGroup
from embedkit_cli.options import printing
from embedkit_cli.session import Session, is_terminal, pass_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

    from embedkit.caching import CacheInfo, SpaceInfo

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@click.group(cls=LazyGroup, invoke_without_command=True, example="embedkit cache")
@printing()
@pass_session
@click.pass_context
def cache(ctx: click.Context, session: Session) -> int | None:
    """Show and clear the cache of vectors; alone, it shows it.

    What a managed model was paid for is kept for all collections of the home, so that the same
    text is not sent again. The setting cache_size ("4GB") bounds it; "0" keeps nothing.
    """
    return None if ctx.invoked_subcommand else _show(session)


@cache.command(short_help="Show what the cache holds.", example="embedkit cache show")
@printing()
@pass_session
def show(session: Session) -> int:
    """Show what the cache holds: its file, its bound, and the vectors of each model."""
    return _show(session)


def _age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,6})\s*([smhdw])", value.strip().lower(), re.ASCII)
    if not match:
        raise click.BadParameter(f"expected a time such as 30d, 12h or 4w, got {value!r}")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _complete_model(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from embedkit.caching import VectorCache

    spaces = VectorCache(ctx.ensure_object(Session).home).info().spaces
    return [CompletionItem(name) for name in _models(spaces) if name.startswith(incomplete)]


@cache.command(short_help="Delete cached vectors.", example="embedkit cache clear --yes")
@click.option(
    "--model",
    metavar="ID",
    shell_complete=_complete_model,
    help="Only those of one model, as `embedkit cache` names it.",
)
@click.option(
    "--older-than",
    metavar="TIME",
    callback=_age,
    help="Only those not used for so long: 30d, 12h, 4w.",
)
@click.option("--yes", is_flag=True, help="Delete without asking.")
@printing()
@pass_session
def clear(session: Session, model: str | None, older_than: timedelta | None, yes: bool) -> int:
    """Delete cached vectors. No collection loses anything; to embed the texts again may cost."""
    from embedkit.caching import VectorCache
    from embedkit_cli.output import emit
    from embedkit_cli.text import clean, count, size

    kept = VectorCache(session.home)
    if model is not None:
        _check_model(model, kept.info().spaces)
    before = kept.info(model=model, older_than=older_than)
    used = sum(space.bytes for space in before.spaces)
    of = f" of {clean(model)}" if model else ""
    what = f"{count(before.entries, 'cached vector')}{of} ({size(used)}, in {clean(before.path)})"
    if not yes and before.entries:
        if not is_terminal(sys.stdin):
            raise click.UsageError(f"this deletes {what} for good; say --yes to do it")
        click.confirm(f"Delete {what} for good?", abort=True, err=True)
    cleared = kept.clear(model=model, older_than=older_than)
    after = kept.info().bytes
    result = {"deleted": cleared, "path": before.path, "bytes": max(before.bytes - after, 0)}
    emit(session.format, result, lambda: f"deleted {what}" if cleared else "nothing to delete")
    return 0


def _check_model(model: str, spaces: Sequence[SpaceInfo]) -> None:
    import difflib

    from embedkit.errors import InvalidInputError

    known = _models(spaces)
    if model not in known:
        near = difflib.get_close_matches(model, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InvalidInputError(
            f"no vectors of a model {model!r} are cached",
            do=f"{hint}there are: {', '.join(known)}" if known else "there are none at all",
        )


def _models(spaces: Sequence[SpaceInfo]) -> list[str]:
    return list(dict.fromkeys(space.model_id for space in spaces))


def _show(session: Session) -> int:
    from embedkit.caching import VectorCache
    from embedkit_cli.output import emit

    info = VectorCache(session.home).info()
    value: Any = info.to_dict()
    if session.format == "csv":
        # One line a space: what holds for the whole file is in the other formats.
        value = value["spaces"]
    emit(session.format, value, lambda: _describe(info))
    return 0


def _describe(info: CacheInfo) -> str:
    from embedkit_cli.table import Column, facts, render
    from embedkit_cli.text import size

    bound = size(info.bound) if info.bound else "0: nothing is cached"
    text = facts(
        [
            ("path", info.path),
            ("bound", bound),
            ("size", size(info.bytes)),
            ("entries", f"{info.entries:,}"),
        ]
    )
    if not info.spaces:
        return text
    rows = info.spaces
    columns = [
        Column("model", [row.model_id for row in rows], stretch=True, comfortable=20),
        Column("input type", [row.input_type for row in rows]),
        Column("dim", [row.dim for row in rows], right=True),
        Column("kept as", [row.precision for row in rows], optional=True),
        Column("vectors", [f"{row.entries:,}" for row in rows], right=True),
        Column("size", [size(row.bytes) for row in rows], right=True),
        Column("last used (UTC)", [f"{row.last_used:%Y-%m-%d}" for row in rows], optional=True),
    ]
    return f"{text}\n\n{render(columns)}"
