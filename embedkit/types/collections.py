"""What is told of a collection: its index, its vectors, what a check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from embedkit.types.runs import RunInfo
from embedkit.types.words import Precision


@dataclass(frozen=True, slots=True)
class KeptVectors:
    """Vectors of a model that a collection does not use, and what they take."""

    embedder: str
    model_id: str
    dim: int
    precision: Precision
    vectors: int
    bytes: int
    retired: datetime | None
    """When the records used them last; None where they are still being made."""


@dataclass(frozen=True, slots=True)
class IndexTrial:
    """An index that was considered to keep a contract on recall, and what came of it."""

    spec: str
    outcome: str
    """``chosen``, ``slower``, or why it cannot serve."""
    recall: float | None = None
    """None where it was not measured; nor were the others then."""
    low: float | None = None
    p50: float | None = None
    build_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class IndexMeasurement:
    """What was measured of an index against exact search, and what was promised.

    Attributes
    ----------
    target : float
        The recall that was promised, in (0, 1].
    met : bool
        Whether it is kept, for sure: ``low`` reaches it, or search is exact.
    recall, low, high : float
        Mean share of the k nearest that were found. It is above ``low`` with a confidence of at
        least 95 %, and below ``high`` with one of 97.5 %; all are 1 where search is exact.
    k, queries : int
        How many neighbours of how many queries were compared.
    p50, p95 : float
        Milliseconds that a single query takes: the median, and what 95 % stay below.
    rows, changed : int
        Vectors that counted then, and how many of them had come or gone since the index was built.
    setting : mapping
        What the index was tuned to: an option of its spec and the value.
    how : str
        How it was measured, in words.
    note : str
        What a person should know: that the contract cannot be kept, and what is done instead.
    """

    target: float
    met: bool
    recall: float
    low: float
    high: float
    k: int
    queries: int
    p50: float
    p95: float
    rows: int
    changed: int
    how: str
    measured: datetime
    setting: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    tried: tuple[IndexTrial, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the measurement as plain values, in the order of its fields."""
        lists = {"tried": [asdict(trial) for trial in self.tried], "setting": dict(self.setting)}
        return asdict(self) | lists | {"measured": self.measured.isoformat(timespec="seconds")}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> IndexMeasurement:
        """Read what ``to_dict`` wrote."""
        measured = datetime.fromisoformat(body["measured"])
        tried = tuple(IndexTrial(**trial) for trial in body["tried"])
        return cls(**{**body, "measured": measured, "tried": tried})


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """What ``embedkit collections show`` tells of a collection."""

    name: str
    path: str
    records: int
    embedder: str
    model_id: str
    dim: int
    metric: str
    index: str
    """The spec of the index, and what it resolved to where that differs: ``auto (flat)``."""
    generation: int
    bytes: int
    """Size on disk."""
    columns: Mapping[str, str]
    """Metadata columns and their SQL types."""
    updated: datetime | None
    last_run: RunInfo | None = None
    precision: Precision = "float32"
    kept: tuple[KeptVectors, ...] = ()
    """Vectors of other models: earlier ones, or one that a migration is to change to."""
    recall: float = 0.99
    """The contract: how much of the nearest its index is to find, at least."""
    measurement: IndexMeasurement | None = None
    """What was measured of the index; None where it was built by an embedkit of before."""
    chunk: str | None = None
    """How texts are cut into passages; None where they are not."""
    passages: int | None = None
    """Passages of all records, those that are not cut included; None where no text is cut."""

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain values."""
        out = asdict(self)
        out["measurement"] = self.measurement.to_dict() if self.measurement else None
        out["columns"] = dict(self.columns)
        out["kept"] = [asdict(kept) for kept in self.kept]
        out["last_run"] = self.last_run.to_dict() if self.last_run else None
        return out


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of a collection found: which part, whether it is sound, and what to do."""

    part: str
    ok: bool
    detail: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return asdict(self)
