"""Why a classifier says what it says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from embedkit.types.classification import Label


@dataclass(frozen=True, slots=True)
class WordEffect:
    """What a word does to a label.

    Attributes
    ----------
    word : str
    spans : tuple of (int, int)
        Where it stands, in characters: ``text[start:stop]``.
    effect : float
        How far the log-odds of the label fall without it: above 0 it speaks for the label, below
        against it.
    against : float
        How far the log-odds of the label against the other one fall without it: above 0 it speaks
        for the label rather than for the other.
    probability : float
        Of the label, without the word.
    """

    word: str
    spans: tuple[tuple[int, int], ...]
    effect: float
    against: float
    probability: float


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """A row that was learned from.

    Attributes
    ----------
    row : int
        Its place among the rows that were learned from, from 0.
    text : str
    label : str, int, float, bool or tuple
    similarity : float or None
        How near it is: cosine of the vectors, or of the words where no vectors are read. Of a
        typical row: to the middle of its label. None where that was not asked.
    probability : float
        Of its own label, by a head that had not seen it.
    other : str, int, float, bool or None
        The most probable other label.
    margin : float
        Probability of its own label less that of the other.
    """

    row: int
    text: str
    label: Label | tuple[Label, ...]
    similarity: float | None
    probability: float
    other: Label | None = None
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has a label.

    Attributes
    ----------
    text : str
    label : str, int, float or bool
        The label that is explained: the most probable one, unless another was asked for.
    probability : float
    other : the same
        The label that it is held against: the next probable, unless another was asked for.
    other_probability : float
    words : tuple of WordEffect
        Those that speak for the label most come first.
    best : tuple of str
        The words, three at most, that speak for it most.
    without_best : float
        Probability of the label without them.
    nearest : tuple of ExampleRow
        The rows learned from that are nearest, nearest first; empty where they were not kept.
    nearest_other : tuple of ExampleRow
        The nearest of the other label.
    """

    text: str
    label: Label
    probability: float
    other: Label
    other_probability: float
    words: tuple[WordEffect, ...] = ()
    best: tuple[str, ...] = ()
    without_best: float = 0.0
    nearest: tuple[ExampleRow, ...] = ()
    nearest_other: tuple[ExampleRow, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TypicalWord:
    """A word that a label has more often than the others.

    Attributes
    ----------
    word : str
    z : float
        How many standard deviations the log-odds ratio is above 0: beyond 1.96 it is no chance.
    rows, elsewhere : int
        Rows of the label that have it, and other rows.
    """

    word: str
    z: float
    rows: int
    elsewhere: int


@dataclass(frozen=True, slots=True)
class Portrait:
    """What a label looks like.

    Attributes
    ----------
    label : str, int, float or bool
    rows : int
        Rows that have it.
    typical : tuple of ExampleRow
        In its middle, sure, and unlike each other.
    borderline : tuple of ExampleRow
        Rows that have it, nearest to another label first; below a margin of 0 cross-validation
        took them for the other.
    words : tuple of TypicalWord
        Those that mark it most first.
    """

    label: Label
    rows: int
    typical: tuple[ExampleRow, ...] = ()
    borderline: tuple[ExampleRow, ...] = ()
    words: tuple[TypicalWord, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
