"""What comes before a run: what was asked for, the source staged, the plan made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedkit.ingest.choose import Choice
from embedkit.ingest.plan import Known, Plan, cached_contents, make_plan
from embedkit.ingest.spending import Spending
from embedkit.ingest.stage import Progress, Stage
from embedkit.protocols import Embedder, Source
from embedkit.store.database import Connection
from embedkit.store.vectors import VectorFile
from embedkit.types import Report

if TYPE_CHECKING:
    from embedkit.chunking.chunker import Chunker
    from embedkit.types import Keys, Vectors

_ANONYMOUS = "memory"
"""The name of records in memory: each time others, so that no columns are remembered of them."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for."""

    source: Source
    text: Sequence[str] | None = None
    id: str | None = None
    sync: bool = False
    partial: bool = False
    """The source holds some records, not all there are: nothing is gone for not being in it."""
    progress: Progress | None = None
    vectors: Vectors | None = None
    """Vectors that the user brought, shape (rows of the source, dim), in the source's order."""
    retry_failed: bool = False
    """Send texts again that the model refused in an earlier run."""
    max_cost: float | None = None
    """US dollars that the run may spend."""
    max_texts: int | None = None
    """Texts that the run may send to the model."""


def known_source(connection: Connection, name: str) -> tuple[int | None, Choice | None]:
    """Return the number of a source in the collection and the columns it was read with."""
    row = connection.execute(
        "SELECT source, text_columns, id_column FROM sources WHERE name = ?", [name]
    ).fetchone()
    if row is None:
        return None, None
    return int(row[0]), Choice(tuple(row[1]), row[2]) if row[1] else None


def stage_and_plan(
    connection: Connection,
    request: Request,
    vectors: VectorFile | None,
    embedder: Embedder | None,
    own_rows: Keys | None = None,
    chunker: Chunker | None = None,
) -> tuple[Stage, Plan]:
    """Read the source and compare it with the records; changes nothing."""
    number, remembered = known_source(connection, request.source.name)
    if request.source.name == _ANONYMOUS:
        remembered = None
    stage = Stage(connection, request.source)
    stage.load(text=request.text, id=request.id, remembered=remembered, progress=request.progress)
    known = _known(embedder, request)
    number = None if request.partial else number
    plan = make_plan(stage, vectors, number, own_rows, known, chunker, request.progress)
    return stage, plan


def _known(embedder: Any, request: Request) -> Known:
    """Return what the home's cache and earlier runs know of the model's texts."""
    if embedder is None:
        return Known()
    return Known(
        cached=cached_contents(embedder),
        refused_by=None if request.retry_failed else embedder.model_id,
    )


def planned_report(
    collection: str, request: Request, plan: Plan, spending: Spending, seconds: float
) -> Report:
    """Say what a run would do."""
    return Report(
        collection=collection,
        source=request.source.label,
        records=plan.records,
        new=plan.new,
        changed=plan.changed,
        unchanged=plan.unchanged,
        removed=plan.gone if request.sync and plan.complete else 0,
        gone=plan.gone,
        failed=plan.failed,
        embedded=plan.to_embed,
        reused=plan.reused,
        cached=plan.cached,
        passages=plan.passages,
        seconds=round(seconds, 3),
        status="planned",
        notes=plan_notes(request, plan),
        **spending.planned(plan.to_embed, plan.tokens),
    )


def plan_notes(request: Request, plan: Plan) -> tuple[str, ...]:
    """Return what a person should know of a plan."""
    notes = plan.notes
    if request.sync and plan.gone and not plan.complete:
        notes += (
            f"{plan.gone:,} records are not in the source any more, but were not removed: some "
            "rows could not be read, and these may be among them",
        )
    return notes
