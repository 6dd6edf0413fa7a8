"""What a search returns: hits, why they are hits, and how they were found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from embedkit.types.words import Strategy, Value

if TYPE_CHECKING:
    from embedkit.types.words import Keys, Vectors


@dataclass(frozen=True, slots=True)
class WordShare:
    """What a word contributes to a score.

    To a similarity: how far it falls when the text is embedded without the word; negative where the
    text would be nearer without it.
    """

    word: str
    share: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why a record is a hit.

    Attributes
    ----------
    dense : float or None
        Similarity of its vector with the query's; None where it was not asked for.
    dense_rank, lexical_rank : int or None
        Its place in each list, from 1; None where it is not in it.
    lexical : float or None
        BM25 of its words with the query's; None where none of them is in it.
    terms : tuple of WordShare
        The terms of the query that it holds, and what each adds to that, those of most first.
    words : tuple of WordShare
        The words of its text that carry the similarity, those that carry most first.
    """

    dense: float | None = None
    dense_rank: int | None = None
    lexical: float | None = None
    lexical_rank: int | None = None
    terms: tuple[WordShare, ...] = ()
    words: tuple[WordShare, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """One of the parts that a long text is cut into.

    Attributes
    ----------
    part, parts : int
        Which of how many it is, from 1.
    start, stop : int
        Where it is in the text of its record, in characters: ``text[start:stop]``.
    text : str
    continuation : str
        What follows it, up to the end of the following passage; empty after the last one.
    """

    part: int
    parts: int
    start: int
    stop: int
    text: str
    continuation: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result. Ranks start at 1; a larger score is better."""

    rank: int
    id: str
    score: float
    text: str
    metadata: Mapping[str, Value] = field(default_factory=dict)
    kind: str = "cosine"
    """What the score is: the metric of the collection, ``bm25``, ``fused`` or ``reranked``."""
    confidence: float | None = None
    """Probability that it is relevant; None where that was not asked for."""
    why: Why | None = None
    """None where no explanation was asked for."""
    passage: Passage | None = None
    """The part of the text that answers best; None where the text is not cut into passages."""

    @property
    def best_text(self) -> str:
        """What of the text answers best: the passage, or all of it where it is not cut."""
        return self.text if self.passage is None else self.passage.text

    def to_dict(self) -> dict[str, Any]:
        """Return the hit as plain values, in the order of its fields, without what is None."""
        optional = ("confidence", "why", "passage")
        return {k: v for k, v in asdict(self).items() if k not in optional or v is not None}


class Hits(list[Hit]):
    """The hits of one query, best first.

    Attributes
    ----------
    plan : SearchPlan or None
        How they were found.
    """

    def __init__(self, hits: Iterable[Hit] = (), plan: SearchPlan | None = None) -> None:
        super().__init__(hits)
        self.plan = plan


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How a search was carried out.

    Attributes
    ----------
    strategy : str
        ``gather``: the matching rows were picked out and scored exactly. ``scan``: all rows were
        read and scored, with a mask where some do not count. ``index``: the index proposed
        candidates. ``allow-list``: among the matching rows only. ``widen``: so many of them that
        enough match. ``none``: no row matches.
    why : str
        The reason, in one sentence.
    rows : int
        Vectors that are not deleted.
    matches : int
        Of those, the ones that the filter lets through.
    asked : int
        Candidates asked of the index for a query, at most; 0 where it was not asked.
    scored : int
        Vectors scored exactly for a query, at most.
    tail : int
        Of those, matching ones that are newer than the index, searched beside it.
    fallbacks : int
        Queries for which the index proposed too little, so that the exact search answered.
    milliseconds : mapping of str to float
        What each step took, for all queries of the search together.
    """

    strategy: Strategy
    why: str
    rows: int
    matches: int
    asked: int = 0
    scored: int = 0
    tail: int = 0
    fallbacks: int = 0
    milliseconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Matching rows among the live ones, from 0 to 1."""
        return self.matches / self.rows if self.rows else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values, in the order of its fields."""
        return asdict(self) | {"share": self.share, "milliseconds": dict(self.milliseconds)}


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The nearest vectors of each query, best first.

    Attributes
    ----------
    keys : int64 array, shape (n_queries, k)
        -1 marks an empty cell, at the end of a row that has fewer than k neighbours.
    scores : float32 array, shape (n_queries, k)
        Similarities, larger is better; ``-inf`` in empty cells. Equal scores are ordered by key.
    """

    keys: Keys
    scores: Vectors
    plan: SearchPlan | None = None
    """How they were found; None where nobody kept account."""
