"""The other rows an audit is given: test rows, and rows that have no label yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.labelled import (
    LabelledRows,
    is_missing,
    read_texts,
    samples_of,
)
from embedkit.classification.spelling import label_text
from embedkit.errors import ColumnError, SourceError
from embedkit.ingest.choose import choose
from embedkit.types import Reject

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.collection import Collection
    from embedkit.types import Keys, Vectors


@dataclass(slots=True)
class HeldOut:
    """Test rows and their vectors.

    Attributes
    ----------
    texts : sequence of str, length n
    labels : sequence of str, length n
        Empty where the test rows have none; a row may have the empty text.
    lines : int64 array, shape (n,)
    vectors : float32 array, shape (n, dim)
    """

    texts: Sequence[str]
    labels: Sequence[str]
    lines: Keys
    vectors: Vectors


@dataclass(slots=True)
class PlainRows:
    """Rows of which some have a label, and some have none.

    Attributes
    ----------
    texts, labels, ids : list of str, length n
        A label or an id is empty where there is none.
    lines : list of int, length n
    blank, failed : int
        Rows without a text, and rows that could not be read.
    """

    source: str
    texts: list[str]
    labels: list[str]
    ids: list[str]
    lines: list[int]
    blank: int = 0
    failed: int = 0

    def notes(self) -> list[str]:
        """Say what was left out."""
        told = []
        if self.blank:
            told.append(f"{self.source}: {_rows(self.blank)} without a text left out")
        if self.failed:
            told.append(f"{self.source}: {_rows(self.failed)} could not be read and left out")
        return told

    def unlabelled(self) -> PlainRows:
        """Return the rows without a label."""
        return self.take([i for i, label in enumerate(self.labels) if not label])

    def take(self, places: Sequence[int]) -> PlainRows:
        """Return some of the rows."""
        return PlainRows(
            self.source,
            [self.texts[i] for i in places],
            [self.labels[i] for i in places],
            [self.ids[i] for i in places],
            [self.lines[i] for i in places],
            self.blank,
            self.failed,
        )


def read_plain(source: Any, like: LabelledRows) -> PlainRows:
    """Read rows whose columns are named as those of the labelled rows, the label's if it is there.

    Parameters
    ----------
    source
        What :meth:`embedkit.Collection.index` takes.
    like : LabelledRows

    Raises
    ------
    SourceError
        It cannot be read, or has no rows.
    ColumnError
        It has no such text column.
    """
    from embedkit_connectors import open_source

    opened = open_source(source)
    found = PlainRows(opened.label, [], [], [], [])
    text: tuple[str, ...] = ()
    for batch in opened.batches():
        found.failed += len(batch.rejects)
        if not batch.table.num_rows:
            continue
        text = text or _text_columns(batch.table, like)
        columns = read_texts(batch.table, text), *_others(batch.table, like)
        for line, row_text, label, id in zip(batch.lines.tolist(), *columns, strict=True):
            if isinstance(row_text, Reject):
                found.failed += 1
            elif not row_text.strip():
                found.blank += 1
            else:
                found.texts.append(row_text)
                found.labels.append("" if is_missing(label) else label_text(label))
                found.ids.append("" if id is None else str(id))
                found.lines.append(line)
    if not found.texts:
        raise SourceError(f"{opened.label} has no rows with a text", do="is it the right file?")
    return found


def of_collection(collection: Collection, like: LabelledRows) -> PlainRows:
    """Return the records of a collection, with their labels where it has such a column.

    Raises
    ------
    CollectionNotFoundError
    """
    try:
        records = collection.column(like.label)[1]
    except ColumnError:
        records = [(id, text, None) for id, text in collection.texts()]
    found = PlainRows(collection.name, [], [], [], [])
    for number, (id, text, label) in enumerate(records, start=1):
        if not text.strip():
            found.blank += 1
            continue
        found.texts.append(text)
        found.labels.append("" if is_missing(label) else label_text(label))
        found.ids.append(id)
        found.lines.append(number)
    return found


def _text_columns(table: pa.RecordBatch, like: LabelledRows) -> tuple[str, ...]:
    samples = samples_of(table)
    names = {name.casefold() for name in table.schema.names}
    # A list of texts to label has but one column, whatever it is called.
    alone = len(samples) == 1 and not {name.casefold() for name in like.text} <= names
    return choose(samples, text=None if alone else like.text, id=None).text


def _others(table: pa.RecordBatch, like: LabelledRows) -> Iterator[list[Any]]:
    names = [name.casefold() for name in table.schema.names]
    for wanted in (like.label, like.id):
        if wanted is not None and wanted.casefold() in names:
            yield table.column(names.index(wanted.casefold())).to_pylist()
        else:
            yield [None] * table.num_rows


def as_test(rows: PlainRows, vectors: Vectors) -> HeldOut:
    """Return rows and their vectors as test rows."""
    labels = rows.labels if any(rows.labels) else []
    return HeldOut(rows.texts, labels, np.asarray(rows.lines, np.int64), vectors)


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
