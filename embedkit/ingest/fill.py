"""Fill a set of vectors: embed every text of the records that the set has no row for.

What is there already is found by the key of its content, so that a fill that was stopped, anywhere,
goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from embedkit.ingest.deliver import STREAMED, BatchSize, deliver, ledger_entry, streams
from embedkit.ingest.plan import cached_contents, register_keys
from embedkit.ingest.spending import Spending
from embedkit.ingest.stage import Progress
from embedkit.managed.budget import BudgetReached
from embedkit.managed.tokens import estimate_sql
from embedkit.protocols import Embedder
from embedkit.store import ledger
from embedkit.store.database import Connection, scalar
from embedkit.store.manifest import VectorSet
from embedkit.store.passages import rows_of_records, texts_of_rows
from embedkit.store.sets import CONTENT, register_contents, write_set
from embedkit.store.vectors import VectorFile, VectorWriter
from embedkit.store.writer import Writer
from embedkit.types import Delivery, Reject

if TYPE_CHECKING:
    from embedkit.types import Keys

BATCH_BYTES = 8_000_000
"""How much text is fetched at once, unless a single text is longer."""
LISTED = 20
"""Failures that a report lists; the ledger has all."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How many texts the records have, and how many of them a set has no vector of.

    Of the missing, ``cached`` are in the home's cache; ``tokens`` are those of the others, an
    estimate.
    """

    texts: int
    missing: int
    cached: int = 0
    tokens: int = 0


def find_gap(
    connection: Connection, vectors: VectorFile | None, embedder: Embedder | None = None
) -> Gap:
    """Compare the texts of the records with a set, and list what is missing.

    Makes two tables: ``texts`` (content, seq of the first record that has it and the place in it,
    size in bytes), and ``gap`` (number, seq, part, content, size) of those that the set has no row
    for, the ones that the embedder's cache holds first.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE texts AS"
        f" SELECT {CONTENT.format('text')} AS content, min(seq) AS seq,"
        " min_by(part, (seq, part)) AS part,"
        f" any_value(strlen(text)) AS size, any_value({estimate_sql('text')}) AS tokens"
        f" FROM {texts_of_rows(connection)} GROUP BY 1"
    )
    missing = ""
    if vectors is not None:
        register_contents(connection, "there", vectors)
        missing = "WHERE NOT EXISTS (FROM there WHERE there.content = texts.content)"
    register_keys(connection, "cached_keys", cached_contents(embedder))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE gap AS"
        " SELECT row_number() OVER (ORDER BY cached DESC, seq, part) - 1 AS number, * FROM"
        " (SELECT seq, part, content, size, tokens,"
        f"  content IN (SELECT content FROM cached_keys) AS cached FROM texts {missing})"
        " ORDER BY number"
    )
    connection.unregister("cached_keys")
    if vectors is not None:
        connection.unregister("there")
    texts = int(scalar(connection, "SELECT count(*) FROM texts"))
    missing_texts, cached, tokens = connection.execute(
        "SELECT count(*), count(*) FILTER (cached),"
        " coalesce(sum(tokens) FILTER (NOT cached), 0) FROM gap"
    ).fetchall()[0]
    return Gap(texts, missing_texts, cached, int(tokens))


@dataclass(frozen=True, slots=True)
class Texts:
    """Some texts of the gap, with the keys of their contents, and their first records."""

    texts: list[str]
    keys: list[bytes]
    seqs: list[int]
    ids: list[str]

    def first(self, n: int) -> Texts:
        """Return the first n."""
        return Texts(self.texts[:n], self.keys[:n], self.seqs[:n], self.ids[:n])


@dataclass
class Filling:
    """What a fill has done so far."""

    embedded: int = 0
    failed: int = 0
    cached: int = 0
    stopped: str = ""
    """What ended it early, where that was a limit of the user's own."""
    failures: list[Reject] = field(default_factory=list)


