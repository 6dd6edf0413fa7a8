"""Near-duplicates: pairs, clusters and what became of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from embedkit.types.records import Reject


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records of much the same text, in the order in which they came.

    Attributes
    ----------
    score : float
        Cosine of their vectors.
    exact : bool
        Whether their texts are equal to the letter.
    probability : float or None
        That they are duplicates, as labelled pairs have it; None without such.
    """

    id1: str
    id2: str
    text1: str
    text2: str
    score: float
    exact: bool = False
    probability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as plain values, in the order of its fields, without what is None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Member:
    """A record of a cluster of near-duplicates.

    Attributes
    ----------
    cluster : int
        Which, from 1: the largest first.
    size : int
        How many records it has.
    score : float
        Cosine of its vector with that of the first.
    exact : bool
        Whether its text equals that of the first to the letter.
    first : bool
        Whether it is the first itself: the one to keep.
    """

    cluster: int
    size: int
    id: str
    text: str
    score: float
    exact: bool
    first: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the member as plain values, in the order of its fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DedupeReport:
    """What ``dedupe`` kept and dropped.

    Of the ``rows`` that could be read, ``kept`` + ``equal`` + ``near`` are all: ``equal`` were
    dropped for a row of equal text, ``near`` for a row of much the same text. ``blank`` rows, kept,
    have no text to compare; ``failed`` ones could not be read and are not in ``out``.
    """

    source: str
    out: str
    rows: int
    kept: int
    equal: int
    near: int
    blank: int
    failed: int
    threshold: float | None
    """None where only equal texts were looked for."""
    seconds: float
    rejects: tuple[Reject, ...] = ()
    """The first of the rows that could not be read."""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, in the order of its fields."""
        lists = {"rejects": [asdict(row) for row in self.rejects], "notes": list(self.notes)}
        return asdict(self) | lists
