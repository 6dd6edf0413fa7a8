"""What a run must do, found by comparing the staged rows with the records as sets.

``plan`` has a line for every staged row that is new or changed: ``row`` is the vector of its text
or of the first passage of it, ``ready`` since when it has all its vectors. ``needed`` has the
texts, or passages of texts, of the lines whose text is new. Equal ones share a number in ``todo``,
so each is embedded once; ``todo`` has them, the ones that the cache holds first. ``rejects`` also
has the rows with a text that the model refused before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedkit.ingest.pieces import KNOWN, need_passages, need_whole, settle
from embedkit.ingest.stage import Progress, Stage
from embedkit.store.database import Connection, scalar
from embedkit.store.derived import derived_columns
from embedkit.store.passages import drop_orphans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedkit.chunking.chunker import Chunker
    from embedkit.store.vectors import VectorFile
    from embedkit.types import Keys

_IN_SOURCE = "(SELECT id FROM staged UNION ALL SELECT id FROM rejects WHERE id IS NOT NULL)"


_FEW = 1000
"""Contents that are looked up one by one, rather than as a table of all that there are."""


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
    passages: int | None
    """Texts with vectors, of the new and changed rows; None where texts are not cut."""
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
    chunker: Chunker | None = None,
    progress: Progress | None = None,
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
    chunker : Chunker or None
        Cuts the texts into passages; None where they are embedded whole.
    """
    connection, known = stage.connection, known or Known()
    _register_own(connection, own_rows)
    _compare(stage, own=own_rows is not None)
    if chunker is None:
        need_whole(connection)
    else:
        need_passages(connection, chunker, progress)
    refused, to_embed, cached, tokens, parts = _to_do(connection, vectors, known)
    new, changed, staged, failed = connection.execute(
        "SELECT count(*) FILTER (op = 'new'), count(*) FILTER (op = 'changed'),"
        " (SELECT count(*) FROM staged), (SELECT count(*) FROM rejects) FROM plan"
    ).fetchall()[0]
    # A line that needs no text but has changed counts as one that found its vector.
    texts = new + changed + parts
    return Plan(
        records=stage.rows,
        new=new,
        changed=changed,
        unchanged=staged - new - changed - refused,
        gone=_gone(connection, source),
        failed=failed,
        to_embed=to_embed,
        cached=cached,
        reused=texts - to_embed,
        passages=None if chunker is None else texts,
        tokens=tokens,
        refused=refused,
        notes=stage.notes,
        complete=stage.unread == 0,
    )


def _to_do(
    connection: Connection, vectors: VectorFile | None, known: Known
) -> tuple[int, int, int, int, int]:
    """List the texts that have no vector, as the table ``todo``, and count them.

    Returns
    -------
    tuple of int
        Rows refused before, texts to embed, texts in the cache, tokens of those to embed, passages
        beyond the first of their record.
    """
    if not scalar(connection, "SELECT 1 FROM needed LIMIT 1"):
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE todo (todo BIGINT, n BIGINT, content BLOB)"
        )
        return 0, 0, 0, 0, 0
    _find_vectors(connection, vectors)
    refused = _set_refused_aside(connection, known.refused_by)
    _number_texts(connection, known.cached)
    to_embed, cached, tokens, parts = connection.execute(
        "SELECT count(*) FILTER (NOT cached), count(*) FILTER (cached),"
        " coalesce(sum(tokens) FILTER (NOT cached), 0),"
        " (SELECT count(*) FROM needed WHERE part > 0) FROM todo"
    ).fetchall()[0]
    return refused, to_embed, cached, int(tokens), parts


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


