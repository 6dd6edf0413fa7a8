"""What is told of classifiers by name, and of what they labelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from embedkit.types.classification import Label, Task, TrainingReport
from embedkit.types.records import Reject


@dataclass(frozen=True, slots=True)
class Origin:
    """What a classifier by name was trained on.

    Attributes
    ----------
    source : str
        The file, or the collection.
    kind : {"file", "collection"}
    text : tuple of str
        The columns of the text.
    label : str
        The column of the label.
    digest : str
        SHA-256 over texts and labels, in hexadecimal: equal ones were trained on equal rows.
    """

    source: str
    kind: str
    text: tuple[str, ...]
    label: str
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self) | {"text": list(self.text)}


@dataclass(frozen=True, slots=True)
class ClassifierInfo:
    """A classifier of a home.

    Attributes
    ----------
    labels : mapping of label to int
        Its labels, and how many rows of each it learned from.
    task : {"single", "multi", "ordered"}
    embedder, model_id : str
        What makes its vectors; empty where it reads none.
    bytes : int
        On disk.
    report : TrainingReport
    origin : Origin or None
        What it was trained on, where that is known.
    abstaining : tuple of mappings
        What some precisions take: ``precision``, the ``threshold`` of probability below which no
        label is given (None where it cannot be reached), and the ``coverage``, the share of texts
        that still get a label.
    """

    name: str
    path: str
    task: Task
    labels: Mapping[Label, int]
    head: str
    embedder: str
    model_id: str
    dim: int
    bytes: int
    report: TrainingReport
    origin: Origin | None = None
    abstaining: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "name": self.name,
            "path": self.path,
            "task": self.task,
            "labels": [[label, rows] for label, rows in self.labels.items()],
            "head": self.head,
            "embedder": self.embedder,
            "model_id": self.model_id,
            "dim": self.dim,
            "bytes": self.bytes,
            "origin": None if self.origin is None else self.origin.to_dict(),
            "abstaining": [dict(cost) for cost in self.abstaining],
            "report": self.report.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class LabellingReport:
    """What a classifier labelled.

    Of ``rows``, all of which are in the result, ``labelled`` got a label and ``abstained`` none for
    it was not sure enough; ``blank`` have no text. ``failed`` could not be read, or not be
    labelled, and are listed in ``rejects``, the first of them.
    """

    source: str
    out: str
    """A file, or the collection's column."""
    rows: int
    labelled: int
    abstained: int
    blank: int
    failed: int
    counts: Mapping[str, int] = field(default_factory=dict)
    """Rows of each label, the most frequent first."""
    seconds: float = 0.0
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, in the order of the fields."""
        lists = {"rejects": [asdict(row) for row in self.rejects], "notes": list(self.notes)}
        return asdict(self) | lists
