"""One execution of ``index``: stage, plan, embed what is new, commit batch by batch, publish."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from embedkit.ingest.choose import Choice
from embedkit.ingest.deliver import STREAMED, BatchSize, deliver, ledger_entry, streams
from embedkit.ingest.pieces import KNOWN, replace_passages
from embedkit.ingest.plan import Plan, remove_gone
from embedkit.ingest.prepare import Request, known_source, plan_notes, stage_and_plan
from embedkit.ingest.spending import Spending, paid_counts
from embedkit.ingest.stage import Stage
from embedkit.ingest.todo import Todo
from embedkit.managed.budget import BudgetReached
from embedkit.protocols import Embedder
from embedkit.store import ledger
from embedkit.store.columns import ensure_columns
from embedkit.store.database import is_interrupt, scalar
from embedkit.store.derived import cleared, derived_columns
from embedkit.store.publisher import MOST_KEYS
from embedkit.store.sets import has_own_vectors, note_own_vectors
from embedkit.store.vectors import vector_keys
from embedkit.store.writer import Writer
from embedkit.types import Delivery, Report

if TYPE_CHECKING:
    from embedkit.chunking.chunker import Chunker
    from embedkit.types import Keys

PUBLISH_SECONDS = 30.0
"""How often a long run publishes what it has; readers see it from then on."""
Status = Literal["done", "stopped", "interrupted", "failed"]


@dataclass
class Counts:
    """What a run has done so far."""

    new: int = 0
    changed: int = 0
    embedded: int = 0
    cached: int = 0
    failed: int = 0
    removed: int = 0
    parts: int = 0
    """Passages beyond the first of each record."""
    notes: list[str] = field(default_factory=list)


class Run:
    """A run under way.

    Parameters
    ----------
    writer : Writer
        An open session.
    embedder : Embedder or None
        None where every vector is the user's own.
    chunker : Chunker or None
        Cuts the texts; None where they are embedded whole.
    """

    def __init__(
        self,
        writer: Writer,
        embedder: Embedder | None,
        request: Request,
        chunker: Chunker | None = None,
    ) -> None:
        self.writer = writer
        self.embedder = embedder
        self.request = request
        self._chunker = chunker
        self.counts = Counts()
        self._todo = Todo(writer.connection)
        self._spending = Spending(embedder, request.max_cost, request.max_texts)
        self._started = time.monotonic()
        self._next_publication = self._started + PUBLISH_SECONDS
        self._number = 0
        self._small = False
        self._source = 0

    def execute(self) -> Report:
        """Carry out the run and return its report.

        What was done before an interruption or an error is committed, published and in the ledger
        when that error leaves.
        """
        connection = self.writer.connection
        own_rows = self._store_own_vectors()
        stage, plan = stage_and_plan(
            connection, self.request, self.writer.vectors, self.embedder, own_rows, self._chunker
        )
        self._small = plan.new + plan.changed <= MOST_KEYS
        if self._small and not plan.to_embed + plan.cached:
            return self._at_once(stage, plan)
        self._begin(stage, plan)
        try:
            self._apply_known(plan)
            self._embed_all(plan)
            self._finish_records(plan)
        except BudgetReached as reached:
            self.counts.notes.append(f"{reached}: run the same command again to go on")
            return self._finish(plan, "stopped")
        except BaseException as error:
            interrupted = is_interrupt(error)
            self._stop(plan, error, interrupted=interrupted)
            if interrupted and not isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise
        return self._finish(plan, "done")

    def _at_once(self, stage: Stage, plan: Plan) -> Report:
        """Carry out a run with little to do and nothing to embed in one commit."""
        with self.writer.commit(noted=True):
            self._begin(stage, plan)
            self._apply_known(plan)
            self._finish_records(plan)
            report = self._close(plan, "done")
        return self._publish(report)

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
        connection, changes = self.writer.connection, self.writer.changes
        known = stage.known
        forgives = self.request.retry_failed and self.embedder is not None
        same = all(column in known for column in stage.columns)
        brings = self.request.vectors is not None and not has_own_vectors(connection)
        with self.writer.commit(noted=self._small and same and not forgives and not brings):
            self._number = ledger.start_run(connection, self.request.source.label)
            self._source = self._register(stage.choice)
            changes.add("run", [self._number])
            if not same:
                ensure_columns(connection, {c.name: c.type for c in stage.columns})
            if plan.failed:
                ledger.record_rejects(connection, self._number)
            if brings:
                note_own_vectors(connection)
            if forgives and self.embedder is not None:
                self._todo.forgive(self.embedder.model_id)
        self._columns = [column.physical for column in stage.columns]
        self._others = [c.physical for c in known if c.physical not in self._columns]
        self._derived = derived_columns(connection)
        self._first_seq = int(scalar(connection, "SELECT coalesce(max(seq), -1) + 1 FROM records"))
        self.counts.failed = plan.failed
        self.counts.notes += plan_notes(self.request, plan)

    def _register(self, choice: Choice) -> int:
        connection = self.writer.connection
        name = self.request.source.name
        number, before = known_source(connection, name)
        if number is not None and before == choice:
            return number
        if number is None:
            number = int(scalar(connection, "SELECT coalesce(max(source), 0) + 1 FROM sources"))
            connection.execute("INSERT INTO sources (source, name) VALUES (?, ?)", [number, name])
        connection.execute(
            "UPDATE sources SET text_columns = ?, id_column = ? WHERE source = ?",
            [list(choice.text), choice.id, number],
        )
        self.writer.changes.add("source", [number])
        return number

    # -- records --------------------------------------------------------------------------------

    def _apply_known(self, plan: Plan) -> None:
        """Commit everything that needs no embedding, in one step: texts may have changed places."""
        new = changed = 0
        moves = bool(plan.unchanged) and not self.request.partial
        with self.writer.commit(noted=self._small and not moves):
            if plan.new or plan.changed:
                new, changed = self._apply(KNOWN)
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

    def _apply(self, ready: int) -> tuple[int, int]:
        """Insert and update the records of the plan's lines that became ready together.

        Returns
        -------
        tuple of int
            How many were new, and how many changed.
        """
        connection = self.writer.connection
        lines = f"p.ready = {ready}"
        counts, range_of_n = self._ready(lines)
        condition = f"{lines} AND {range_of_n}"
        values = ["s.id", "s.text", "p.row", str(self._source)]
        values += [f"s.{name}" for name in self._columns]
        targets = ["id", "text", "row", "source", *self._columns]
        if "new" in counts:
            connection.execute(
                f"INSERT INTO records (seq, {', '.join(targets)})"
                f" SELECT {self._first_seq} + p.n, {', '.join(values)}"
                f" FROM plan AS p JOIN staged AS s USING (n) WHERE p.op = 'new' AND {condition}"
            )
        if self._chunker is not None:
            self.counts.parts += replace_passages(connection, ready, self._first_seq)
        if "changed" not in counts:
            return counts.get("new", 0), 0
        sets = [f"{target} = c.{target}" for target in ["text", "row", "source", *self._columns]]
        sets += [cleared(name, derived=name in self._derived) for name in self._others]
        aliased = ", ".join(
            f"{value} AS {target}" for value, target in zip(values, targets, strict=True)
        )
        connection.execute(
            f"UPDATE records SET {', '.join(sets)} FROM (SELECT {aliased}"
            " FROM plan AS p JOIN staged AS s USING (n)"
            f" WHERE p.op = 'changed' AND {condition}) AS c WHERE records.id = c.id"
        )
        return counts.get("new", 0), counts["changed"]

    def _ready(self, lines: str) -> tuple[dict[str, int], str]:
        """Note which records some lines of the plan are about to change.

        Returns
        -------
        counts : dict
            Of the lines, by what is to be done.
        range_of_n : str
            A condition on ``s.n``, which spares a scan of all that is staged.
        """
        listed = "list(p.n), list(p.seq)" if self._small else "[], []"
        found = self.writer.connection.execute(
            f"SELECT p.op, count(*), min(p.n), max(p.n), {listed} FROM plan AS p"
            f" WHERE {lines} GROUP BY p.op"
        ).fetchall()
        for op, _, _, _, numbers, seqs in found:
            if op == "new":
                self.writer.changes.add("seq", [self._first_seq + n for n in numbers])
            else:
                self.writer.note_records(seqs)
        low, high = (
            min((row[2] for row in found), default=0),
            max((r[3] for r in found), default=-1),
        )
        return {row[0]: row[1] for row in found}, f"s.n BETWEEN {low} AND {high}"

    # -- embedding ------------------------------------------------------------------------------

    def _embed_all(self, plan: Plan) -> None:
        """Embed every text that has no vector, as far as the request allows."""
        total, most = plan.cached + plan.to_embed, self.request.max_texts
        allowed = total if most is None else min(total, plan.cached + most)
        size, done = BatchSize(), 0
        while done < allowed:
            assert self.embedder is not None
            began = time.monotonic()
            wanted = STREAMED if streams(self.embedder) else size.texts
            texts, keys = self._todo.fetch(done, min(wanted, allowed - done))
            settled = done
            for delivery in deliver(self.embedder, texts, self._spending.meter):
                self._take(done, keys, delivery)
                settled += len(delivery.places)
                self._tell("embedding", settled, total)
                if time.monotonic() > self._next_publication and settled < total:
                    self._publish_so_far()
            done += len(texts)
            size.learn(len(texts), time.monotonic() - began)
        if done < total:
            raise BudgetReached(f"stopped at --max-texts {most:,}, {total - done:,} texts are left")

    def _publish_so_far(self) -> None:
        began = time.monotonic()
        self.writer.publish(build_index=False)
        ended = time.monotonic()
        # Of a large collection a publication takes long: then there are fewer of them.
        self._next_publication = ended + max(PUBLISH_SECONDS, 20 * (ended - began))

    def _take(self, start: int, keys: list[bytes], delivery: Delivery) -> None:
        """Make durable what was delivered, and commit the records that it completes."""
        numbers = [start + place for place in delivery.places]
        if delivery.embeddings is None:
            self._reject(numbers, delivery)
            return
        writer, embeddings = self.writer, delivery.embeddings
        wanted = [keys[place] for place in delivery.places]
        row = writer.vectors.append(wanted, embeddings.vectors, embeddings.codes)
        batch = ledger_entry(delivery, row)
        with writer.commit(noted=self._small):
            self._todo.set_rows(numbers, row)
            new, changed = self._apply(row)
            ledger.record_batch(writer.connection, self._number, batch)
        self._count(new, changed)
        self.counts.embedded += len(numbers) - batch.cached
        self.counts.cached += batch.cached

    def _reject(self, numbers: list[int], delivery: Delivery) -> None:
        assert self.embedder is not None
        reason = delivery.failure or "no reason was given"
        with self.writer.commit(noted=self._small and not delivery.final):
            for number in numbers:
                self.counts.failed += self._todo.reject(number, reason, self._number)
                if delivery.final:
                    self._todo.refuse(number, self.embedder.model_id, reason, self._number)

    # -- the end --------------------------------------------------------------------------------

    def _finish_records(self, plan: Plan) -> None:
        if self.request.sync and plan.gone and plan.complete:
            with self.writer.commit():
                self.counts.removed = remove_gone(self.writer.connection, self._source)

    def _finish(self, plan: Plan, status: Status) -> Report:
        return self._publish(self._close(plan, status))

    def _close(self, plan: Plan, status: Status) -> Report:
        """Enter into the ledger how the run ended, and return its report."""
        connection = self.writer.connection
        truncated = tokens_cut = 0
        if self.counts.embedded or self.counts.cached:
            truncated, tokens_cut = ledger.cut_texts(connection, self._number)
        report = self._report(plan, status, truncated, tokens_cut)
        with self.writer.commit(noted=True):
            ledger.finish_run(
                connection, self._number, status, _ledger_counts(report), report.notes
            )
        return report

    def _publish(self, report: Report) -> Report:
        self._tell("building the index", 0, 0)
        manifest = self.writer.publish(build_index=report.status in ("done", "stopped"))
        measured = manifest.index.measurement if manifest.index else None
        if measured is not None and measured.note:
            report = dataclasses.replace(report, notes=(*report.notes, measured.note))
        return dataclasses.replace(report, seconds=round(time.monotonic() - self._started, 3))

    def _report(self, plan: Plan, status: Status, truncated: int, tokens_cut: int) -> Report:
        new, changed = self.counts.new, self.counts.changed
        texts = new + changed + self.counts.parts
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
            reused=max(0, texts - self.counts.embedded),
            passages=None if self._chunker is None else texts,
            cached=self.counts.cached,
            seconds=round(time.monotonic() - self._started, 3),
            run=self._number,
            status=status,
            truncated=truncated,
            tokens_cut=tokens_cut,
            notes=(*self.counts.notes, *self._spending.notes()),
            **self._spending.done(),
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


def _ledger_counts(report: Report) -> dict[str, int | float]:
    names = (
        "records", "new", "changed", "unchanged", "removed", "gone", "failed", "embedded",
        "reused", "truncated", "tokens_cut", "seconds",
    )  # fmt: skip
    return {name: getattr(report, name) for name in names} | paid_counts(report)
