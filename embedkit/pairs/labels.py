"""Labelled pairs out of a file: two texts, or the ids of two records, and a label."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import ColumnError, InvalidInputError
from embedkit.protocols import Source

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.types import Mask, Scores, Vectors

YES = {"1", "true", "yes", "y", "t"}
NO = {"0", "false", "no", "n", "f"}
BLOCK = 4096
"""Pairs whose vectors are held together."""


@dataclass(slots=True)
class Labels:
    """Labelled pairs.

    Attributes
    ----------
    kind : {"text", "id"}
        What the two sides are.
    """

    kind: str = ""
    left: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    labels: list[bool] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def flags(self) -> Mask:
        """Return the labels, shape (n,)."""
        return np.array(self.labels, np.bool_)


def read_labels(
    source: Source, sides: tuple[str, str] | None = None, label: str | None = "label"
) -> Labels:
    """Read labelled pairs.

    Parameters
    ----------
    sides : (str, str), optional
        The columns of the two texts. Default: text1 and text2, or id1 and id2.
    label : str or None
        The column of the label; with None, all pairs are of what belongs together.

    Raises
    ------
    SourceError, ColumnError
    InvalidInputError
        A row that could not be read, a side that is empty, or a label that is neither yes nor no.
    """
    found = Labels()
    for batch in source.batches():
        if batch.rejects:
            first = batch.rejects[0]
            raise InvalidInputError(f"{source.label}, line {first.line}: {first.reason}")
        table = batch.table
        if not table.num_rows:
            continue
        if sides is None:
            found.kind = found.kind or _kind(source.label, table.schema.names)
        else:
            found.kind = "text"
            _check_columns(source.label, table.schema.names, [*sides, *([label] if label else [])])
        columns = sides or (f"{found.kind}1", f"{found.kind}2")
        texts = [_column(table, side) for side in columns]
        labels = _column(table, label) if label else ["1"] * table.num_rows
        for line, left, right, told in zip(batch.lines.tolist(), *texts, labels, strict=True):
            where = f"{source.label}, line {line}"
            if not left.strip() or not right.strip():
                raise InvalidInputError(f"{where}: expected two {found.kind}s, one is empty")
            found.left.append(left)
            found.right.append(right)
            found.labels.append(_label(told, where))
            found.lines.append(line)
    return found


def _kind(label: str, names: Sequence[str]) -> str:
    known = {name.casefold() for name in names}
    for kind in ("text", "id"):
        if {f"{kind}1", f"{kind}2", "label"} <= known:
            return kind
    raise ColumnError(
        f"expected the columns text1, text2, label (or id1, id2, label) in {label},"
        f" got {', '.join(names)}",
        do="rename them; a label is 1 for duplicates and 0 for others",
    )


def _check_columns(label: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    known = {name.casefold() for name in names}
    for name in wanted:
        if name.casefold() not in known:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ColumnError(
                f"{label} has no column {name!r}", do=f"{hint}there are: {', '.join(names)}"
            )


def _column(table: pa.RecordBatch, name: str) -> list[str]:
    from embedkit_connectors.columns import as_text

    at = [i for i, other in enumerate(table.schema.names) if other.casefold() == name.casefold()]
    values = table.column(at[0]).to_pylist() if at else [None] * table.num_rows
    return ["" if value is None else as_text(value) for value in values]


def _label(value: str, where: str) -> bool:
    plain = value.strip().casefold().removesuffix(".0")
    if plain in YES:
        return True
    if plain in NO:
        return False
    raise InvalidInputError(f"{where}: expected a label of 1 or 0, got {value!r}")


def cosines(labels: Labels, vectors_of: Callable[[Sequence[str]], Vectors]) -> Scores:
    """Return the cosine of each pair, shape (n,).

    Parameters
    ----------
    vectors_of : callable
        Gives the unit vectors of texts or ids, shape (n, dim).
    """
    out = np.empty(len(labels.left), np.float32)
    for start in range(0, len(out), BLOCK):
        part = slice(start, start + BLOCK)
        sides: list[Any] = [
            vectors_of(side[part]).astype(np.float64) for side in (labels.left, labels.right)
        ]
        out[part] = np.minimum(1, np.einsum("nd,nd->n", *sides))
    return out
