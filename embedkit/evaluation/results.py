"""What an evaluation of a search tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embedkit.types import Estimate

EXAMPLES = 3
"""Ids that a note names of many."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A relevant record that a query should have found sooner.

    ``rank`` is where it was found, None where it is not among the hits at all; ``known`` is False
    where the collection has no such record.
    """

    id: str
    relevance: float
    rank: int | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class QueryScore:
    """What the search was worth for one query.

    Attributes
    ----------
    values : mapping of measure to float
    ranking : tuple of str
        Ids of the hits, best first.
    scores : tuple of float
        Their scores.
    missed : Missed or None
        The most relevant record that is not among the first ten, the best placed of several; None
        where all are.
    """

    query_id: str
    query: str
    values: Mapping[str, float]
    ranking: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    relevant: int = 0
    """How many records are judged relevant."""
    missed: Missed | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the hits."""
        return {
            "query_id": self.query_id,
            "query": self.query,
            **self.values,
            "relevant": self.relevant,
            "missed": asdict(self.missed) if self.missed else None,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one search is better than another in one measure, over the same queries.

    Attributes
    ----------
    ours, theirs : float
        Means over the n queries that both were measured by.
    difference : Estimate
        Of the first less the second, with its paired bootstrap interval.
    p_value : float
        Of the two-sided randomisation test: how often chance alone would bring a difference as
        large if the two were equal.
    wins, ties, losses : int
        Queries for which the first is better, as good, worse.
    """

    measure: str
    ours: float
    theirs: float
    difference: Estimate
    p_value: float
    wins: int
    ties: int
    losses: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SearchEvaluation:
    """How relevant the hits of a search are, by judgements of its queries.

    Attributes
    ----------
    subject : str
        What was searched, and how: ``questions, mode=hybrid``.
    k : int
        How many hits of each query were looked at.
    measures : mapping of name to Estimate
        Means over the queries with 95 % bootstrap intervals.
    queries : tuple of QueryScore
        Those that were measured by: judged, with something relevant.
    notes : tuple of str
        What was left out, and what is not as it should be.
    """

    subject: str
    k: int
    measures: Mapping[str, Estimate]
    queries: tuple[QueryScore, ...]
    unjudged: tuple[str, ...] = ()
    """Ids of queries without judgements, or none of them above 0; left out."""
    unasked: tuple[str, ...] = ()
    """Ids of judged queries that are not among those given; left out."""
    unknown: tuple[str, ...] = ()
    """Ids of judged records that the collection does not have; they count as not found."""
    notes: tuple[str, ...] = ()

    def worst(self, n: int = 5, measure: str | None = None) -> list[QueryScore]:
        """Return the queries that a measure, the first where none is named, is lowest for."""
        name = measure or next(iter(self.measures))
        return sorted(self.queries, key=lambda query: query.values[name])[:n]

    def against(self, other: SearchEvaluation, *, seed: int = 0) -> dict[str, Difference]:
        """Compare with another search of the same queries, measure by measure.

        Raises
        ------
        InvalidInputError
            They have no query in common.
        """
        from embedkit.evaluation.significance import compare

        return compare(self, other, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the single queries."""
        return {
            "subject": self.subject,
            "k": self.k,
            "queries": len(self.queries),
            "measures": {name: asdict(value) for name, value in self.measures.items()},
            "unjudged": list(self.unjudged),
            "unasked": list(self.unasked),
            "unknown": list(self.unknown),
            "notes": list(self.notes),
        }


def named(ids: Sequence[str]) -> str:
    """Return the first of some ids: ``'a', 'b', 'c' and 4 more``."""
    told = ", ".join(map(repr, ids[:EXAMPLES]))
    return told if len(ids) <= EXAMPLES else f"{told} and {len(ids) - EXAMPLES:,} more"
