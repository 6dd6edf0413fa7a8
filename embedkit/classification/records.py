"""Labels for the records of a collection, from the vectors that it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from embedkit.classification.answering import Answering, is_blank
from embedkit.classification.inputs import Inputs
from embedkit.embedders.base import tells_apart
from embedkit.ingest.stage import Progress
from embedkit.store.vectors import content_key
from embedkit.types import LabellingReport, Reject
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.classification.asking import Asking
    from embedkit.store.view import View
    from embedkit.types import Keys, Mask, Vectors

BATCH = 4096
"""Records that are read and labelled together."""
REJECTS = 20


@dataclass(slots=True)
class Labelled:
    """What was said of records.

    Attributes
    ----------
    values : pyarrow.Table
        ``seq`` and ``row`` of each record, its label, probability, and whether it abstains.
    """

    values: pa.Table
    embedded: int = 0
    blank: int = 0
    rejects: list[Reject] = field(default_factory=list)
    failed: int = 0

    def report(
        self, source: str, out: str, seconds: float, *, notes: tuple[str, ...] = ()
    ) -> LabellingReport:
        """Return what was done."""
        labels = self.values.column(2).drop_null().to_pylist()
        abstained = self.values.column(4).drop_null().to_pylist()
        if self.embedded:
            notes = (f"{self.embedded:,} texts were embedded for it", *notes)
        return LabellingReport(
            source=source,
            out=out,
            rows=len(self.values),
            labelled=len(labels),
            abstained=sum(abstained),
            blank=self.blank,
            failed=self.failed,
            counts=dict(Counter(map(str, labels)).most_common()),
            seconds=round(seconds, 3),
            rejects=tuple(self.rejects),
            notes=notes,
        )


def label_records(
    view: View, asking: Asking, where: str | None, progress: Progress | None = None
) -> Labelled:
    """Return what a classifier says of the records of a view; nothing is written.

    Raises
    ------
    FilterError, ModelMismatchError
    """
    vectors = _Vectors(view, asking)
    answering = Answering(asking.ask, asking.shape, asking.unanswered)
    total = view.manifest.records
    found, parts = Labelled(pa.table({})), []
    done = 0
    for seqs, rows, texts in _read(view, where):
        known = vectors.known(seqs, rows, texts)
        table = _answer(found, asking, answering, vectors, known, (seqs, rows, texts))
        own = pa.table({"seq": pa.array(seqs), "row": pa.array(rows)})
        for name in ("label", "probability", "abstained"):
            own = own.append_column(name, table.column(name))
        parts.append(own)
        done += len(seqs)
        if progress is not None:
            progress("labelling", done, total if where is None else 0)
    found.values = pa.concat_tables(parts) if parts else _none(asking)
    return found


def _answer(
    found: Labelled,
    asking: Asking,
    answering: Answering,
    vectors: _Vectors,
    known: Mask,
    records: tuple[Keys, Keys, list[str]],
) -> pa.Table:
    """Label some records: those whose vectors are known by these, the others by their texts."""
    seqs, rows, texts = records
    found.blank += sum(map(is_blank, texts))
    at = np.flatnonzero(known)
    parts, order = [], [at]
    if len(at):
        inputs = Inputs([texts[i] for i in at.tolist()], vectors.of(seqs[at], rows[at]))
        told = asking.shape.table(asking.ask_inputs(inputs))
        parts.append(pa.Table.from_batches([told]))
    rest = np.flatnonzero(~known)
    if len(rest):
        answers = answering.answer([texts[i] for i in rest.tolist()])
        found.embedded += len(rest) if asking.trained.reads_vectors else 0
        found.failed += len(answers.failures)
        for place, reason in answers.failures.items():
            if len(found.rejects) < REJECTS:
                i = int(rest[place])
                said = f"it could not be labelled: {reason}"
                found.rejects.append(Reject(int(seqs[i]) + 1, said, texts[i][:80]))
        parts.append(pa.Table.from_batches([answers.table]))
        order.append(rest)
    back = np.argsort(np.concatenate(order), kind="stable")
    return pa.concat_tables(parts).take(pa.array(back))


class _Vectors:
    """The vectors that a collection has of its records' texts, where a classifier can use them."""

    def __init__(self, view: View, asking: Asking) -> None:
        self._view = view
        trained = asking.trained
        self._fit = (
            trained.reads_vectors
            and view.manifest.model.model_id == trained.model.model_id
            and not tells_apart(trained.embedder, "classification")
            # One that asks a generator tells which texts got no answer: these are asked as texts.
            and not hasattr(trained.fitted.head, "unanswered")
        )

    def known(self, seqs: Keys, rows: Keys, texts: Sequence[str]) -> Mask:
        """Return which records have vectors that are of their texts, and not the user's own."""
        if not self._fit:
            return np.zeros(len(seqs), np.bool_)
        contents = self._view.vectors.contents[rows]
        keys = np.array([content_key(text) for text in texts], contents.dtype)
        same: Mask = contents == keys
        blank = np.fromiter(map(is_blank, texts), np.bool_, len(texts))
        passages = self._view.passages
        if passages is not None:
            same |= np.isin(seqs, passages.seqs)
        return same & ~blank

    def of(self, seqs: Keys, rows: Keys) -> Vectors:
        """Return the vector of each record, of several passages their mean, shape (n, dim)."""
        vectors: Vectors = np.array(self._view.vectors.matrix[rows], np.float32)
        passages = self._view.passages
        if passages is not None:
            for i in np.flatnonzero(np.isin(seqs, passages.seqs)).tolist():
                several = passages.rows[passages.of(int(seqs[i]))]
                mean = self._view.vectors.matrix[several].mean(axis=0)
                vectors[i] = normalize(mean[np.newaxis])[0]
        return vectors


def _read(view: View, where: str | None) -> Iterator[tuple[Keys, Keys, list[str]]]:
    """Yield number, vector row and text of records, in their order."""
    allowed = view.condition(where)
    after = f"{allowed} AND seq > ?" if allowed else " WHERE seq > ?"
    last = -1
    while True:
        rows = view.query(
            f"SELECT seq, row, text FROM records{after} ORDER BY seq LIMIT {BATCH}", [last]
        )
        if not rows:
            return
        numbers, places, texts = zip(*rows, strict=True)
        yield np.array(numbers, np.int64), np.array(places, np.int64), list(texts)
        last = numbers[-1]


def _none(asking: Asking) -> pa.Table:
    schema = asking.shape.schema()
    named = ("label", "probability", "abstained")
    fields = [pa.field("seq", pa.int64()), pa.field("row", pa.int64())]
    return pa.schema([*fields, *(schema.field(name) for name in named)]).empty_table()
