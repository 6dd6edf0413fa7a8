"""The ledger of runs: what each planned, did, and could not do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from embedkit.store.database import Connection, scalar
from embedkit.types import Reject, RunInfo

_COLUMNS = "run, started, finished, status, source, counts, notes"


def now() -> datetime:
    """Return the present time in UTC, as the ledger keeps it: without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def start_run(connection: Connection, source: str) -> int:
    """Open a run and return its number."""
    run = int(scalar(connection, "SELECT coalesce(max(run), 0) + 1 FROM runs"))
    connection.execute(
        "INSERT INTO runs VALUES (?, ?, NULL, 'running', ?, '{}', [])", [run, now(), source]
    )
    return run


def finish_run(
    connection: Connection,
    run: int,
    status: str,
    counts: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> None:
    """Close a run with what it did."""
    connection.execute(
        "UPDATE runs SET finished = ?, status = ?, counts = ?, notes = ? WHERE run = ?",
        [now(), status, json.dumps(dict(counts)), list(notes), run],
    )


def close_interrupted(connection: Connection) -> None:
    """Mark the runs whose process died, with what their batches tell."""
    running = connection.execute("SELECT run FROM runs WHERE status = 'running'").fetchall()
    for (run,) in running:
        counts = connection.execute(
            "SELECT coalesce(sum(vector_rows - coalesce(cached, 0)), 0), coalesce(sum(cached), 0),"
            " sum(billed_tokens) FROM batches WHERE run = ?",
            [run],
        ).fetchall()[0]
        told = dict(zip(("embedded", "cached", "billed_tokens"), counts, strict=True))
        known = {name: int(count) for name, count in told.items() if count is not None}
        connection.execute(
            "UPDATE runs SET status = 'interrupted', counts = ? WHERE run = ?",
            [json.dumps(known), run],
        )


def record_rejects(connection: Connection, run: int) -> None:
    """Keep the staged rejects of a run."""
    connection.execute(
        "INSERT INTO failures SELECT ?, line, reason, excerpt, id FROM rejects", [run]
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """What the ledger keeps of texts that were embedded together.

    Attributes
    ----------
    texts : int
        Texts that were sent, or asked of the cache.
    first_row, vector_rows : int
        Where the vectors that came of them begin, and how many they are.
    tokens, truncated, tokens_cut : int
        Tokens of the embedded texts, of a managed embedder estimated; texts longer than the model
        reads; their tokens that it did not see.
    billed_tokens : int or None
        What the service says it bills.
    cached : int
        How many of the vectors came out of the cache.
    """

    texts: int
    first_row: int
    vector_rows: int
    tokens: int = 0
    truncated: int = 0
    tokens_cut: int = 0
    billed_tokens: int | None = None
    cached: int = 0


def record_batch(connection: Connection, run: int, batch: Batch) -> None:
    """Enter a batch."""
    connection.execute(
        "INSERT INTO batches (run, committed, texts, first_row, vector_rows, tokens, truncated,"
        " tokens_cut, billed_tokens, cached) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [run, now(), *astuple(batch)],
    )


def billing_ratio(connection: Connection) -> float | None:
    """Return tokens billed over tokens estimated, of all batches; None where none was billed."""
    try:
        row = connection.execute(
            "SELECT sum(billed_tokens) / sum(tokens) FROM batches"
            " WHERE billed_tokens IS NOT NULL AND tokens > 0"
        ).fetchone()
    except duckdb.BinderException:
        return None  # published by a version that knew no bills
    return float(row[0]) if row and row[0] else None


def cut_texts(connection: Connection, run: int) -> tuple[int, int]:
    """Return how many texts of a run were longer than the model reads, and the tokens cut."""
    row = connection.execute(
        "SELECT coalesce(sum(truncated), 0), coalesce(sum(tokens_cut), 0) FROM batches"
        " WHERE run = ?",
        [run],
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def read_runs(connection: Connection) -> list[RunInfo]:
    """Return all runs, the newest first, without their failures."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY run DESC").fetchall()
    return [_run(row) for row in rows]


def read_run(connection: Connection, run: int) -> RunInfo | None:
    """Return one run with its failures in the order of their lines."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM runs WHERE run = ?", [run]).fetchone()
    if row is None:
        return None
    failures = connection.execute(
        "SELECT line, reason, excerpt, id FROM failures WHERE run = ? ORDER BY line", [run]
    ).fetchall()
    return _run(row, tuple(Reject(*failure) for failure in failures))


def _run(row: Sequence[Any], failures: tuple[Reject, ...] = ()) -> RunInfo:
    run, started, finished, status, source, counts, notes = row
    started = started.replace(tzinfo=UTC)
    finished = finished.replace(tzinfo=UTC) if finished else None
    return RunInfo(
        run=run,
        started=started,
        finished=finished,
        status=status,
        source=source,
        counts=json.loads(counts),
        notes=tuple(notes or ()),
        failures=failures,
    )
