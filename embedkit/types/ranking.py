"""What comes of ranking candidates: each with its scores, and why it was rejected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from embedkit.types.models import Candidate


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a candidate is not to be shown.

    Attributes
    ----------
    filter : str
        The name of the filter.
    reason : str
        What it found, such as ``"the number 48 is not in the source"``.
    """

    filter: str
    reason: str


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate with its place.

    Attributes
    ----------
    candidate : Candidate
        Its text, tokens and finish reason.
    place : int
        Which of the candidates that were given, from 0.
    rank : int or None
        From 1 for the best; None where it was rejected or merged into another.
    score : float
        What the ranking goes by, larger is better; comparable between candidates of one source.
    scores : mapping of str to float
        The score of each ranker, by its name; NaN where it says nothing about the candidate.
    rejections : tuple of Rejection
        Empty where no filter has anything against it.
    merged_into : int or None
        The place of the candidate that says nearly the same and stands for both.
    generator : str
        Who wrote it; empty where that is not known.
    """

    candidate: Candidate
    place: int
    rank: int | None
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    rejections: tuple[Rejection, ...] = ()
    merged_into: int | None = None
    generator: str = ""

    @property
    def text(self) -> str:
        """What it says."""
        return self.candidate.text


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first; behind those that passed stand the others, by their scores.

    Attributes
    ----------
    candidates : tuple of RankedCandidate
    """

    candidates: tuple[RankedCandidate, ...]

    @property
    def best(self) -> RankedCandidate | None:
        """The best of those that passed, None where none did."""
        return next((each for each in self.candidates if each.rank == 1), None)

    @property
    def passed(self) -> tuple[RankedCandidate, ...]:
        """Those that were neither rejected nor merged, best first."""
        return tuple(each for each in self.candidates if each.rank is not None)

    def __iter__(self) -> Iterator[RankedCandidate]:
        return iter(self.candidates)

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, place: int) -> RankedCandidate:
        return self.candidates[place]
