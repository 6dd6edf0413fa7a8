"""Rows on their way into a temporary table, gathered until an insert pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.store.database import Connection

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 65_536
_BYTES = 32 * 2**20


class Arrivals:
    """A buffer before a table: DuckDB takes many rows at once five times as cheaply as few."""

    def __init__(self, connection: Connection, table: str) -> None:
        self.connection = connection
        self.table = table
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def add(self, rows: pa.Table) -> None:
        """Take rows whose columns are some of the table's."""
        if self._waiting and rows.schema != self._waiting[0].schema:
            self.flush()
        self._waiting.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._rows >= _ROWS or self._bytes >= _BYTES:
            self.flush()

    def flush(self) -> None:
        """Insert what waits."""
        if not self._waiting:
            return
        import pyarrow as pa

        rows = pa.concat_tables(self._waiting)
        self._waiting, self._rows, self._bytes = [], 0, 0
        listed = ", ".join(rows.schema.names)
        self.connection.register("arriving", rows)
        self.connection.execute(
            f"INSERT INTO {self.table} ({listed}) SELECT {listed} FROM arriving"
        )
        self.connection.unregister("arriving")
