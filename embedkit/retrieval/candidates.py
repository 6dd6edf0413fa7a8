"""Which vector rows are candidates for a query: by meaning, by words, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedkit.types import Why

if TYPE_CHECKING:
    from embedkit.retrieval.fusion import Fused
    from embedkit.retrieval.options import Wanted
    from embedkit.store.view import View
    from embedkit.types import Keys, Mask, Scores, SearchPlan, Vectors

LEXICAL = "bm25"
"""The kind of the scores of words."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The queries of one pass, as vectors, as texts or as both, and what is no answer to them.

    Attributes
    ----------
    vectors : float32 array, shape (n, dim), or None
    texts : sequence of str, n of them, or None
    without : frozenset of str
        Ids of records that are left out: the examples of a search by example.
    """

    vectors: Vectors | None = None
    texts: Sequence[str] | None = None
    without: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.texts if self.vectors is None else self.vectors)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates of each query, best first.

    Attributes
    ----------
    rows : int64 array, shape (n_queries, m)
        Vector rows, -1 in empty cells.
    scores : float32 array, shape (n_queries, m)
    kind : str
        What the scores are.
    plan : SearchPlan or None
        How the nearest vectors were found, where they were.
    fused : Fused or None
        What each of two lists says of them, where there were two.
    """

    rows: Keys
    scores: Scores
    kind: str
    plan: SearchPlan | None = None
    fused: Fused | None = None

    def why(self, query: int, place: int) -> Why:
        """Explain a candidate by its place."""
        at = query, place
        score = float(self.scores[at])
        if self.fused is not None:
            return Why(
                _told(self.fused.dense[at]),
                int(self.fused.dense_rank[at]) or None,
                _told(self.fused.lexical[at]),
                int(self.fused.lexical_rank[at]) or None,
            )
        if self.kind == LEXICAL:
            return Why(lexical=score, lexical_rank=place + 1)
        return Why(dense=score, dense_rank=place + 1)


def _told(score: float) -> float | None:
    return None if score != score else float(score)


def rank(view: View, asked: Asked, wanted: Wanted, n: int, allow: Mask | None) -> Ranked:
    """Return n candidates of each query, as far as there are so many.

    Raises
    ------
    InvalidInputError
        The fusion is none.
    """
    if wanted.mode == "lexical":
        assert asked.texts is not None
        words = view.lexical.search(asked.texts, n, allow=allow)
        return Ranked(words.keys, words.scores, LEXICAL)
    assert asked.vectors is not None
    if wanted.mode == "dense":
        near = view.index.search(asked.vectors, n, allow=allow)
        return Ranked(near.keys, near.scores, view.manifest.metric, near.plan)
    from embedkit.retrieval.hybrid import depth, hybrid_search

    assert asked.texts is not None
    near = view.index.search(asked.vectors, depth(n), allow=allow)
    fused = hybrid_search(
        view, asked.texts, asked.vectors, n, allow=allow, fusion=wanted.fusion, dense=near
    )
    return Ranked(fused.keys, fused.scores, "fused", near.plan, fused)
