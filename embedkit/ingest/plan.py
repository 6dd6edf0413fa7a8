"""What a run must do, found by comparing the staged rows with the records as sets.

``plan`` has a line for every staged row that is new or changed: ``row`` is the vector that the row
already has (or another text that reads the same), ``todo`` the number of the text to embed where
there is none. Rows with equal texts share a number, so each text is embedded once. ``todo`` has
those texts, the ones that the cache holds first; ``rejects`` also has the rows whose text the model
refused before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedkit.ingest.stage import Stage
from embedkit.managed.tokens import estimate_sql
from embedkit.store.columns import Column, read_columns
from embedkit.store.database import Connection, scalar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedkit.store.vectors import VectorFile
    from embedkit.types import Keys

_IN_SOURCE = "(SELECT id FROM staged UNION ALL SELECT id FROM rejects WHERE id IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class Plan:
    """The counts of a plan; its lines are in the table ``plan``."""

    records: int
    new: int
    changed: int
    unchanged: int
    gone: int
    failed: int
    to_embed: int
    """Texts for the model, each once."""
    cached: int
    """Texts whose vectors the cache holds."""
    reused: int
    tokens: int
    """Of the texts for the model; an estimate."""
    refused: int
    """Rows that failed because the model refused their text before."""
    notes: tuple[str, ...]
    complete: bool
    """False where rows failed of which not even the id is known: what is gone is then unsure."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of texts from elsewhere.

    Attributes
    ----------
    cached : array of 16-byte keys, or None
        Contents whose vectors a cache holds.
    refused_by : str or None
        The model whose refusals still count; None sends all texts again.
    """

    cached: NDArray[np.void] | None = None
    refused_by: str | None = None


def make_plan(
    stage: Stage,
    vectors: VectorFile | None,
    source: int | None,
    own_rows: Keys | None = None,
    known: Known | None = None,
) -> Plan:
    """Compare and count; changes no record.

    Parameters
    ----------
    vectors : VectorFile or None
        Where vectors may be found that need not be made again.
    source : int or None
        The number of the source in the collection, None where it is new there.
    own_rows : int64 array, shape (n,), or None
        The vector row of each row of the source, by its line, where the user brought the vectors.
    known : Known or None
        What is known of texts from elsewhere.
    """
    connection, known = stage.connection, known or Known()
    _register_own(connection, own_rows)
    _compare(connection, stage.columns, own=own_rows is not None)
    _find_vectors(connection, vectors)
    refused = _set_refused_aside(connection, known.refused_by)
    _number_texts(connection, known.cached)
    counts = dict(
        connection.execute("SELECT op, count(*) FROM plan GROUP BY op").fetchall(),
    )
    staged = int(scalar(connection, "SELECT count(*) FROM staged"))
    new, changed = counts.get("new", 0), counts.get("changed", 0)
    to_embed, cached, tokens = connection.execute(
        "SELECT count(*) FILTER (NOT cached), count(*) FILTER (cached),"
        " coalesce(sum(tokens) FILTER (NOT cached), 0) FROM todo"
    ).fetchall()[0]
    return Plan(
        records=stage.rows,
        new=new,
        changed=changed,
        unchanged=staged - new - changed - refused,
        gone=_gone(connection, source),
        failed=int(scalar(connection, "SELECT count(*) FROM rejects")),
        to_embed=to_embed,
        cached=cached,
        reused=new + changed - to_embed,
        tokens=int(tokens),
        refused=refused,
        notes=stage.notes,
        complete=stage.unread == 0,
    )


def _register_own(connection: Connection, rows: Keys | None) -> None:
    """Make the table ``own``: the vector row that the user brought for each line."""
    connection.execute("CREATE OR REPLACE TEMP TABLE own (line BIGINT, row BIGINT)")
    if rows is None:
        return
    import numpy as np
    import pyarrow as pa

    lines = np.arange(1, len(rows) + 1, dtype=np.int64)
    connection.register("brought", pa.table({"line": lines, "row": rows}))
    connection.execute("INSERT INTO own SELECT line, row FROM brought")
    connection.unregister("brought")


def _compare(connection: Connection, columns: Sequence[Column], *, own: bool) -> None:
    known = {column.physical: column for column in read_columns(connection)}
    differs = ["r.text IS DISTINCT FROM s.text"]
    for column in columns:
        if column.physical in known:
            stored = f"CAST(r.{column.physical} AS {column.type})"
            differs.append(f"{stored} IS DISTINCT FROM s.{column.physical}")
        else:
            differs.append(f"s.{column.physical} IS NOT NULL")
    given = {column.physical for column in columns}
    differs += [f"r.{name} IS NOT NULL" for name in known if name not in given]
    row = "CASE WHEN r.text = s.text THEN r.row END"
    if own:
        row = "own.row"
        differs.append("r.row IS DISTINCT FROM own.row")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE plan AS"
        " SELECT s.n, CASE WHEN r.id IS NULL THEN 'new' ELSE 'changed' END AS op,"
        f" {row} AS row, CAST(NULL AS BIGINT) AS todo"
        " FROM staged AS s LEFT JOIN records AS r ON r.id = s.id LEFT JOIN own USING (line)"
        f" WHERE r.id IS NULL OR {' OR '.join(differs)}"
    )


def _find_vectors(connection: Connection, vectors: VectorFile | None) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE needed AS"
        " SELECT n, unhex(left(sha256(text), 32)) AS content, strlen(text) AS size,"
        f" {estimate_sql('text')} AS tokens"
        " FROM plan JOIN staged USING (n) WHERE row IS NULL"
    )
    if vectors is not None and vectors.rows:
        connection.register("stored", _stored(vectors))
        connection.execute(
            "UPDATE plan SET row = found.row FROM (SELECT n, min(stored.row) AS row"
            " FROM needed JOIN stored USING (content) GROUP BY n) AS found"
            " WHERE plan.n = found.n"
        )
        connection.unregister("stored")


def _set_refused_aside(connection: Connection, model_id: str | None) -> int:
    """Enter the rows whose text the model refused before as failed; return how many they are."""
    if model_id is None or not _has_table(connection, "refused"):
        return 0
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE aside AS SELECT n, any_value(reason) AS reason FROM needed"
        " JOIN refused USING (content) JOIN plan USING (n)"
        " WHERE row IS NULL AND model_id = ? GROUP BY n",
        [model_id],
    )
    connection.execute(
        "INSERT INTO rejects SELECT line, reason || ' (in an earlier run; --retry-failed sends it"
        " again)', left(text, 80), id FROM aside JOIN staged USING (n)"
    )
    connection.execute("DELETE FROM plan WHERE n IN (SELECT n FROM aside)")
    count = int(scalar(connection, "SELECT count(*) FROM aside"))
    connection.execute("DROP TABLE aside")
    return count


def _number_texts(connection: Connection, cached: NDArray[np.void] | None) -> None:
    """Make the table ``todo``: each text that needs a vector, once."""
    register_keys(connection, "cached_keys", cached)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE todo AS"
        " SELECT row_number() OVER (ORDER BY cached DESC, n) - 1 AS todo, * FROM"
        " (SELECT n, content, size, tokens, content IN (SELECT content FROM cached_keys) AS cached"
        "  FROM (SELECT content, min(n) AS n, any_value(size) AS size, any_value(tokens) AS tokens"
        "   FROM needed JOIN plan USING (n) WHERE row IS NULL GROUP BY content)) ORDER BY todo"
    )
    connection.unregister("cached_keys")
    connection.execute(
        "UPDATE plan SET todo = found.todo FROM (SELECT needed.n, todo.todo"
        " FROM needed JOIN todo USING (content)) AS found WHERE plan.n = found.n"
    )
    connection.execute("DROP TABLE needed")


def cached_contents(embedder: Any) -> NDArray[np.void] | None:
    """Return the content keys of the documents that an embedder's cache holds, if it has one."""
    contents = getattr(embedder, "cached_contents", None)
    return contents("document") if contents is not None else None


