"""Fill a set of vectors: embed every text of the records that the set has no row for.

What is there already is found by the key of its content, so that a fill that was stopped, anywhere,
goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import DimensionMismatchError
from embedkit.ingest.budget import Budget
from embedkit.ingest.deliver import deliver
from embedkit.ingest.embed import BatchSize, count_tokens
from embedkit.ingest.stage import Progress
from embedkit.protocols import Embedder, StreamingEmbedder
from embedkit.store import ledger
from embedkit.store.database import Connection, scalar
from embedkit.store.manifest import VectorSet
from embedkit.store.sets import CONTENT, register_contents, write_set
from embedkit.store.vectors import VectorFile, VectorWriter
from embedkit.store.writer import Writer
from embedkit.types import Delivery, Reject
from embedkit.validate import check_vectors

if TYPE_CHECKING:
    from embedkit.types import Keys

BATCH_BYTES = 8_000_000
"""How much text is fetched at once, unless a single text is longer."""
STREAMED = 16_384
"""Texts that a model which streams is given at once: it cuts them itself."""
LISTED = 20
"""Failures that a report lists; the ledger has all."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How many texts the records have, and how many of them a set has no vector of."""

    texts: int
    missing: int


def find_gap(connection: Connection, vectors: VectorFile | None) -> Gap:
    """Compare the texts of the records with a set, and list what is missing.

    Makes two tables: ``texts`` (content, seq of the first record that has it, size in bytes), and
    ``gap`` (number, seq, content, size) of those that the set has no row for.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE texts AS"
        f" SELECT {CONTENT.format('text')} AS content, min(seq) AS seq,"
        " any_value(strlen(text)) AS size FROM records GROUP BY 1"
    )
    missing = ""
    if vectors is not None:
        register_contents(connection, "there", vectors)
        missing = "WHERE NOT EXISTS (FROM there WHERE there.content = texts.content)"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE gap AS"
        " SELECT row_number() OVER (ORDER BY seq) - 1 AS number, seq, content, size"
        f" FROM texts {missing} ORDER BY number"
    )
    if vectors is not None:
        connection.unregister("there")
    texts = int(scalar(connection, "SELECT count(*) FROM texts"))
    return Gap(texts, int(scalar(connection, "SELECT count(*) FROM gap")))


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
    stopped: bool = False
    """Whether the budget ended it."""
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
    """

    def __init__(
        self, writer: Writer, run: int, embedder: Embedder, vectors: VectorSet, file: VectorWriter
    ) -> None:
        self.writer = writer
        self.run = run
        self.embedder = embedder
        self.vectors = vectors
        self.file = file
        self.done = Filling()

    def execute(self, gap: Gap, budget: Budget, progress: Progress | None = None) -> None:
        """Embed what is missing, each delivery committed as it arrives.

        ``done`` tells what was done, also where an error ends it.
        """
        start = 0
        size = BatchSize()
        streams = isinstance(self.embedder, StreamingEmbedder)
        while start < gap.missing and not self.done.stopped:
            began = time.monotonic()
            batch = self._fetch(start, STREAMED if streams else size.texts)
            admitted = budget.admit(batch.texts)
            self.done.stopped = admitted < len(batch.texts)
            seen = start
            for delivery in self._deliver(batch.first(admitted)):
                seen += len(delivery.places)
                if progress is not None:
                    progress("embedding", seen, gap.missing)
            start += len(batch.texts)
            size.learn(max(admitted, 1), time.monotonic() - began)

    def _deliver(self, batch: Texts) -> Iterator[Delivery]:
        if not batch.texts:
            return
        for delivery in deliver(self.embedder, batch.texts):
            self._commit(batch, delivery)
            yield delivery

    def _commit(self, batch: Texts, delivery: Delivery) -> None:
        writer, embeddings = self.writer, delivery.embeddings
        if embeddings is None:
            with writer.commit():
                for place in delivery.places:
                    self._reject(batch, place, delivery.failure or "no reason was given")
            return
        rows = check_vectors(embeddings.vectors, self.file.dim)
        if len(rows) != len(delivery.places):
            raise DimensionMismatchError(
                f"expected {len(delivery.places)} vectors from {self.embedder.model_id}, "
                f"got {len(rows)}"
            )
        keys = [batch.keys[place] for place in delivery.places]
        first = self.file.append(keys, rows, embeddings.codes)
        self.vectors = dataclasses.replace(self.vectors, rows=self.file.rows)
        entry = _Entry(delivery.places, *count_tokens(embeddings))
        with writer.commit():
            write_set(writer.connection, self.vectors)
            ledger.record_batch(writer.connection, self.run, delivery.sent, first, entry)
        self.done.embedded += len(keys)

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
            "SELECT r.text, g.content, g.seq, r.id FROM gap AS g JOIN records AS r USING (seq)"
            f" WHERE {chosen} AND r.seq BETWEEN {low} AND {high} ORDER BY g.number"
        ).fetchall()
        return Texts(*([row[i] for row in rows] for i in range(4)))


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the ledger keeps of a delivery."""

    places: Sequence[int]
    tokens: int
    truncated: int
    tokens_cut: int


def text_rows(connection: Connection, vectors: VectorFile) -> tuple[Keys, Keys, Keys]:
    """Return, for each text of the records in the order of their first: seq, row now, row there.

    Needs the table ``texts`` and a set that has them all.
    """
    register_contents(connection, "there", vectors)
    found = connection.execute(
        "SELECT t.seq, r.row AS now, f.row AS later FROM texts AS t"
        " JOIN records AS r USING (seq)"
        " JOIN (SELECT content, min(row) AS row FROM there GROUP BY content) AS f"
        " USING (content) ORDER BY t.seq"
    ).fetchnumpy()
    connection.unregister("there")
    seqs, now, later = (np.asarray(found[name], dtype=np.int64) for name in ("seq", "now", "later"))
    return seqs, now, later
