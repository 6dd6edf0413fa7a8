"""One row of each group of near-duplicates, out of any source.

The source is read once and put down on disk; its different texts are embedded, each row is given
the row that stands for it, and those that stand for themselves are written. Every row that is
dropped is a near-duplicate of the row kept for it, and no two rows that are kept are of each other
(:func:`embedkit.pairs.clusters.leaders`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import InvalidInputError, SourceError
from embedkit.ingest.choose import Sample, choose
from embedkit.ingest.stage import Progress, sql_type
from embedkit.pairs.judge import Verdict, Wishes, judge
from embedkit.pairs.shelf import Shelf, joined
from embedkit.protocols import Embedder, Source
from embedkit.types import DedupeReport

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.types import Keys

SAMPLED = 500
"""Rows that the text column is found by."""
REJECTS = 20
"""Rows that could not be read, and are remembered."""
REPORT = ("line", "text", "kept_line", "kept_text", "score", "exact")


def dedupe(
    source: Source,
    out: str,
    *,
    form: str,
    text: Sequence[str] | None,
    wishes: Wishes,
    embedder: Embedder | None,
    report: str | None = None,
    progress: Progress | None = None,
) -> DedupeReport:
    """Write one row of each group of near-duplicates; see :func:`embedkit.dedupe`.

    Parameters
    ----------
    form : str
        The format of ``out``: a value of :data:`embedkit_connectors.write.SUFFIXES`.
    embedder : Embedder or None
        None where only equal texts are looked for.
    """
    started = time.monotonic()
    show = progress or (lambda _stage, _done, _total: None)
    with contextlib.closing(Shelf()) as shelf:
        read(source, shelf, text, show)
        verdict = judge(shelf.texts, wishes, embedder, show)
        write(source, shelf, verdict, out, form, report, show)
        dropped = ~verdict.stays
        equal = int(np.count_nonzero(dropped & verdict.equal))
        return DedupeReport(
            source=source.label,
            out=out,
            rows=len(dropped),
            kept=int(np.count_nonzero(~dropped)),
            equal=equal,
            near=int(np.count_nonzero(dropped)) - equal,
            blank=verdict.blank,
            failed=shelf.failed,
            threshold=wishes.threshold,
            seconds=round(time.monotonic() - started, 3),
            rejects=tuple(shelf.rejects),
            notes=source.notes,
        )


def read(source: Source, shelf: Shelf, text: Sequence[str] | None, show: Progress) -> None:
    """Put a source down.

    Raises
    ------
    SourceError, ColumnError
    """
    rows = 0
    for batch in source.batches():
        shelf.failed += len(batch.rejects)
        shelf.rejects += batch.rejects[: REJECTS - len(shelf.rejects)]
        table = batch.table
        if shelf.choice is None and table.num_rows:
            shelf.choice = choose(_samples(table), text=text, id=None)
        if table.num_rows or not rows:
            shelf.rows.add(table)
        if shelf.choice is not None:
            shelf.texts.add(_texts(table, shelf.choice.text))
        shelf.lines.append(np.asarray(batch.lines, np.int64))
        rows += table.num_rows
        show("reading", rows, 0)
    if not rows:
        why = f"; the first of {shelf.failed:,}: {shelf.rejects[0].reason}" if shelf.rejects else ""
        raise SourceError(
            f"{source.label} has no rows that can be read", do="nothing was written" + why
        )


def _samples(table: pa.RecordBatch) -> list[Sample]:
    samples = []
    for column, field_ in zip(table.columns, table.schema, strict=True):
        values = [str(v)[:300] for v in column.slice(0, SAMPLED).to_pylist() if v is not None]
        samples.append(
            Sample(field_.name, sql_type(field_), [value for value in values if value.strip()])
        )
    return samples


def _texts(table: pa.RecordBatch, names: Sequence[str]) -> list[str]:
    from embedkit_connectors.columns import as_text

    columns = []
    for name in names:
        at = [
            i for i, other in enumerate(table.schema.names) if other.casefold() == name.casefold()
        ]
        values = table.column(at[0]).to_pylist() if at else [None] * table.num_rows
        columns.append([None if value is None else as_text(value) for value in values])
    return joined(columns)


def write(
    source: Source,
    shelf: Shelf,
    verdict: Verdict,
    out: str,
    form: str,
    report: str | None,
    show: Progress,
) -> None:
    """Write the rows that are kept, and what became of the others."""
    import pyarrow as pa

    from embedkit_connectors.parquet import ParquetSource
    from embedkit_connectors.write import format_of, open_sink, unite, written

    stays = verdict.stays
    with contextlib.ExitStack() as stack:
        told = None
        if report is not None:
            file = stack.enter_context(written(report))
            told = open_sink(file, "csv" if report == "-" else format_of(report), _report_schema())
        file = stack.enter_context(written(out))
        schema, batches = unite(shelf.rows.schemas), iter(shelf.rows)
        if form == "parquet" and isinstance(source, ParquetSource):
            schema, batches = source.originals()
        sink = open_sink(file, form, schema)
        lines = np.concatenate(shelf.lines)
        start = 0
        for batch in batches:
            end = start + batch.num_rows
            sink.write(batch.filter(pa.array(stays[start:end])))
            if told is not None:
                told.write(_dropped(shelf, verdict, lines, start, end))
            start = end
            show("writing", end, len(stays))
        sink.end()
        if told is not None:
            told.end()


def _report_schema() -> pa.Schema:
    import pyarrow as pa

    types = (pa.int64(), pa.string(), pa.int64(), pa.string(), pa.float64(), pa.bool_())
    return pa.schema(list(zip(REPORT, types, strict=True)))


def _dropped(shelf: Shelf, verdict: Verdict, lines: Keys, start: int, end: int) -> pa.RecordBatch:
    import pyarrow as pa

    rows = start + np.flatnonzero(~verdict.stays[start:end])
    kept = verdict.kept[rows]
    columns = (
        lines[rows],
        [shelf.texts[row] for row in rows.tolist()],
        lines[kept],
        [shelf.texts[row] for row in kept.tolist()],
        verdict.scores[rows].astype(np.float64),
        verdict.equal[rows],
    )
    schema = _report_schema()
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def check_format(source: Source, out: str, format: str | None, report: str | None) -> str:
    """Return the format that is written, and refuse a report in none.

    Raises
    ------
    InvalidInputError
    """
    from embedkit_connectors.write import FORMATS, format_of

    if report not in (None, "-") and format_of(str(report)) in ("parquet", "text"):
        raise InvalidInputError(
            f"expected a .csv, .tsv or .jsonl file for the report, got {report}"
        )
    if format is not None and format not in FORMATS:
        raise InvalidInputError(
            f"expected format to be one of {', '.join(FORMATS)}, got {format!r}"
        )
    if format is not None or out != "-":
        return format or format_of(out)
    with contextlib.suppress(InvalidInputError):
        like_source = format_of(source.label.removesuffix(".gz"))
        return "csv" if like_source == "parquet" else like_source
    from embedkit_connectors.jsonl import JsonLinesSource
    from embedkit_connectors.text import TextSource

    if isinstance(source, JsonLinesSource):
        return "jsonl"
    return "text" if isinstance(source, TextSource) else "csv"


def check_places(source: Source, out: str, report: str | None, *, force: bool) -> None:
    """Refuse to write over the source, over what is there, or where nothing can be.

    Raises
    ------
    InvalidInputError
    """
    read_from = Path(source.name).resolve() if source.name not in ("-", "memory") else None
    places = [(name, what) for name, what in ((out, "OUT"), (report, "--report")) if name]
    for name, what in places:
        if name == "-":
            continue
        place = Path(name).expanduser().resolve()
        if place == read_from:
            raise InvalidInputError(
                f"{what} is the source itself, {name}", do="write to another file"
            )
        if place.is_dir():
            raise InvalidInputError(f"expected a file for {what}, got the folder {name}")
        if place.exists() and not place.is_file():
            raise InvalidInputError(
                f"expected a file for {what}, got the device {name}", do="- is standard output"
            )
        if not place.parent.is_dir():
            raise InvalidInputError(f"there is no folder {place.parent} for {what}")
        if place.exists() and not force:
            raise InvalidInputError(f"{name} is there already", do="replace it with --force")
    if len(places) == 2 and (out == report or _same(out, report)):
        raise InvalidInputError("OUT and --report are the same file")


def _same(one: str, other: str | None) -> bool:
    return other is not None and Path(one).resolve() == Path(other).resolve()
