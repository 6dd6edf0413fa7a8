"""What comes of asking a collection: an answer, and the stretches of records that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from embedkit.types.ranking import RankedCandidate, Ranking
from embedkit.types.words import Value

NOTHING = "The collection does not say."
"""What is answered where nothing found is good enough."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of a record that was found for a question: a neighbour and what follows it.

    Attributes
    ----------
    number : int
        From 1, the most relevant first: what an answer names it by, as ``[1]``.
    id : str
        Of the record.
    start, stop : int
        Where it is in the record's text, in characters: ``text[start:stop]``.
    text : str
    score : float
        How probable it is, from 0 to 1, that it bears on the question.
    near : tuple of (int, int)
        The neighbours themselves within the record's text; the rest continues them.
    metadata : mapping of str to value
        Of the record.
    """

    number: int
    id: str
    start: int
    stop: int
    text: str
    score: float
    near: tuple[tuple[int, int], ...] = ()
    metadata: Mapping[str, Value] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, in the order of its fields."""
        return asdict(self) | {"metadata": dict(self.metadata)}


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer.

    Attributes
    ----------
    text : str
    sources : tuple of int
        The numbers of the excerpts that it rests on, ascending; empty where none supports it.
    """

    text: str
    sources: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a collection says to a question.

    Attributes
    ----------
    question : str
    text : str
        The answer, each sentence with its sources as ``[1]``; where nothing is good enough,
        ``"The collection does not say."``
    said : bool
        Whether the collection answers.
    statements : tuple of Statement
        The sentences of the answer; empty where there is none.
    excerpts : tuple of Excerpt
        All that was given to the generator, the most relevant first.
    confidence : float
        How probable it is, from 0 to 1, that what was found bears on the question; 0 where nothing
        was found.
    ranking : Ranking or None
        Every candidate with its scores and rejections; None where none was generated.
    notes : tuple of str
        What a person should know: what did not fit, which candidates failed, why nothing is said.
    generator : str
        The spec of the generator, empty where none was asked.
    """

    question: str
    text: str
    said: bool
    statements: tuple[Statement, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()
    confidence: float = 0.0
    ranking: Ranking | None = None
    notes: tuple[str, ...] = ()
    generator: str = ""

    @property
    def sources(self) -> tuple[Excerpt, ...]:
        """The excerpts that the answer names, by their numbers."""
        named = {number for statement in self.statements for number in statement.sources}
        return tuple(excerpt for excerpt in self.excerpts if excerpt.number in named)

    @property
    def best(self) -> RankedCandidate | None:
        """The candidate that is the answer, None where there is none."""
        return self.ranking.best if self.said and self.ranking is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain values: itself, its sources, what was found, candidates."""
        listed = self.ranking.candidates if self.ranking is not None else ()
        return {
            "question": self.question,
            "answer": self.text,
            "said": self.said,
            "confidence": self.confidence,
            "statements": [asdict(statement) for statement in self.statements],
            "sources": [source.to_dict() for source in self.sources],
            "excerpts": [excerpt.to_dict() for excerpt in self.excerpts],
            "candidates": [_told(candidate) for candidate in listed],
            "notes": list(self.notes),
            "generator": self.generator,
        }


def _told(candidate: RankedCandidate) -> dict[str, Any]:
    return {
        "rank": candidate.rank,
        "text": candidate.text,
        "score": candidate.score,
        "scores": dict(candidate.scores),
        "rejections": [asdict(rejection) for rejection in candidate.rejections],
        "merged_into": candidate.merged_into,
        "place": candidate.place,
        "generator": candidate.generator,
    }
