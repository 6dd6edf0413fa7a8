"""What comes of summarizing a text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from embedkit.types.ranking import RankedCandidate, Ranking


@dataclass(frozen=True, slots=True)
class Summary:
    """The best summary of a text, with all that it was chosen from.

    Attributes
    ----------
    ranking : Ranking
        All candidates: those that passed, best first; then the others with what is wrong with them.
    notes : tuple of str
        What a person should know: how a long text was read, whose candidates failed.
    """

    ranking: Ranking
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> RankedCandidate | None:
        """The best candidate that passed; None where none did."""
        return self.ranking.best

    @property
    def text(self) -> str:
        """What the best candidate says; empty where none passed."""
        best = self.best
        return "" if best is None else best.text

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values: ``summary`` is None where no candidate passed."""
        best = self.best
        return {
            "summary": None if best is None else best.text,
            "generator": None if best is None else best.generator,
            "score": None if best is None else _number(best.score),
            "candidates": [_candidate(each) for each in self.ranking],
            "notes": list(self.notes),
        }


def _candidate(each: RankedCandidate) -> dict[str, Any]:
    return {
        "rank": each.rank,
        "place": each.place,
        "text": each.text,
        "generator": each.generator,
        "score": _number(each.score),
        "scores": {name: _number(value) for name, value in each.scores.items()},
        "rejections": [
            {"filter": rejection.filter, "reason": rejection.reason}
            for rejection in each.rejections
        ],
        "merged_into": each.merged_into,
        "finish_reason": each.candidate.finish_reason,
    }


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
