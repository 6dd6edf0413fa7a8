"""One execution of ``index``: stage, plan, embed what is new, commit batch by batch, publish."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from embedkit.ingest.choose import Choice
from embedkit.ingest.embed import BatchSize, embed_apart
from embedkit.ingest.plan import Plan, make_plan, remove_gone
from embedkit.ingest.stage import Progress, Stage
from embedkit.protocols import Embedder, Source
from embedkit.store import ledger
from embedkit.store.columns import ensure_columns
from embedkit.store.database import Connection, is_interrupt, scalar
from embedkit.store.vectors import VectorFile, vector_keys
from embedkit.store.writer import Writer
from embedkit.types import Report

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors

BATCH_BYTES = 8_000_000
"""How much text is embedded and committed at once, unless a single text is longer."""
_ANONYMOUS = "memory"
"""The name of records in memory: each time others, so that no columns are remembered of them."""
PUBLISH_SECONDS = 30.0
"""How often a long run publishes what it has; readers see it from then on."""
Status = Literal["done", "interrupted", "failed"]


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


@dataclass
class Counts:
    """What a run has done so far."""

    new: int = 0
    changed: int = 0
    embedded: int = 0
    failed: int = 0
    removed: int = 0
    notes: list[str] = field(default_factory=list)


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
    own_rows: Keys | None = None,
) -> tuple[Stage, Plan]:
    """Read the source and compare it with the records; changes nothing."""
    number, remembered = known_source(connection, request.source.name)
    if request.source.name == _ANONYMOUS:
        remembered = None
    stage = Stage(connection, request.source)
    stage.load(text=request.text, id=request.id, remembered=remembered, progress=request.progress)
    return stage, make_plan(stage, vectors, None if request.partial else number, own_rows)


def planned_report(collection: str, request: Request, plan: Plan, seconds: float) -> Report:
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
        seconds=round(seconds, 3),
        status="planned",
        notes=_notes(request, plan),
    )


class Run:
    """A run under way.

    Parameters
    ----------
    writer : Writer
        An open session.
    embedder : Embedder or None
        None where every vector is the user's own.
    """

    def __init__(self, writer: Writer, embedder: Embedder | None, request: Request) -> None:
        self.writer = writer
        self.embedder = embedder
        self.request = request
        self.counts = Counts()
        self._started = time.monotonic()
        self._next_publication = self._started + PUBLISH_SECONDS
        self._number = 0
        self._source = 0

    def execute(self) -> Report:
        """Carry out the run and return its report.

        What was done before an interruption or an error is committed, published and in the ledger
        when that error leaves.
        """
        connection = self.writer.connection
        own_rows = self._store_own_vectors()
        stage, plan = stage_and_plan(connection, self.request, self.writer.vectors, own_rows)
        self._begin(stage, plan)
        try:
            self._apply_known(plan)
            self._embed_all(plan)
            self._finish_records(plan)
        except BaseException as error:
            interrupted = is_interrupt(error)
            self._stop(plan, error, interrupted=interrupted)
            if interrupted and not isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise
        return self._finish(plan, "done")

    def _store_own_vectors(self) -> Keys | None:
        """Append the vectors that the user brought and that are not there; return their rows."""
        vectors = self.request.vectors
        if vectors is None:
            return None
        keys = vector_keys(vectors)
        file = self.writer.vectors
        rows = file.find(keys)
        fresh = {key: i for i, key in enumerate(keys) if key not in rows}
        first = file.append(list(fresh), vectors[list(fresh.values())])
        rows.update({key: first + i for i, key in enumerate(fresh)})
        return np.array([rows[key] for key in keys], np.int64)

    def _begin(self, stage: Stage, plan: Plan) -> None:
        connection = self.writer.connection
        with self.writer.commit():
            self._number = ledger.start_run(connection, self.request.source.label)
            self._source = self._register(stage.choice)
            ensure_columns(connection, {c.name: c.type for c in stage.columns})
            ledger.record_rejects(connection, self._number)
        self._columns = [column.physical for column in stage.columns]
        self._others = [
            name
            for (name,) in connection.execute("SELECT physical FROM columns").fetchall()
            if name not in self._columns
        ]
        self._first_seq = int(scalar(connection, "SELECT coalesce(max(seq), -1) + 1 FROM records"))
        self.counts.failed = plan.failed
        self.counts.notes += _notes(self.request, plan)

    def _register(self, choice: Choice) -> int:
        connection = self.writer.connection
        name = self.request.source.name
        number, _ = known_source(connection, name)
        if number is None:
            number = int(scalar(connection, "SELECT coalesce(max(source), 0) + 1 FROM sources"))
            connection.execute("INSERT INTO sources (source, name) VALUES (?, ?)", [number, name])
        connection.execute(
            "UPDATE sources SET text_columns = ?, id_column = ? WHERE source = ?",
            [list(choice.text), choice.id, number],
        )
        return number

    # -- records --------------------------------------------------------------------------------

    def _apply_known(self, plan: Plan) -> None:
        """Commit everything that needs no embedding, in one step: texts may have changed places."""
        new = changed = 0
        with self.writer.commit():
            if plan.new or plan.changed:
                new, changed = self._apply("p.row IS NOT NULL")
            if plan.unchanged and not self.request.partial:
                self.writer.connection.execute(
                    "UPDATE records SET source = ? WHERE source <> ? AND id IN"
                    " (SELECT id FROM staged)",
                    [self._source, self._source],
                )
        self._count(new, changed)

    def _count(self, new: int, changed: int) -> None:
        self.counts.new += new
        self.counts.changed += changed

    def _apply(self, condition: str) -> tuple[int, int]:
        """Insert and update the records of the plan's lines that meet a condition.

        Returns
        -------
        tuple of int
            How many were new, and how many changed.
        """
        connection = self.writer.connection
        lines = condition
        condition = f"{lines} AND {_range(connection, 'plan AS p', lines)}"
        values = ["s.id", "s.text", "p.row", str(self._source)]
        values += [f"s.{name}" for name in self._columns]
        targets = ["id", "text", "row", "source", *self._columns]
        connection.execute(
            f"INSERT INTO records (seq, {', '.join(targets)})"
            f" SELECT {self._first_seq} + p.n, {', '.join(values)}"
            f" FROM plan AS p JOIN staged AS s USING (n) WHERE p.op = 'new' AND {condition}"
        )
        query = f"SELECT p.op, count(*) FROM plan AS p WHERE {lines} GROUP BY p.op"
        counts = dict(connection.execute(query).fetchall())
        if "changed" not in counts:
            return counts.get("new", 0), 0
        sets = [f"{target} = c.{target}" for target in ["text", "row", "source", *self._columns]]
        sets += [f"{name} = NULL" for name in self._others]
        aliased = ", ".join(
            f"{value} AS {target}" for value, target in zip(values, targets, strict=True)
        )
        connection.execute(
            f"UPDATE records SET {', '.join(sets)} FROM (SELECT {aliased}"
            " FROM plan AS p JOIN staged AS s USING (n)"
            f" WHERE p.op = 'changed' AND {condition}) AS c WHERE records.id = c.id"
        )
        return counts.get("new", 0), counts["changed"]

    # -- embedding ------------------------------------------------------------------------------

    def _embed_all(self, plan: Plan) -> None:
        size, done = BatchSize(), 0
        while done < plan.to_embed:
            began = time.monotonic()
            texts, keys = self._fetch(done, size.texts)
            self._embed_batch(done, texts, keys)
            done += len(texts)
            self._tell("embedding", done, plan.to_embed)
            size.learn(len(texts), time.monotonic() - began)
            if time.monotonic() > self._next_publication and done < plan.to_embed:
                self._publish_so_far()

    def _publish_so_far(self) -> None:
        began = time.monotonic()
        self.writer.publish(build_index=False)
        ended = time.monotonic()
        # Of a large collection a publication takes long: then there are fewer of them.
        self._next_publication = ended + max(PUBLISH_SECONDS, 20 * (ended - began))

    def _fetch(self, start: int, size: int) -> tuple[list[str], list[bytes]]:
        connection = self.writer.connection
        chosen = f"t.todo >= {start} AND t.todo < {start + size}"
        # As many as are not too long together, but at least one.
        fitting = scalar(
            connection,
            "SELECT count(*) FROM (SELECT sum(size) OVER (ORDER BY todo) AS total FROM todo AS t"
            f" WHERE {chosen}) WHERE total <= {BATCH_BYTES}",
        )
        chosen = f"t.todo >= {start} AND t.todo < {start + max(int(fitting), 1)}"
        # The range of n spares a scan of all staged texts for each batch.
        rows = connection.execute(
            "SELECT s.text, t.content FROM todo AS t JOIN staged AS s USING (n)"
            f" WHERE {chosen} AND {_range(connection, 'todo AS t', chosen)} ORDER BY t.todo"
        ).fetchall()
        return [text for text, _ in rows], [content for _, content in rows]

    def _embed_batch(self, start: int, texts: list[str], keys: list[bytes]) -> None:
        assert self.embedder is not None
        writer = self.writer
        attempt = embed_apart(self.embedder, texts)
        row = writer.vectors.append(
            [keys[place] for place in attempt.places], attempt.vectors, attempt.codes
        )
        new = changed = 0
        with writer.commit():
            if attempt.places:
                self._set_rows(np.asarray(attempt.places, np.int64) + start, row)
                new, changed = self._apply(
                    f"p.todo BETWEEN {start} AND {start + len(texts) - 1} AND p.row IS NOT NULL"
                )
            for place, reason in attempt.failed:
                self._reject(start + place, reason)
            ledger.record_batch(writer.connection, self._number, len(texts), row, attempt)
        self._count(new, changed)
        self.counts.embedded += len(attempt.places)

    def _set_rows(self, todo: np.ndarray[tuple[int], np.dtype[np.int64]], first_row: int) -> None:
        import pyarrow as pa

        connection = self.writer.connection
        rows = np.arange(first_row, first_row + len(todo), dtype=np.int64)
        connection.register("fresh", pa.table({"todo": todo, "row": rows}))
        connection.execute(
            "UPDATE plan SET row = fresh.row FROM fresh WHERE plan.todo = fresh.todo"
        )
        connection.unregister("fresh")

    def _reject(self, todo: int, reason: str) -> None:
        connection = self.writer.connection
        failed = connection.execute(
            "SELECT s.line, ?, left(s.text, 80), s.id FROM plan AS p JOIN staged AS s USING (n)"
            " WHERE p.todo = ?",
            [f"it could not be embedded: {reason}", todo],
        ).fetchall()
        for row in failed:
            connection.execute("INSERT INTO rejects VALUES (?, ?, ?, ?)", row)
            connection.execute("INSERT INTO failures VALUES (?, ?, ?, ?, ?)", [self._number, *row])
        self.counts.failed += len(failed)

    # -- the end --------------------------------------------------------------------------------

    def _finish_records(self, plan: Plan) -> None:
        if self.request.sync and plan.gone and plan.complete:
            with self.writer.commit():
                self.counts.removed = remove_gone(self.writer.connection, self._source)

    def _finish(self, plan: Plan, status: Status) -> Report:
        connection = self.writer.connection
        truncated, tokens_cut = ledger.cut_texts(connection, self._number)
        report = self._report(plan, status, truncated, tokens_cut)
        with self.writer.commit():
            ledger.finish_run(
                connection, self._number, status, _ledger_counts(report), report.notes
            )
        self._tell("building the index", 0, 0)
        self.writer.publish(build_index=status == "done")
        return dataclasses.replace(report, seconds=round(time.monotonic() - self._started, 3))

    def _report(self, plan: Plan, status: Status, truncated: int, tokens_cut: int) -> Report:
        new, changed = self.counts.new, self.counts.changed
        return Report(
            collection=self.writer.layout.root.name,
            source=self.request.source.label,
            records=plan.records,
            new=new,
            changed=changed,
            unchanged=plan.unchanged,
            removed=self.counts.removed,
            gone=plan.gone,
            failed=self.counts.failed,
            embedded=self.counts.embedded,
            reused=new + changed - self.counts.embedded,
            seconds=round(time.monotonic() - self._started, 3),
            run=self._number,
            status=status,
            truncated=truncated,
            tokens_cut=tokens_cut,
            notes=tuple(self.counts.notes),
        )

    def _stop(self, plan: Plan, error: BaseException, *, interrupted: bool) -> None:
        """Keep what was done before an error; the error itself is not hidden by another."""
        self.counts.notes.append("interrupted" if interrupted else f"stopped: {error}")
        try:
            self._finish(plan, "interrupted" if interrupted else "failed")
        except Exception as second:
            error.add_note(f"closing the run failed too: {second}")

    def _tell(self, what: str, done: int, total: int) -> None:
        if self.request.progress is not None:
            self.request.progress(what, done, total)


def _range(connection: Connection, table: str, condition: str) -> str:
    """Return a condition on ``s.n``: the range of n of some lines."""
    low, high = connection.execute(
        f"SELECT coalesce(min(n), 0), coalesce(max(n), -1) FROM {table} WHERE {condition}"
    ).fetchall()[0]
    return f"s.n BETWEEN {low} AND {high}"


def _ledger_counts(report: Report) -> dict[str, int | float]:
    names = (
        "records", "new", "changed", "unchanged", "removed", "gone", "failed", "embedded",
        "reused", "truncated", "tokens_cut", "seconds",
    )  # fmt: skip
    return {name: getattr(report, name) for name in names}


def _notes(request: Request, plan: Plan) -> tuple[str, ...]:
    notes = plan.notes
    if request.sync and plan.gone and not plan.complete:
        notes += (
            f"{plan.gone:,} records are not in the source any more, but were not removed: some "
            "rows could not be read, and these may be among them",
        )
    return notes
