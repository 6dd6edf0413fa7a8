"""The texts of a plan that wait for their vectors, as they are fetched, settled or given up."""

from __future__ import annotations

from collections.abc import Sequence

from embedkit.store.database import Connection, scalar

BATCH_BYTES = 8_000_000
"""How much text is fetched at once, unless a single text is longer."""


class Todo:
    """The table ``todo`` of a plan: texts numbered from 0, those that a cache holds first."""

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
        # The range of n spares a scan of all staged texts for each batch.
        rows = self.connection.execute(
            "SELECT s.text, t.content FROM todo AS t JOIN staged AS s USING (n)"
            f" WHERE {chosen} AND {in_range(self.connection, 'todo AS t', chosen)} ORDER BY t.todo"
        ).fetchall()
        return [text for text, _ in rows], [content for _, content in rows]

    def set_rows(self, numbers: Sequence[int], first_row: int) -> None:
        """Note that the vectors of some texts are there, in rows one after the other."""
        import numpy as np
        import pyarrow as pa

        todo = np.asarray(numbers, np.int64)
        rows = np.arange(first_row, first_row + len(todo), dtype=np.int64)
        self.connection.register("fresh", pa.table({"todo": todo, "row": rows}))
        self.connection.execute(
            "UPDATE plan SET row = fresh.row FROM fresh WHERE plan.todo = fresh.todo"
        )
        self.connection.unregister("fresh")

    def reject(self, number: int, reason: str, run: int) -> int:
        """Enter the rows that have a text as failed; return how many they are."""
        failed = self.connection.execute(
            "SELECT s.line, ?, left(s.text, 80), s.id FROM plan AS p JOIN staged AS s USING (n)"
            " WHERE p.todo = ?",
            [f"it could not be embedded: {reason}", number],
        ).fetchall()
        for row in failed:
            self.connection.execute("INSERT INTO rejects VALUES (?, ?, ?, ?)", row)
            self.connection.execute("INSERT INTO failures VALUES (?, ?, ?, ?, ?)", [run, *row])
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
