"""Labelled rows out of any source, or out of a collection: texts, labels, and where each begins.

Labels become text, however they were written: the whole number 1 and the text "1" are one label.
Rows without a label are set aside and counted, for they are what a classifier is for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from embedkit.classification.spelling import SEPARATOR as SEPARATOR
from embedkit.classification.spelling import How as How
from embedkit.classification.spelling import check_known, labels_of, merged
from embedkit.classification.spelling import is_missing as is_missing
from embedkit.errors import ColumnError, InvalidInputError, SourceError
from embedkit.ingest.choose import Choice, Sample, choose
from embedkit.ingest.stage import Progress, sql_type
from embedkit.protocols import Source
from embedkit.types import Reject

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.labelling import Labelling
    from embedkit.types import Keys

Label: TypeAlias = str | tuple[str, ...]
"""A label as text; with several labels a text, all of them in the order in which they came."""
SAMPLED = 500
"""Rows that the columns are found by."""
REJECTS = 1000
"""Rows that could not be used, and are remembered."""
_NAMES = ("label", "labels", "class", "category", "target")
_SHOWN = 3


@dataclass(slots=True)
class LabelledRows:
    """Rows with a text and a label.

    Attributes
    ----------
    source : str
        What a report calls the source.
    texts : list of str, length n
    labels : list of str, or of tuples of str, length n
    lines : list of int, length n
        Where each row begins: a line of the file, or a row number, from 1.
    ids : list of str, length n
        Empty where the source has no ids.
    also : list, length n
        Values of another column; empty where none was asked for.
    text, label, id
        The columns that were read.
    rows : int
        All that there were, whatever became of them.
    unlabelled, blank : int
        Rows without a label, and rows without a text, which were set aside.
    failed : int
        Rows that could not be read, or whose text is none; ``rejects`` has the first of them.
    notes : list of str
        What was assumed that a person should know.
    """

    source: str
    texts: list[str] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    also: list[Any] = field(default_factory=list)
    text: tuple[str, ...] = ()
    label: str = ""
    id: str | None = None
    rows: int = 0
    unlabelled: int = 0
    blank: int = 0
    failed: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)

    def counts(self) -> Counter[str]:
        """Return how many rows each label has, the most frequent first."""
        counted: Counter[str] = Counter()
        for label in self.labels:
            counted.update((label,) if isinstance(label, str) else label)
        return Counter(dict(counted.most_common()))

    def set_aside(self) -> list[str]:
        """Say what was left out, and why."""
        told = []
        if self.unlabelled:
            told.append(f"{_rows(self.unlabelled)} without a label set aside")
        if self.blank:
            told.append(f"{_rows(self.blank)} without a text set aside")
        if self.failed:
            first = self.rejects[0]
            told.append(
                f"{_rows(self.failed)} could not be read and left out; the first is line"
                f" {first.line}: {first.reason}"
            )
        return told


def read_labelled(
    source: Any,
    *,
    text: Sequence[str] | str | None = None,
    label: str | None = None,
    id: str | None = None,
    also: str | None = None,
    likely: tuple[Sequence[str], str] = ((), ""),
    how: How | None = None,
    progress: Progress | None = None,
) -> LabelledRows:
    """Read the rows of a source that have a text and a label.

    Parameters
    ----------
    source
        What :meth:`embedkit.Collection.index` takes.
    text, label, id
        The columns; several of text are joined by newlines. Found by themselves where that is
        safe: the label where one column is called so (or ``class``, ``category``, ``target``).
    also : str, optional
        Another column whose values are kept.
    likely : (sequence of str, str)
        Columns of the text and of the label where they are there and none is named.
    how : How, optional
    progress : callable, optional
        Called with (what, done, total).

    Raises
    ------
    SourceError
        The source cannot be read, or has no rows.
    ColumnError
        No such column (the nearest is offered), or none that is surely meant.
    InvalidInputError
        No row has a label, or the labels are lists and only one is expected.
    """
    from embedkit.ingest.choose import split_columns
    from embedkit_connectors import open_source

    opened: Source = open_source(source)
    found = LabelledRows(opened.label)
    reader = _Reader(split_columns(text), label, id, also=also, likely=likely)
    for batch in opened.batches():
        found.failed += len(batch.rejects)
        found.rejects += batch.rejects[: REJECTS - len(found.rejects)]
        found.rows += batch.table.num_rows + len(batch.rejects)
        if batch.table.num_rows:
            reader.take(found, batch.table, np.asarray(batch.lines, np.int64))
        if progress is not None:
            progress("reading", found.rows, 0)
    if not reader.label:
        why = f"the first: {found.rejects[0].reason}" if found.rejects else "is it the right file?"
        raise SourceError(f"{opened.label} has no rows that can be read", do=why)
    found.text, found.label, found.id = reader.choice.text, reader.label, reader.choice.id
    found.notes += opened.notes
    return _settled(found, reader, how or How())


def read_labelled_records(
    collection: Labelling,
    label: str,
    *,
    where: str | None = None,
    how: How | None = None,
) -> LabelledRows:
    """Read the records of a collection whose metadata holds a label.

    Parameters
    ----------
    label : str
        A metadata column.
    where : str, optional
        SQL over the records' own columns.

    Raises
    ------
    CollectionNotFoundError, FilterError
    ColumnError
        No such column; the nearest is offered.
    InvalidInputError
        No record has a label.
    """
    reader = _Reader(None, label, None)
    name, rows = collection.column(label, where=where)
    reader.label = name
    found = LabelledRows(collection.name, text=("text",), label=name, id="id", rows=len(rows))
    for number, (id, text, value) in enumerate(rows, start=1):
        reader.add(found, number, id, text, value)
    return _settled(found, reader, how or How())


class _Reader:
    """Rows on their way: what a row holds is settled when all of them are there."""

    def __init__(
        self,
        text: Sequence[str] | None,
        label: str | None,
        id: str | None,
        *,
        also: str | None = None,
        likely: tuple[Sequence[str], str] = ((), ""),
    ) -> None:
        self._asked = text, label, id
        self._also = also
        self._likely = likely
        self.choice = Choice((), None)
        self.label = ""

    def take(self, found: LabelledRows, table: pa.RecordBatch, lines: Keys) -> None:
        """Take in a batch."""
        if not self.label:
            self._choose(table)
        labels, kind = _column(table, self.label)
        ids = _column(table, self.choice.id)[0] if self.choice.id else [None] * len(lines)
        texts = read_texts(table, self.choice.text)
        others = _column(table, self._also)[0] if self._also else [None] * len(lines)
        rows = zip(lines.tolist(), ids, texts, labels, others, strict=True)
        for line, id, text, value, other in rows:
            if kind == "JSON" and isinstance(value, str):
                value = json.loads(value)
            kept = len(found)
            self.add(found, line, None if id is None else str(id), text, value)
            if self._also and len(found) > kept:
                found.also.append(other)

    def add(
        self, found: LabelledRows, line: int, id: str | None, text: str | Reject, value: Any
    ) -> None:
        """Take in a row."""
        if isinstance(text, Reject):
            found.failed += 1
            if len(found.rejects) < REJECTS:
                found.rejects.append(Reject(line, text.reason, text.excerpt, id))
        elif not text.strip():
            found.blank += 1
        elif is_missing(value):
            found.unlabelled += 1
        else:
            found.texts.append(text)
            found.labels.append(value)
            found.lines.append(line)
            if id is not None:
                found.ids.append(id)

    def _choose(self, table: pa.RecordBatch) -> None:
        text, label, id = self._asked
        samples = samples_of(table)
        there = {sample.name.casefold() for sample in samples}
        texts, target = self._likely
        if text is None and texts and all(name.casefold() in there for name in texts):
            text = texts
        if label is None and target.casefold() in there:
            label = target
        if self._also is not None:
            self._also = choose(samples, text=[self._also], id=None).text[0]
        self.label = _label_column(label, samples)
        rest = [sample for sample in samples if sample.name != self.label]
        if not rest:
            raise ColumnError(
                f"expected a column of texts beside the labels, got only {self.label!r}"
            )
        self.choice = choose(rest if text is None else samples, text=text, id=id)
        if self.label in self.choice.text:
            raise ColumnError(
                f"{self.label!r} cannot be both text and label", do="name another with --label"
            )


def samples_of(table: pa.RecordBatch) -> list[Sample]:
    """Return the columns of some rows as their first values show them."""
    samples = []
    for column, field_ in zip(table.columns, table.schema, strict=True):
        values = [str(v)[:300] for v in column.slice(0, SAMPLED).to_pylist() if v is not None]
        samples.append(
            Sample(field_.name, sql_type(field_), [value for value in values if value.strip()])
        )
    return samples


def read_texts(table: pa.RecordBatch, names: Sequence[str]) -> list[str | Reject]:
    """Return the text of each row, empty where there is none, a Reject where it is none.

    Numbers and dates are taken as they are written; lists and objects are no texts.
    """
    from embedkit_connectors.columns import as_text

    columns: list[list[Any]] = []
    for name in names:
        values, kind = _column(table, name)
        plain = kind != "JSON"
        columns.append(
            [v if v is None else as_text(v) if plain else _no_text(name, v) for v in values]
        )
    if len(columns) == 1:
        return ["" if text is None else text for text in columns[0]]
    return [_joined(parts) for parts in zip(*columns, strict=True)]


def _no_text(column: str, value: str) -> Reject:
    from embedkit_connectors.batch import excerpt

    return Reject(0, f"expected a text in {column!r}, got a list or an object", excerpt(value))


def _joined(parts: Sequence[Any]) -> str | Reject:
    for part in parts:
        if isinstance(part, Reject):
            return part
    return "\n".join(part for part in parts if part and not part.isspace())


def _column(table: pa.RecordBatch, name: str) -> tuple[list[Any], str]:
    """Return the values of a column, None each where this batch lacks it, and their type."""
    at = [i for i, other in enumerate(table.schema.names) if other.casefold() == name.casefold()]
    if not at:
        return [None] * table.num_rows, "VARCHAR"
    return table.column(at[0]).to_pylist(), sql_type(table.schema.field(at[0]))


def _label_column(asked: str | None, samples: Sequence[Sample]) -> str:
    names = [sample.name for sample in samples]
    if asked is not None:
        return choose(samples, text=[asked], id=None).text[0]
    named = [name for name in names if name.casefold() in _NAMES]
    if len(named) == 1:
        return named[0]
    problem = "several columns are called so" if named else "no column is called label"
    likely = [s.name for s in samples if s.values and not s.text_like and _repeats(s.values)]
    hint = f"; it may be {' or '.join(likely[:_SHOWN])}" if likely else ""
    raise ColumnError(
        f"which column is the label? {problem}{hint}",
        do=f"say it with --label; the columns are {', '.join(names)}",
    )


def _repeats(values: Sequence[str]) -> bool:
    return 1 < len(set(values)) <= max(2, len(values) // 2)


# -- labels -------------------------------------------------------------------------------------


def _settled(found: LabelledRows, reader: _Reader, how: How) -> LabelledRows:
    """Make the labels text, and say what was assumed."""
    if not found.labels:
        raise InvalidInputError(
            f"expected labels in column {reader.label!r} of {found.source}, none of its "
            f"{_rows(found.rows)} has a text and a label",
            do="; ".join(found.set_aside()) or "name another column with --label",
        )
    split = [
        labels_of(value, how, line) for value, line in zip(found.labels, found.lines, strict=True)
    ]
    same = merged(Counter(label for labels in split for label in labels), found.notes)
    split = [tuple(dict.fromkeys(same.get(one, one) for one in labels)) for labels in split]
    for labels, line in zip(split, found.lines, strict=True):
        check_known(labels, how.order, found.source, line)
    found.labels = list(split) if how.multi else [labels[0] for labels in split]
    if how.multi and max(map(len, split)) < 2:
        found.notes.append(f"no row has several labels; is {how.separator!r} between them?")
    return found


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