def register_keys(connection: Connection, name: str, keys: NDArray[np.void] | None) -> None:
    """Make content keys a table of one column, ``content``, to be unregistered after use."""
    import pyarrow as pa

    column = pa.array([], pa.binary(16)) if keys is None else _binary(keys)
    connection.register(name, pa.table({"content": column}))


def _has_table(connection: Connection, name: str) -> bool:
    """Whether a table is there: what an earlier version published may not have it."""
    query = "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?"
    return bool(scalar(connection, query, [name]))


def _binary(keys: NDArray[np.void]) -> object:
    import pyarrow as pa

    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(keys), [None, pa.py_buffer(keys.tobytes())]
    )


def _stored(vectors: VectorFile) -> object:
    import numpy as np
    import pyarrow as pa

    content = _binary(vectors.contents)
    return pa.table({"content": content, "row": np.arange(vectors.rows, dtype=np.int64)})


def _gone(connection: Connection, source: int | None) -> int:
    if source is None:
        return 0
    query = f"SELECT count(*) FROM records WHERE source = ? AND id NOT IN {_IN_SOURCE}"
    return int(scalar(connection, query, [source]))


def remove_gone(connection: Connection, source: int) -> int:
    """Delete the records that came from the source and are no longer in it; return how many."""
    count = _gone(connection, source)
    connection.execute(f"DELETE FROM records WHERE source = ? AND id NOT IN {_IN_SOURCE}", [source])
    return count
