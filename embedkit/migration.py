"""Change a collection's model: fill a second set of vectors, compare, switch, keep the first.

Readers go on with the old set until the switch is published, and whatever ends the work on the way
leaves the collection as it was: run again, it embeds only what is still missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from embedkit.errors import UnsupportedOperationError
from embedkit.evaluation.compare import (
    DEPTH,
    Comparison,
    Judge,
    Side,
    compare_by_queries,
    compare_by_records,
)
from embedkit.ingest.deliver import embed_queries
from embedkit.ingest.fill import Fill, Gap, find_gap, text_rows
from embedkit.ingest.spending import Spending, paid_counts
from embedkit.ingest.stage import Progress
from embedkit.managed.budget import BudgetReached, dollars
from embedkit.protocols import Embedder
from embedkit.store import ledger
from embedkit.store.database import Connection, is_interrupt, scalar
from embedkit.store.manifest import Manifest, Model, VectorSet
from embedkit.store.passages import rows_of_records, texts_of_rows
from embedkit.store.sets import (
    CONTENT,
    current_set,
    other_sets,
    register_contents,
    remove_set,
    unused_number,
    write_set,
)
from embedkit.store.vectors import VectorFile, VectorWriter
from embedkit.store.writer import Writer, open_writer
from embedkit.types import MigrationReport

if TYPE_CHECKING:
    from embedkit.types import Keys

Status = Literal["done", "stopped", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    ``old`` makes the embedder of the present model, which is needed only for ``queries``.
    """

    model: Model
    embedder: Embedder
    old: Embedder | None = None
    queries: Mapping[str, str] = field(default_factory=dict)
    qrels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    compare_only: bool = False
    max_texts: int | None = None
    max_cost: float | None = None
    progress: Progress | None = None
    back: bool = False

    @property
    def label(self) -> str:
        """What the ledger calls it."""
        name = self.model.spec if self.model.spec != "object" else self.model.model_id
        return f"migrate {'back ' if self.back else ''}to {name}"


def find_set(sets: Sequence[VectorSet], model: Model) -> VectorSet | None:
    """Return the set that a model has filled, or begun to."""
    for vectors in sets:
        found = vectors.model
        if (found.model_id, found.dim, found.precision) == (
            model.model_id, model.dim, model.precision,
        ):  # fmt: skip
            return dataclasses.replace(vectors, model=model)
    return None


def previous_set(sets: Sequence[VectorSet]) -> VectorSet | None:
    """Return the set that was in use last before the present one."""
    used = [(vectors.retired, vectors) for vectors in sets if vectors.retired is not None]
    return max(used, key=lambda pair: pair[0])[1] if used else None


def refuse_own_vectors(connection: Connection, vectors: VectorFile, name: str) -> None:
    """Raise UnsupportedOperationError where records have vectors that no model made."""
    register_contents(connection, "there", vectors)
    own = scalar(
        connection,
        f"SELECT count(*) FROM {texts_of_rows(connection)} AS r JOIN there USING (row)"
        f" WHERE there.content <> {CONTENT.format('r.text')}",
    )
    connection.unregister("there")
    if own:
        raise UnsupportedOperationError(
            f"collection {name!r} has records with vectors of your own, {own:,} of them, which no "
            "model can make again",
            do="delete those records, or write them again without vectors, and migrate then",
        )


def planned(
    name: str, manifest: Manifest, request: Request, gap: Gap, ratio: float | None, seconds: float
) -> MigrationReport:
    """Say what a migration would do."""
    spending = Spending(request.embedder, request.max_cost, ratio=ratio)
    return MigrationReport(
        collection=name,
        old=manifest.model.spec,
        new=request.model.spec,
        old_model_id=manifest.model.model_id,
        new_model_id=request.model.model_id,
        texts=gap.texts,
        reused=gap.texts - gap.missing,
        embedded=gap.missing - gap.cached,
        cached=gap.cached,
        failed=0,
        missing=gap.missing,
        seconds=round(seconds, 3),
        status="planned",
        notes=(f"comparing embeds {len(request.queries):,} queries with both models",)
        if request.queries
        else (),
        **spending.planned(gap.missing - gap.cached, gap.tokens),
    )


def nothing_to_do(name: str, model: Model) -> MigrationReport:
    """Say that the collection has that model already."""
    return MigrationReport(
        collection=name,
        old=model.spec,
        new=model.spec,
        old_model_id=model.model_id,
        new_model_id=model.model_id,
        texts=0,
        reused=0,
        embedded=0,
        failed=0,
        missing=0,
        seconds=0.0,
        notes=(f"there is nothing to do: {name} uses {model.model_id} already",),
    )


