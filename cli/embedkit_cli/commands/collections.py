"""``embedkit collections``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import LazyGroup
from embedkit_cli.options import complete_collection, printing
from embedkit_cli.session import Session, is_terminal, pass_session

if TYPE_CHECKING:
    from datetime import datetime

    from embedkit.types import CollectionInfo


@click.group(cls=LazyGroup, invoke_without_command=True, example="embedkit collections")
@printing()
@pass_session
@click.pass_context
def collections(ctx: click.Context, session: Session) -> int | None:
    """List, describe and delete collections; alone, it lists them."""
    return None if ctx.invoked_subcommand else _list(session)


@collections.command(
    "list", short_help="List the collections of the home.", example="embedkit collections list"
)
@printing()
@pass_session
def list_(session: Session) -> int:
    """List the collections of the home."""
    return _list(session)


@collections.command(
    short_help="Describe a collection.", example="embedkit collections show questions"
)
@click.argument("name", required=False, shell_complete=complete_collection)
@printing()
@pass_session
def show(session: Session, name: str | None) -> int:
    """Describe a collection: records, model, index, size, last run."""
    import embedkit
    from embedkit_cli.output import emit
    from embedkit_cli.reports import describe_collection

    with embedkit.open(choose(session, name), home=session.home) as opened:
        info = opened.info()
    emit(session.format, info.to_dict(), lambda: describe_collection(info))
    return 0


@collections.command(
    short_help="Delete a collection.", example="embedkit collections delete questions --yes"
)
@click.argument("name", shell_complete=complete_collection)
@click.option("--yes", is_flag=True, help="Delete without asking.")
@printing()
@pass_session
def delete(session: Session, name: str, yes: bool) -> int:
    """Delete a collection: its records, vectors, index and runs."""
    import embedkit
    from embedkit_cli.output import emit
    from embedkit_cli.text import clean, count, size

    name = choose(session, name)
    folder = session.home / name
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    records = _records(session, name)
    held = count(records, "record") if records is not None else "damaged"
    what = f"{clean(name)} ({held}, {size(used)}, in {clean(str(folder))})"
    if not yes:
        if not is_terminal(sys.stdin):
            raise click.UsageError(f"this deletes {what} for good; say --yes to do it")
        click.confirm(f"Delete {what} for good?", abort=True, err=True)
    embedkit.delete(name, home=session.home)
    result = {"deleted": name, "path": str(folder), "records": records, "bytes": used}
    emit(session.format, result, lambda: f"deleted {what}")
    return 0


def _records(session: Session, name: str) -> int | None:
    import embedkit
    from embedkit.errors import EmbedkitError

    try:
        with embedkit.open(name, home=session.home) as opened:
            return opened.info().records
    except EmbedkitError:
        # Also what is damaged can be deleted.
        return None


def _list(session: Session) -> int:
    import embedkit
    from embedkit.catalog import names
    from embedkit.errors import EmbedkitError
    from embedkit_cli.failure import say
    from embedkit_cli.output import emit

    found: list[CollectionInfo] = []
    code = 0
    for name in names(session.home):
        try:
            with embedkit.open(name, home=session.home) as opened:
                found.append(opened.info())
        except EmbedkitError as error:
            say(f"{name}: {error}")
            code = 1
    if not found and not code:
        say(f"there is no collection in {session.home}; make one with: embedkit index FILE")
    emit(session.format, [info.to_dict() for info in found], lambda: _table(found))
    return code


def _table(found: list[CollectionInfo]) -> str:
    from embedkit_cli.table import Column, render
    from embedkit_cli.text import size

    if not found:
        return ""
    return render(
        [
            Column("name", [info.name for info in found], widest=30),
            Column("records", [f"{info.records:,}" for info in found], right=True),
            Column("size", [size(info.bytes) for info in found], right=True),
            Column("embedder", [info.embedder for info in found], stretch=True),
            Column("index", [info.index for info in found], optional=True),
            Column("updated (UTC)", [_minute(info.updated) for info in found], optional=True),
        ]
    )


def _minute(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else ""
