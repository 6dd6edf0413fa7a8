"""``embedkit show``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.types import Record


@click.command(cls=Command, example="embedkit show q001")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@collection_option
@printing()
@pass_session
def show(session: Session, ids: tuple[str, ...], collection: str | None) -> int:
    """Show records by id, whole."""
    import embedkit
    from embedkit_cli.output import emit

    name = choose(session, collection)
    with embedkit.open(name, home=session.home) as opened:
        records = [opened.get(id) for id in ids]
    form = session.format
    rows = [_flat(record) if form == "csv" else _as_dict(record) for record in records]
    emit(form, rows[0] if len(rows) == 1 else rows, lambda: _table(records))
    return 0


def _as_dict(record: Record) -> dict[str, Any]:
    return {"id": record.id, "text": record.text, "metadata": dict(record.metadata)}


def _flat(record: Record) -> dict[str, Any]:
    from embedkit_cli.hits import metadata_column

    own = {metadata_column(name, ("id", "text")): v for name, v in record.metadata.items()}
    return {"id": record.id, "text": record.text} | own


def _table(records: Sequence[Record]) -> str:
    from embedkit_cli.table import facts

    return "\n\n".join(
        facts([("id", record.id), ("text", record.text), *record.metadata.items()])
        for record in records
    )
