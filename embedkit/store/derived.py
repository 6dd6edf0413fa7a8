"""Columns that embedkit itself adds to records: what a classifier says of them.

No source brings such a column, so that a run which brings a record again leaves it as it is, unless
the text is another one: then it is empty until the record is labelled again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from embedkit.errors import InvalidInputError
from embedkit.store.columns import Column, ensure_columns, read_columns
from embedkit.store.database import Connection, scalar

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.store.writer import Writer

_KEY = "derived "


def derived_columns(connection: Connection) -> set[str]:
    """Return the names in the database of the columns that were added."""
    found = connection.execute("SELECT key FROM meta WHERE starts_with(key, ?)", [_KEY]).fetchall()
    return {str(key).removeprefix(_KEY) for (key,) in found}


def cleared(name: str, *, derived: bool) -> str:
    """Return the assignment for a column that a source does not bring, in an update from ``c``."""
    if not derived:
        return f"{name} = NULL"
    return f"{name} = CASE WHEN records.text = c.text THEN records.{name} END"


def check_free(connection: Connection, names: Iterable[str], *, force: bool) -> None:
    """Refuse to write over a column that came with the records, unless that is wanted.

    Raises
    ------
    InvalidInputError
    """
    known = {column.name.casefold(): column for column in read_columns(connection)}
    added = derived_columns(connection)
    for name in names:
        column = known.get(name.casefold())
        if name.casefold() in ("id", "text"):
            raise InvalidInputError(f"{name!r} is a record's own", do="name another column")
        if column is not None and column.physical not in added and not force:
            raise InvalidInputError(
                f"the records have a column {column.name!r} already, which came with them",
                do="name another column, or write over it with --force",
            )


def write_columns(
    writer: Writer, types: Mapping[str, str], values: pa.Table, *, force: bool = False
) -> int:
    """Commit values of columns for some records; publish them when that is done.

    Parameters
    ----------
    types : mapping of name to SQL type
        The columns, made where they are not there.
    values : pyarrow.Table
        ``seq`` and ``row``, which tell a record whose text is still the same, and then the values,
        in the order of ``types``.
    force : bool
        Write over columns that came with the records.

    Returns
    -------
    int
        How many records got their values; others were changed or deleted meanwhile.

    Raises
    ------
    InvalidInputError
        A column that came with the records; nothing was changed.
    """
    connection = writer.connection
    check_free(connection, types, force=force)
    with writer.commit():
        columns = ensure_columns(connection, types)
        _mark(connection, columns)
        named = ["seq", "row", *(f"v{i}" for i in range(len(columns)))]
        connection.register("brought", values.rename_columns(named))
        matching = "records.seq = brought.seq AND records.row = brought.row"
        count = int(scalar(connection, f"SELECT count(*) FROM records JOIN brought ON {matching}"))
        sets = ", ".join(f"{column.physical} = brought.v{i}" for i, column in enumerate(columns))
        connection.execute(f"UPDATE records SET {sets} FROM brought WHERE {matching}")
        connection.unregister("brought")
    return count


def _mark(connection: Connection, columns: Iterable[Column]) -> None:
    known = derived_columns(connection)
    for column in columns:
        if column.physical not in known:
            connection.execute("INSERT INTO meta VALUES (?, 1)", [_KEY + column.physical])
