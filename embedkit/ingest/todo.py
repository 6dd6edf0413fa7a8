"""The texts of a plan that wait for their vectors, as they are fetched, settled or given up."""

from __future__ import annotations

from collections.abc import Sequence

from embedkit.ingest.pieces import FAILED, settle
from embedkit.store.database import Connection, scalar

BATCH_BYTES = 8_000_000
"""How much text is fetched at once, unless a single text is longer."""


class Todo:
    """The table ``todo`` of a plan: texts or passages numbered from 0, the cached ones first."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def fetch(self, start: int, size: int) -> tuple[list[str], list[bytes]]:
        """Return up to ``size`` texts from a number on, at least one, and their content keys."""
        chosen = f"t.todo >= {start} AND t.todo < {start + size}"
        # As many as are not too long together, but at least one.
        fitting = scalar(
            self.connection,
            "SELECT count(*) FROM (SELECT sum(size) OVER (ORDER BY todo) AS total FROM todo AS t"
            f" WHERE {chosen}) WHERE total <= {BATCH_BYTES}",
        )
        chosen = f"t.todo >= {start} AND t.todo < {start + max(int(fitting), 1)}"
        listed = self.connection.execute(
            f"SELECT t.n, t.start, t.stop, t.content FROM todo AS t WHERE {chosen} ORDER BY t.todo"
        ).fetchall()
        # The range of n spares a scan of all staged texts for each batch.
        texts = dict(
            self.connection.execute(
                f"SELECT s.n, s.text FROM staged AS s WHERE s.n IN (SELECT t.n FROM todo AS t"
                f" WHERE {chosen}) AND {in_range(self.connection, 'todo AS t', chosen)}"
            ).fetchall()
        )
        return (
            [texts[n][start:stop] for n, start, stop, _ in listed],
            [content for *_, content in listed],
        )

    def set_rows(self, numbers: Sequence[int], first_row: int) -> None:
        """Note that the vectors of some texts are there, in rows one after the other.

        The lines that are complete by that become ready, marked with the first row.
        """
        import numpy as np
        import pyarrow as pa

        todo = np.asarray(numbers, np.int64)
        rows = np.arange(first_row, first_row + len(todo), dtype=np.int64)
        self.connection.register("fresh", pa.table({"todo": todo, "row": rows}))
        self.connection.execute(
            "UPDATE needed SET row = fresh.row FROM fresh WHERE needed.todo = fresh.todo"
        )
        self.connection.unregister("fresh")
        settle(self.connection, first_row, f"row >= {first_row}")

    def reject(self, number: int, reason: str, run: int) -> int:
        """Enter the rows that have a text as failed; return how many they are."""
        failed = self.connection.execute(
            "SELECT s.n, s.line, ?, left(substring(s.text, f.start + 1), 80), s.id"
            " FROM (SELECT n, min(start) AS start FROM needed WHERE todo = ? GROUP BY n) AS f"
            " JOIN plan AS p USING (n) JOIN staged AS s USING (n) WHERE p.ready IS NULL"
            " ORDER BY s.n",
            [f"it could not be embedded: {reason}", number],
        ).fetchall()
        for n, *row in failed:
            self.connection.execute("INSERT INTO rejects VALUES (?, ?, ?, ?)", row)
            self.connection.execute("INSERT INTO failures VALUES (?, ?, ?, ?, ?)", [run, *row])
            self.connection.execute(f"UPDATE plan SET ready = {FAILED} WHERE n = ?", [n])
        return len(failed)

    def refuse(self, number: int, model_id: str, reason: str, run: int) -> None:
        """Remember that a model refuses a text for good."""
        self.connection.execute(
            "INSERT INTO refused SELECT ?, content, ?, ? FROM todo WHERE todo = ?",
            [model_id, reason, run, number],
        )

    def forgive(self, model_id: str) -> None:
        """Forget that a model refused these texts: they are sent again."""
        self.connection.execute(
            "DELETE FROM refused WHERE model_id = ? AND content IN (SELECT content FROM todo)",
            [model_id],
        )


def in_range(connection: Connection, table: str, condition: str) -> str:
    """Return a condition on ``s.n``: the range of n of some lines."""
    low, high = connection.execute(
        f"SELECT coalesce(min(n), 0), coalesce(max(n), -1) FROM {table} WHERE {condition}"
    ).fetchall()[0]
    return f"s.n BETWEEN {low} AND {high}"
