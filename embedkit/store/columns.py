"""Metadata columns: their SQL types, how types are found out in text, and how two unite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from embedkit.store.database import Connection, quote

TYPES = ("BOOLEAN", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "VARCHAR", "JSON")
"""What a column can be. Everything a source yields becomes one of these."""

_WIDER = {
    frozenset(("BIGINT", "DOUBLE")): "DOUBLE",
    frozenset(("DATE", "TIMESTAMP")): "TIMESTAMP",
}

# What a text must look like to be taken for a type. Numbers with a leading zero stay text: they
# are codes (a post code, a telephone number) more often than numbers; so do numbers of more digits
# than the type keeps.
_PATTERNS = {
    "BOOLEAN": r"(?i:true|false)",
    "BIGINT": r"-?(0|[1-9][0-9]{0,18})",
    "DOUBLE": r"[-+]?(0|[1-9][0-9]{0,14})?(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?",
    "DATE": r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}",
    "TIMESTAMP": r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?Z?",
}
_SAMPLE = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """A metadata column: its name in the source, its name in the database, its SQL type."""

    physical: str
    name: str
    type: str


def read_columns(connection: Connection) -> list[Column]:
    """Return the metadata columns of a collection, in the order in which they came."""
    rows = connection.execute("SELECT physical, name, type FROM columns").fetchall()
    return sorted((Column(*row) for row in rows), key=lambda column: int(column.physical[1:]))


def unite(first: str, second: str) -> str:
    """Return the narrowest type that holds the values of both."""
    if first == second:
        return first
    return _WIDER.get(frozenset((first, second)), "VARCHAR")


def infer_type(connection: Connection, table: str, column: str) -> str | None:
    """Return the type that every value of a text column has; None where all are empty."""
    name = quote(column)
    sample = f"(SELECT {name} FROM {table} WHERE {name} <> '' LIMIT {_SAMPLE})"
    if not connection.execute(f"SELECT count(*) FROM {sample}").fetchone()[0]:  # type: ignore[index]
        return None
    for kind, pattern in _PATTERNS.items():
        sound = f"regexp_full_match({name}, '{pattern}') AND try_cast({name} AS {kind}) IS NOT NULL"
        for rows in (sample, table):
            failed = connection.execute(
                f"SELECT 1 FROM {rows} WHERE {name} <> '' AND NOT ({sound}) LIMIT 1"
            ).fetchone()
            if failed:
                break
        else:
            return kind
    return "VARCHAR"


def ensure_columns(connection: Connection, wanted: Mapping[str, str | None]) -> list[Column]:
    """Make the records hold these columns (name to type), widening where they must.

    A type of None (no value seen) takes what is there, or text. Names that differ by case only
    are one column, as they are in SQL.
    """
    known = {column.name.casefold(): column for column in read_columns(connection)}
    for name, kind in wanted.items():
        column = known.get(name.casefold())
        if column is None:
            column = Column(f"m{len(known)}", name, kind or "VARCHAR")
            connection.execute(f"ALTER TABLE records ADD COLUMN {column.physical} {column.type}")
            connection.execute(
                "INSERT INTO columns VALUES (?, ?, ?)", [column.physical, name, column.type]
            )
        elif kind is not None and unite(column.type, kind) != column.type:
            column = Column(column.physical, column.name, unite(column.type, kind))
            connection.execute(
                f"ALTER TABLE records ALTER COLUMN {column.physical} TYPE {column.type}"
            )
            connection.execute(
                "UPDATE columns SET type = ? WHERE physical = ?", [column.type, column.physical]
            )
        known[name.casefold()] = column
    return [known[name.casefold()] for name in wanted]


def future_columns(known: Iterable[Column], wanted: Mapping[str, str | None]) -> list[Column]:
    """Return what ``ensure_columns`` would, changing nothing."""
    there = {column.name.casefold(): column for column in known}
    for name, kind in wanted.items():
        key = name.casefold()
        column = there.get(key) or Column(f"m{len(there)}", name, kind or "VARCHAR")
        there[key] = Column(column.physical, column.name, unite(column.type, kind or column.type))
    return [there[name.casefold()] for name in wanted]


def decode(value: Any, kind: str) -> Any:
    """Return a value of a column as a Python value."""
    if kind == "JSON" and isinstance(value, str):
        import json

        return json.loads(value)
    return value
