"""The texts that the lines of a plan need vectors of: each whole, or cut into passages.

The table ``needed`` has them, by the line (``n``) and their place in its text (``part``): ``start``
and ``stop`` in characters (a NULL ``stop`` is the end), the key of the ``content``, its ``size`` in
bytes and its ``tokens``, the vector ``row`` where there is one, and otherwise the number of the
text to embed (``todo``). A line is ``ready`` when all that it needs has a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.ingest.arrivals import Arrivals
from embedkit.managed.tokens import estimate_sql
from embedkit.store.database import Connection, scalar
from embedkit.store.vectors import content_key

if TYPE_CHECKING:
    from embedkit.chunking.chunker import Chunker
    from embedkit.ingest.stage import Progress

KNOWN = -1
"""``plan.ready`` of a line that was complete when the plan was made."""
FAILED = -2
"""``plan.ready`` of a line that has a text which the model does not take."""
_TEXTS = 4096
_BYTES = 8_000_000


def need_whole(connection: Connection) -> None:
    """Make the table ``needed``: the whole text of each line that has no vector."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE needed AS"
        " SELECT n, 0 AS part, CAST(0 AS BIGINT) AS start, CAST(NULL AS BIGINT) AS stop,"
        " unhex(left(sha256(text), 32)) AS content, strlen(text) AS size,"
        f" {estimate_sql('text')} AS tokens, CAST(NULL AS BIGINT) AS row,"
        " CAST(NULL AS BIGINT) AS todo"
        " FROM plan JOIN staged USING (n) WHERE ready IS NULL"
    )


def need_passages(connection: Connection, chunker: Chunker, progress: Progress | None) -> None:
    """Make the table ``needed``: the passages of the text of each line that has no vectors."""
    import pyarrow as pa

    connection.execute(
        "CREATE OR REPLACE TEMP TABLE needed (n BIGINT, part INTEGER, start BIGINT, stop BIGINT,"
        " content BLOB, size BIGINT, tokens BIGINT, row BIGINT, todo BIGINT)"
    )
    arriving = Arrivals(connection, "needed")
    done = 0
    sizes = connection.execute(
        "SELECT n, strlen(text) AS size FROM plan JOIN staged USING (n) WHERE ready IS NULL"
        " ORDER BY n"
    ).fetchnumpy()
    for low, high in _portions(sizes["n"], sizes["size"]):
        lines = connection.execute(
            "SELECT n, text FROM plan JOIN staged USING (n)"
            f" WHERE ready IS NULL AND n BETWEEN {low} AND {high} ORDER BY n"
        ).fetchall()
        arriving.add(pa.Table.from_pylist(list(_passages(chunker, lines)), schema=_schema()))
        done += len(lines)
        if progress is not None:
            progress("cutting", done, len(sizes["n"]))
    arriving.flush()


def _passages(chunker: Chunker, lines: list[tuple[int, str]]) -> Iterator[dict[str, Any]]:
    cut = chunker.split([text for _, text in lines])
    for (n, text), spans in zip(lines, cut, strict=True):
        for part, (start, stop, tokens) in enumerate(spans):
            passage = text[start:stop]
            yield {
                "n": n,
                "part": part,
                "start": start,
                "stop": stop,
                "content": content_key(passage),
                "size": len(passage.encode()),
                "tokens": tokens,
            }


def _schema() -> Any:
    import pyarrow as pa

    whole = pa.int64()
    return pa.schema(
        [
            ("n", whole),
            ("part", pa.int32()),
            ("start", whole),
            ("stop", whole),
            ("content", pa.binary()),
            ("size", whole),
            ("tokens", whole),
        ]
    )


def _portions(numbers: Any, sizes: Any) -> Iterator[tuple[int, int]]:
    """Yield ranges of lines that are not too many and not too long together, but at least one."""
    ends = np.cumsum(np.asarray(sizes, np.int64))
    first = 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        last = int(np.searchsorted(ends, before + _BYTES, "right"))
        last = min(max(last, first + 1), first + _TEXTS)
        yield int(numbers[first]), int(numbers[last - 1])
        first = last


def settle(connection: Connection, mark: int, among: str) -> None:
    """Mark as ready the lines that have become complete, and note the row of each.

    Parameters
    ----------
    mark : int
        What ``ready`` becomes.
    among : str
        A condition on ``needed`` that some text of each such line meets.
    """
    connection.execute(
        f"UPDATE plan SET row = done.row, ready = {mark} FROM"
        " (SELECT n, min_by(row, part) AS row FROM needed"
        f"  WHERE n IN (SELECT n FROM needed WHERE {among})"
        "  GROUP BY n HAVING count(*) = count(row)) AS done"
        " WHERE plan.n = done.n AND plan.ready IS NULL"
    )


def replace_passages(connection: Connection, ready: int, first_seq: int) -> int:
    """Enter the passages of the lines that became ready together, in place of those they had.

    Parameters
    ----------
    first_seq : int
        The number of the record that the source's first row becomes where it is new.

    Returns
    -------
    int
        How many passages there are beyond the first of each line.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE cut AS SELECT p.n,"
        f" CASE WHEN p.op = 'new' THEN {first_seq} + p.n ELSE r.seq END AS seq"
        " FROM plan AS p JOIN staged AS s USING (n) LEFT JOIN records AS r"
        " ON p.op = 'changed' AND r.id = s.id"
        f" WHERE p.ready = {ready} AND p.n IN (SELECT n FROM needed)"
    )
    connection.execute("DELETE FROM passages WHERE seq IN (SELECT seq FROM cut)")
    several = "n IN (SELECT n FROM needed WHERE part = 1)"
    connection.execute(
        "INSERT INTO passages SELECT cut.seq, part, start, stop, row"
        f" FROM needed JOIN cut USING (n) WHERE {several} ORDER BY cut.seq, part"
    )
    query = "SELECT count(*) FROM needed JOIN cut USING (n) WHERE part > 0"
    beyond = int(scalar(connection, query))
    connection.execute("DROP TABLE cut")
    return beyond