class Fill:
    """A fill under way.

    Parameters
    ----------
    writer : Writer
        An open session.
    run : int
        The run in the ledger that it is part of.
    embedder : Embedder
        Whose vectors the set holds.
    vectors : VectorSet
    file : VectorWriter
        Its rows.
    spending : Spending
        What may be spent.
    """

    def __init__(
        self,
        writer: Writer,
        run: int,
        embedder: Embedder,
        vectors: VectorSet,
        file: VectorWriter,
        spending: Spending,
    ) -> None:
        self.writer = writer
        self.run = run
        self.embedder = embedder
        self.vectors = vectors
        self.file = file
        self.spending = spending
        self.done = Filling()

    def execute(
        self, gap: Gap, max_texts: int | None = None, progress: Progress | None = None
    ) -> None:
        """Embed what is missing, each delivery committed as it arrives.

        ``done`` tells what was done, also where an error ends it.

        Parameters
        ----------
        max_texts : int or None
            Texts that may be sent to the model.
        """
        allowed = gap.missing if max_texts is None else min(gap.missing, gap.cached + max_texts)
        start, size = 0, BatchSize()
        try:
            while start < allowed:
                began = time.monotonic()
                wanted = STREAMED if streams(self.embedder) else size.texts
                batch = self._fetch(start, min(wanted, allowed - start))
                seen = start
                for delivery in deliver(self.embedder, batch.texts, self.spending.meter):
                    self._commit(batch, delivery)
                    seen += len(delivery.places)
                    if progress is not None:
                        progress("embedding", seen, gap.missing)
                start += len(batch.texts)
                size.learn(len(batch.texts), time.monotonic() - began)
        except BudgetReached as reached:
            self.done.stopped = str(reached)
        if start < gap.missing and not self.done.stopped:
            self.done.stopped = f"stopped at --max-texts {max_texts:,}"

    def _commit(self, batch: Texts, delivery: Delivery) -> None:
        writer, embeddings = self.writer, delivery.embeddings
        if embeddings is None:
            with writer.commit():
                for place in delivery.places:
                    self._reject(batch, place, delivery.failure or "no reason was given")
            return
        keys = [batch.keys[place] for place in delivery.places]
        first = self.file.append(keys, embeddings.vectors, embeddings.codes)
        self.vectors = dataclasses.replace(self.vectors, rows=self.file.rows)
        entry = ledger_entry(delivery, first)
        with writer.commit():
            write_set(writer.connection, self.vectors)
            ledger.record_batch(writer.connection, self.run, entry)
        self.done.embedded += len(keys) - entry.cached
        self.done.cached += entry.cached

    def _reject(self, batch: Texts, place: int, reason: str) -> None:
        line = batch.seqs[place] + 1
        said = f"it could not be embedded: {reason}"
        reject = Reject(line, said, batch.texts[place][:80], batch.ids[place])
        self.writer.connection.execute(
            "INSERT INTO failures VALUES (?, ?, ?, ?, ?)",
            [self.run, reject.line, reject.reason, reject.excerpt, reject.id],
        )
        self.done.failed += 1
        if len(self.done.failures) < LISTED:
            self.done.failures.append(reject)

    def _fetch(self, start: int, size: int) -> Texts:
        connection = self.writer.connection
        chosen = f"number >= {start} AND number < {start + size}"
        # As many as are not too long together, but at least one.
        fitting = scalar(
            connection,
            "SELECT count(*) FROM (SELECT sum(size) OVER (ORDER BY number) AS total FROM gap"
            f" WHERE {chosen}) WHERE total <= {BATCH_BYTES}",
        )
        chosen = f"number >= {start} AND number < {start + max(int(fitting), 1)}"
        # The range of seq spares a scan of all records for each batch.
        low, high = connection.execute(
            f"SELECT min(seq), max(seq) FROM gap WHERE {chosen}"
        ).fetchall()[0]
        rows = connection.execute(
            "SELECT r.text, g.content, g.seq, r.id FROM gap AS g"
            f" JOIN {texts_of_rows(connection)} AS r USING (seq, part)"
            f" WHERE {chosen} AND r.seq BETWEEN {low} AND {high} ORDER BY g.number"
        ).fetchall()
        return Texts(*([row[i] for row in rows] for i in range(4)))


def text_rows(connection: Connection, vectors: VectorFile) -> tuple[Keys, Keys]:
    """Return, for each text of the records in the order of their first: its row now, and there.

    Needs the table ``texts`` and a set that has them all.
    """
    register_contents(connection, "there", vectors)
    found = connection.execute(
        "SELECT r.row AS now, f.row AS later FROM texts AS t"
        f" JOIN {rows_of_records(connection)} AS r USING (seq, part)"
        " JOIN (SELECT content, min(row) AS row FROM there GROUP BY content) AS f"
        " USING (content) ORDER BY t.seq, t.part"
    ).fetchnumpy()
    connection.unregister("there")
    return np.asarray(found["now"], np.int64), np.asarray(found["later"], np.int64)