def _compare(stage: Stage, *, own: bool) -> None:
    connection, columns = stage.connection, stage.columns
    known = {column.physical: column for column in stage.known}
    differs = ["r.text IS DISTINCT FROM s.text"]
    for column in columns:
        if column.physical in known:
            stored = f"CAST(r.{column.physical} AS {column.type})"
            differs.append(f"{stored} IS DISTINCT FROM s.{column.physical}")
        else:
            differs.append(f"s.{column.physical} IS NOT NULL")
    # What embedkit added itself, no source brings: that it is missing here is no change.
    given = {column.physical for column in columns} | derived_columns(connection)
    differs += [f"r.{name} IS NOT NULL" for name in known if name not in given]
    row = "CASE WHEN r.text = s.text THEN r.row END"
    if own:
        row = "own.row"
        differs.append("r.row IS DISTINCT FROM own.row")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE plan AS"
        " SELECT s.n, CASE WHEN r.id IS NULL THEN 'new' ELSE 'changed' END AS op,"
        f" {row} AS row, CASE WHEN {row} IS NOT NULL THEN CAST({KNOWN} AS BIGINT) END AS ready,"
        " r.seq"
        " FROM staged AS s LEFT JOIN records AS r ON r.id = s.id LEFT JOIN own USING (line)"
        f" WHERE r.id IS NULL OR {' OR '.join(differs)}"
    )


def _find_vectors(connection: Connection, vectors: VectorFile | None) -> None:
    if vectors is not None and vectors.rows:
        found = connection.execute(
            f"SELECT DISTINCT content FROM needed LIMIT {_FEW + 1}"
        ).fetchall()
        few = [bytes(content) for (content,) in found] if len(found) <= _FEW else None
        connection.register("stored", _stored(vectors, few))
        connection.execute(
            "UPDATE needed SET row = found.row FROM (SELECT content, min(stored.row) AS row"
            " FROM (SELECT DISTINCT content FROM needed) JOIN stored USING (content)"
            " GROUP BY content) AS found WHERE needed.content = found.content"
        )
        connection.unregister("stored")
        settle(connection, KNOWN, "row IS NOT NULL")


def _set_refused_aside(connection: Connection, model_id: str | None) -> int:
    """Enter the rows whose text the model refused before as failed; return how many they are."""
    if model_id is None or not _has_table(connection, "refused"):
        return 0
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE aside AS SELECT n, any_value(reason) AS reason FROM needed"
        " JOIN refused USING (content) WHERE row IS NULL AND model_id = ? GROUP BY n",
        [model_id],
    )
    connection.execute(
        "INSERT INTO rejects SELECT line, reason || ' (in an earlier run; --retry-failed sends it"
        " again)', left(text, 80), id FROM aside JOIN staged USING (n)"
    )
    connection.execute("DELETE FROM plan WHERE n IN (SELECT n FROM aside)")
    connection.execute("DELETE FROM needed WHERE n IN (SELECT n FROM aside)")
    count = int(scalar(connection, "SELECT count(*) FROM aside"))
    connection.execute("DROP TABLE aside")
    return count


def _number_texts(connection: Connection, cached: NDArray[np.void] | None) -> None:
    """Make the table ``todo``: each text or passage that needs a vector, once."""
    register_keys(connection, "cached_keys", cached)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE todo AS"
        " SELECT row_number() OVER (ORDER BY cached DESC, n, part) - 1 AS todo, * FROM"
        " (SELECT *, content IN (SELECT content FROM cached_keys) AS cached"
        "  FROM (SELECT content, unnest(min_by({n: n, part: part, start: start, stop: stop,"
        "    size: size, tokens: tokens}, (n, part))) FROM needed WHERE row IS NULL"
        "   GROUP BY content)) ORDER BY todo"
    )
    connection.unregister("cached_keys")
    connection.execute(
        "UPDATE needed SET todo = todo.todo FROM todo"
        " WHERE needed.content = todo.content AND needed.row IS NULL"
    )


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


def _stored(vectors: VectorFile, wanted: Sequence[bytes] | None) -> object:
    """Return a table of the contents that there are vectors of: all, or some that are wanted."""
    import numpy as np
    import pyarrow as pa

    if wanted is not None:
        rows = vectors.find(wanted) if wanted else {}
        contents = pa.array(list(rows), pa.binary(16))
        return pa.table({"content": contents, "row": pa.array(list(rows.values()), pa.int64())})
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
    drop_orphans(connection)
    return count
