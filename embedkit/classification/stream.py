"""Labels for the rows of any source, in bounded memory: read, label, write, a batch at a time."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embedkit.classification.answering import Answering, is_blank
from embedkit.classification.columns import Shape, find_prefix
from embedkit.classification.labelled import read_texts, samples_of
from embedkit.errors import ColumnError, InvalidInputError
from embedkit.ingest.choose import choose
from embedkit.ingest.stage import Progress
from embedkit.protocols import Source, SourceBatch
from embedkit.types import LabellingReport, Reject

if TYPE_CHECKING:
    from embedkit.classification.predictions import Predictions
    from embedkit.types import Keys

REJECTS = 20
"""Rows that could not be labelled, and are remembered."""
BATCH = 2048
"""Rows that are labelled together: what is held of their vectors stays small."""


@dataclass(slots=True)
class Tally:
    """What has been labelled so far."""

    rows: int = 0
    abstained: int = 0
    blank: int = 0
    failed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Count rows that could not be labelled."""
        self.failed += len(rejects)
        self.rejects += rejects[: REJECTS - len(self.rejects)]

    def count(self, table: pa.RecordBatch) -> None:
        """Count what was said of rows."""
        labels = table.column(0)
        for entry in pc.value_counts(labels).to_pylist():
            if entry["values"] is not None:
                self.counts[str(entry["values"])] += entry["counts"]
        self.abstained += int(pc.sum(table.column("abstained")).as_py() or 0)


class Labelling:
    """A source on its way through a classifier.

    Parameters
    ----------
    ask : callable
        Returns predictions of texts.
    shape : Shape
        Which columns are added.
    text : sequence of str or None
        The columns of the text.
    likely : sequence of str
        The columns that the classifier learned from: taken where they are there and none is given.
    prefix : str or None
        What stands before the names of the added columns.
    unanswered : callable, optional
        Returns which of the texts that were asked last got no answer, by place, and why.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[str]], Predictions],
        shape: Shape,
        *,
        text: Sequence[str] | None = None,
        likely: Sequence[str] = (),
        prefix: str | None = None,
        unanswered: Callable[[], Mapping[int, str]] = dict,
    ) -> None:
        self._answering = Answering(ask, shape, unanswered)
        self._added = shape.schema()
        self._text = text
        self._likely = likely
        self._asked_prefix = prefix
        self._columns: tuple[str, ...] = ()
        self.tally = Tally()
        self.prefix = prefix or ""

    def run(
        self, source: Source, *, originals: bool = False, progress: Progress | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a source with the added columns, at least one batch.

        Parameters
        ----------
        originals : bool
            Of a Parquet file, give its own columns in their own types.
        """
        for batch, rows in _with_originals(source) if originals else _alone(source):
            self.tally.reject(batch.rejects)
            if not self._columns:
                self._settle(batch.table)
            self._check(rows.schema.names)
            if not rows.num_rows:
                yield self._widened(rows, None)
            for start in range(0, rows.num_rows, BATCH):
                some = slice(start, start + BATCH)
                yield self._label(
                    batch.table.slice(start, BATCH), rows.slice(start, BATCH), batch.lines[some]
                )
                if progress is not None:
                    progress("labelling", self.tally.rows, 0)

    def _settle(self, table: pa.RecordBatch) -> None:
        """Decide on the columns by the first rows."""
        names = table.schema.names
        if not names:
            return
        known = {name.casefold() for name in names}
        likely = list(self._likely) if all(n.casefold() in known for n in self._likely) else []
        if table.num_rows or self._text or likely:
            chosen = choose(samples_of(table), text=self._text or likely or None, id=None)
            self._columns = chosen.text
        added = self._added.names
        self.prefix = find_prefix(added, names, self._asked_prefix)
        note = f"the input has columns of these names: the added ones begin with {self.prefix}"
        if self.prefix and self._asked_prefix is None and note not in self.tally.notes:
            self.tally.notes.append(note)

    def _check(self, names: Sequence[str]) -> None:
        """Refuse a column that comes only now and has the name of an added one."""
        added = {f"{self.prefix}{name}".casefold() for name in self._added.names}
        late = [name for name in names if name.casefold() in added]
        if late:
            raise InvalidInputError(
                f"a later row has a column {late[0]!r}, which is to be added",
                do="choose other names for the added ones with --prefix",
            )

    def _label(self, table: pa.RecordBatch, rows: pa.RecordBatch, lines: Keys) -> pa.RecordBatch:
        found = read_texts(table, self._columns)
        texts = [text if isinstance(text, str) else "" for text in found]
        answers = self._answering.answer(texts)
        bad = {i: text for i, text in enumerate(found) if isinstance(text, Reject)}
        self.tally.reject(
            [Reject(int(lines[i]), text.reason, text.excerpt) for i, text in bad.items()]
            + [
                Reject(int(lines[i]), f"it could not be labelled: {reason}", texts[i][:80])
                for i, reason in answers.failures.items()
            ]
        )
        self.tally.rows += len(texts)
        self.tally.blank += sum(map(is_blank, texts)) - len(bad)
        self.tally.count(answers.table)
        return self._widened(rows, answers.table)

    def _widened(self, rows: pa.RecordBatch, more: pa.RecordBatch | None) -> pa.RecordBatch:
        fields = [field.with_name(f"{self.prefix}{field.name}") for field in self._added]
        columns = more.columns if more is not None else [pa.nulls(0, f.type) for f in fields]
        return pa.RecordBatch.from_arrays(
            [*rows.columns, *columns], schema=pa.schema([*rows.schema, *fields])
        )


