"""The ledger of runs: what each planned, did, and could not do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

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
    """Mark the runs whose process died."""
    connection.execute("UPDATE runs SET status = 'interrupted' WHERE status = 'running'")


def record_rejects(connection: Connection, run: int) -> None:
    """Keep the staged rejects of a run."""
    connection.execute(
        "INSERT INTO failures SELECT ?, line, reason, excerpt, id FROM rejects", [run]
    )


class Batch(Protocol):
    """What the ledger keeps of an embedded batch."""

    @property
    def places(self) -> Sequence[int]:
        """The texts that were embedded."""

    @property
    def tokens(self) -> int:
        """Their tokens."""

    @property
    def truncated(self) -> int:
        """Texts longer than the model reads."""

    @property
    def tokens_cut(self) -> int:
        """Their tokens that the model did not see."""


def record_batch(
    connection: Connection, run: int, texts: int, first_row: int, batch: Batch
) -> None:
    """Enter a batch: the texts sent, and where the vectors that came of them begin."""
    connection.execute(
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, 0)",
        [
            run,
            now(),
            texts,
            first_row,
            len(batch.places),
            batch.tokens,
            batch.truncated,
            batch.tokens_cut,
        ],
    )


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