class Migration:
    """A migration under way.

    Parameters
    ----------
    writer : Writer
        An open session of the collection as it is.
    """

    def __init__(self, writer: Writer, request: Request) -> None:
        self.writer = writer
        self.request = request
        self.notes: list[str] = []
        self._name = writer.layout.root.name
        self._old = writer.settings.model
        self._started = time.monotonic()
        self._number = 0
        self._gap = Gap(0, 0)
        self._fill: Fill | None = None
        self._spending = Spending(request.embedder, request.max_cost, request.max_texts)
        self._comparison = Comparison()

    def execute(self) -> MigrationReport:
        """Fill, compare and switch, as far as was asked for and can be done.

        What was embedded before an interruption or an error is kept and in the ledger when that
        error leaves.
        """
        writer = self.writer
        refuse_own_vectors(writer.connection, writer.vectors, self._name)
        with writer.commit():
            self._number = ledger.start_run(writer.connection, self.request.label)
        try:
            return self._execute()
        except BaseException as error:
            interrupted = is_interrupt(error)
            if not self._half_switched:
                self._stop(error, interrupted=interrupted)
            if interrupted and not isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise

    @property
    def _half_switched(self) -> bool:
        """Whether the records use the new set, but no manifest says so: the next writer undoes it.

        Anything published now would finish what did not succeed.
        """
        manifest = self.writer.manifest
        with contextlib.suppress(Exception):
            number = current_set(self.writer.connection)
            return manifest is not None and number != manifest.vector_set
        return True

    def _execute(self) -> MigrationReport:
        request = self.request
        vectors, file = self._target()
        self._gap = find_gap(self.writer.connection, file, request.embedder)
        self._fill = Fill(
            self.writer, self._number, request.embedder, vectors, file, self._spending
        )
        self._fill.execute(self._gap, request.max_texts, request.progress)
        if self._missing:
            return self._end_unfilled()
        self._tell("comparing")
        try:
            self._compare(file)
        except BudgetReached as reached:
            self._fill.done.stopped = str(reached)
            return self._end_unfilled()
        if request.compare_only:
            return self._finish("done")
        return self._switch(self._fill.vectors, file)

    def _target(self) -> tuple[VectorSet, VectorWriter]:
        """Return the set of the new model: one that is kept, one half filled, or a new one."""
        writer, connection = self.writer, self.writer.connection
        vectors = find_set(other_sets(connection), self.request.model)
        if vectors is None:
            number = unused_number(connection, writer.layout)
            vectors = VectorSet(number, self.request.model, 0)
            with writer.commit():
                write_set(connection, vectors)
            # Published before there are files: what no manifest knows of is cleared away.
            writer.publish(build_index=False)
        file = open_writer(writer.layout, vectors)
        file.check()
        return vectors, file

    @property
    def _missing(self) -> int:
        done = self._fill.done if self._fill else None
        return self._gap.missing - (done.embedded + done.cached if done else 0)

    def _compare(self, file: VectorFile) -> None:
        now, later = text_rows(self.writer.connection, file)
        old, new = Side(self.writer.vectors.matrix, now), Side(file.matrix, later)
        request = self.request
        if not request.queries:
            self._comparison = compare_by_records(old, new)
        elif len(now):
            assert request.old is not None
            texts = list(request.queries.values())
            asked = embed_queries(request.embedder, texts, self._spending.meter)
            new = dataclasses.replace(new, queries=asked)
            # The old model may cost as well: of the same money, and it is told apart.
            spending = Spending(request.old, *self._left())
            asked = embed_queries(request.old, texts, spending.meter)
            old = dataclasses.replace(old, queries=asked)
            if spending.meter is not None and spending.meter.cost:
                paid = dollars(spending.meter.cost)
                self.notes.append(f"embedding the queries with {request.old.model_id} cost {paid}")
            judge = Judge(list(request.queries), request.qrels, partial(self._ids, now))
            self._comparison = compare_by_queries(old, new, judge)
        if self._comparison.overlap is None:
            self.notes.append("there are too few records to compare the models by")
        elif request.qrels and self._comparison.ndcg_new is None:
            self.notes.append("none of the queries has a judgement of relevance above 0")

    def _left(self) -> tuple[float | None, int | None]:
        if self._spending.meter is None:
            return self.request.max_cost, self.request.max_texts
        return self._spending.left

    def _ids(self, now: Keys, places: list[int]) -> dict[int, list[str]]:
        """Return the ids of the first records that have the text of each place, by its row now."""
        chosen = {int(now[place]): place for place in places}
        connection = self.writer.connection
        rows = connection.execute(
            f"SELECT f.row, list(r.id ORDER BY r.seq)[1:{DEPTH}]"
            f" FROM {rows_of_records(connection)} AS f JOIN records AS r USING (seq)"
            " WHERE f.row IN (SELECT unnest(?::BIGINT[])) GROUP BY f.row",
            [list(chosen)],
        ).fetchall()
        return {chosen[int(row)]: ids for row, ids in rows}

    # -- the end --------------------------------------------------------------------------------

    def _end_unfilled(self) -> MigrationReport:
        assert self._fill is not None
        done = self._fill.done
        if done.failed:
            self.notes.append(
                f"not switched: {self.request.model.model_id} cannot take every text; change or "
                "delete the records of those that failed and run this again"
            )
        if done.stopped:
            self.notes.append(f"{done.stopped}: run the same command again to go on")
        return self._finish("stopped" if done.stopped else "failed")

    def _switch(self, vectors: VectorSet, file: VectorWriter) -> MigrationReport:
        self._tell("building the index")
        report = self._report("done", switched=True)
        self.writer.switch(vectors, file, lambda: self._close(report))
        seconds = round(time.monotonic() - self._started, 3)
        return dataclasses.replace(report, seconds=seconds)

    def _finish(self, status: Status) -> MigrationReport:
        report = self._report(status)
        with self.writer.commit():
            self._close(report)
        self.writer.publish(build_index=False)
        return report

    def _close(self, report: MigrationReport) -> None:
        counts = {
            name: getattr(report, name)
            for name in ("texts", "reused", "embedded", "failed", "missing", "seconds")
        } | paid_counts(report)
        notes = [*report.notes, *_measured(report)]
        status = report.status
        ledger.finish_run(self.writer.connection, self._number, status, counts, notes)

    def _report(self, status: Status, *, switched: bool = False) -> MigrationReport:
        done = self._fill.done if self._fill else None
        return MigrationReport(
            collection=self._name,
            old=self._old.spec,
            new=self.request.model.spec,
            old_model_id=self._old.model_id,
            new_model_id=self.request.model.model_id,
            texts=self._gap.texts,
            reused=self._gap.texts - self._gap.missing,
            embedded=done.embedded if done else 0,
            cached=done.cached if done else 0,
            failed=done.failed if done else 0,
            missing=self._missing,
            seconds=round(time.monotonic() - self._started, 3),
            run=self._number,
            status=status,
            switched=switched,
            overlap_at_10=self._comparison.overlap,
            compared=self._comparison.by,
            ndcg_at_10_old=self._comparison.ndcg_old,
            ndcg_at_10_new=self._comparison.ndcg_new,
            failures=tuple(done.failures) if done else (),
            notes=(*self.notes, *self._spending.notes()),
            **self._spending.done(),
        )

    def _stop(self, error: BaseException, *, interrupted: bool) -> None:
        """Keep what was done before an error; the error itself is not hidden by another."""
        self.notes.append("interrupted" if interrupted else f"stopped: {error}")
        try:
            self._finish("interrupted" if interrupted else "failed")
        except Exception as second:
            error.add_note(f"closing the run failed too: {second}")

    def _tell(self, what: str) -> None:
        if self.request.progress is not None:
            self.request.progress(what, 0, 0)


def _measured(report: MigrationReport) -> list[str]:
    names = {
        "overlap_at_10": "overlap@10",
        "ndcg_at_10_old": f"nDCG@10 of {report.old_model_id}",
        "ndcg_at_10_new": f"nDCG@10 of {report.new_model_id}",
    }
    found = [(said, getattr(report, name)) for name, said in names.items()]
    return [
        f"{said} {value.mean:.3f} ({value.low:.3f} to {value.high:.3f}, {value.n} "
        f"{report.compared})"
        for said, value in found
        if value is not None
    ]


def drop_sets(writer: Writer) -> tuple[VectorSet, ...]:
    """Forget every set of vectors that the records do not use; publishing deletes its files."""
    dropped = other_sets(writer.connection)
    if dropped:
        with writer.commit():
            for vectors in dropped:
                remove_set(writer.connection, vectors.number)
        writer.publish(build_index=False)
    return dropped
