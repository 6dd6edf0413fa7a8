"""Records, and rows that cannot become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from embedkit.types.words import Value


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a collection: an id, the text that is embedded, and typed metadata."""

    id: str
    text: str
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be taken, and why. Lines count from 1, the header included."""

    line: int
    reason: str
    excerpt: str = ""
    id: str | None = None
