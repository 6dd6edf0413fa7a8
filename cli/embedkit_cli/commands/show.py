"""``embedkit show``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.types import Passage, Record


@click.command(cls=Command, example="embedkit show q001")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@collection_option
@click.option("--passages", is_flag=True, help="Show the passages that their texts are cut into.")
@printing()
@pass_session
def show(session: Session, ids: tuple[str, ...], collection: str | None, *, passages: bool) -> int:
    """Show records by id, whole."""
    import embedkit
    from embedkit_cli.output import emit

    name = choose(session, collection)
    with embedkit.open(name, home=session.home) as opened:
        records = [opened.get(id) for id in ids]
        cut = {record.id: opened.passages(record.id) for record in records}
    form = session.format
    if passages:
        emit(form, _passages(cut), lambda: _passages_table(cut))
        return 0
    rows = [_flat(record) if form == "csv" else _as_dict(record) for record in records]
    emit(form, rows[0] if len(rows) == 1 else rows, lambda: _table(records, cut))
    return 0


def _as_dict(record: Record) -> dict[str, Any]:
    return {"id": record.id, "text": record.text, "metadata": dict(record.metadata)}


def _flat(record: Record) -> dict[str, Any]:
    from embedkit_cli.hits import metadata_column

    own = {metadata_column(name, ("id", "text")): v for name, v in record.metadata.items()}
    return {"id": record.id, "text": record.text} | own


def _table(records: Sequence[Record], cut: Mapping[str, Sequence[Passage]]) -> str:
    from embedkit_cli.table import facts

    return "\n\n".join(
        facts(
            [
                ("id", record.id),
                ("text", record.text),
                *([("passages", len(cut[record.id]))] if len(cut[record.id]) > 1 else []),
                *record.metadata.items(),
            ]
        )
        for record in records
    )


def _passages(cut: Mapping[str, Sequence[Passage]]) -> list[dict[str, Any]]:
    return [
        {"id": id, "part": p.part, "parts": p.parts, "start": p.start, "stop": p.stop}
        | {"text": p.text}
        for id, passages in cut.items()
        for p in passages
    ]


def _passages_table(cut: Mapping[str, Sequence[Passage]]) -> str:
    from embedkit_cli.table import Column, render

    rows = _passages(cut)
    return render(
        [
            Column("id", [row["id"] for row in rows], widest=20),
            Column("part", [f"{row['part']}/{row['parts']}" for row in rows], right=True),
            Column("from", [row["start"] for row in rows], right=True),
            Column("to", [row["stop"] for row in rows], right=True),
            Column("text", [row["text"] for row in rows], stretch=True),
        ]
    )