def _alone(source: Source) -> Iterator[tuple[SourceBatch, pa.RecordBatch]]:
    for batch in source.batches():
        yield batch, batch.table


def _with_originals(source: Any) -> Iterator[tuple[SourceBatch, pa.RecordBatch]]:
    """Yield the batches of a Parquet file beside its own rows, faulty ones left out of both."""
    _, originals = source.originals()
    first = 1
    for batch, rows in zip(source.batches(), originals, strict=True):
        lines = np.asarray(batch.lines, np.int64)
        if len(lines) != rows.num_rows:
            rows_kept = pa.array(lines - first)
            first += rows.num_rows
            yield batch, rows.take(rows_kept)
            continue
        first += rows.num_rows
        yield batch, rows


def write(
    source: Source,
    labelling: Labelling,
    out: str,
    form: str,
    *,
    progress: Progress | None = None,
) -> LabellingReport:
    """Write the rows of a source with their labels; the file appears when all is done.

    Raises
    ------
    SourceError, ColumnError, InvalidInputError, StorageError
    """
    from embedkit_connectors.parquet import ParquetSource
    from embedkit_connectors.write import open_sink, written

    started = time.monotonic()
    originals = form == "parquet" and isinstance(source, ParquetSource)
    batches = labelling.run(source, originals=originals, progress=progress)
    with contextlib.ExitStack() as stack:
        schema, batches = schema_of(source, form, batches, stack)
        file = stack.enter_context(written(out))
        sink = open_sink(file, form, schema)
        for batch in batches:
            sink.write(batch)
            if out == "-":
                file.flush()
        sink.end()
    return report(labelling.tally, source, out, time.monotonic() - started)


def format_for(source: Source, out: str, format: str | None) -> str:
    """Return the format that is written: as said, by the name of ``out``, or like the source.

    Raises
    ------
    InvalidInputError
    """
    from embedkit.pairs.dedupe import check_format

    form = check_format(source, out, format, None)
    if form != "text":
        return form
    if out == "-" and format is None:
        return "csv"  # lines of text have no place for more columns
    raise InvalidInputError(
        f"expected a file with columns, got {out}",
        do="end it with .csv, .tsv, .jsonl or .parquet",
    )


def schema_of(
    source: Source, form: str, batches: Iterator[pa.RecordBatch], stack: contextlib.ExitStack
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema of all rows, and the rows.

    Lines of JSON need none; rows of CSV and Parquet all have that of the first. Of others it is
    known when all have been seen: they wait on disk.
    """
    from embedkit.pairs.shelf import Rows
    from embedkit_connectors.delimited import DelimitedSource
    from embedkit_connectors.parquet import ParquetSource
    from embedkit_connectors.text import TextSource
    from embedkit_connectors.write import unite

    first = next(batches, None)
    if first is None:
        raise ColumnError(f"{source.label} has no columns", do="is it the right file?")
    whole = _chained(first, batches)
    if form == "jsonl" or isinstance(source, (DelimitedSource, ParquetSource, TextSource)):
        return first.schema, whole
    rows = Rows()
    stack.callback(rows.close)
    for batch in whole:
        rows.add(batch)
    return unite(rows.schemas), iter(rows)


def _chained(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def report(tally: Tally, source: Source, out: str, seconds: float) -> LabellingReport:
    """Return what was done."""
    return LabellingReport(
        source=source.label,
        out=out,
        rows=tally.rows,
        labelled=sum(tally.counts.values()),
        abstained=tally.abstained,
        blank=tally.blank,
        failed=tally.failed,
        counts=dict(tally.counts.most_common()),
        seconds=round(seconds, 3),
        rejects=tuple(tally.rejects),
        notes=(*tally.notes, *source.notes),
    )
