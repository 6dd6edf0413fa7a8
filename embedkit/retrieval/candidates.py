"""Which vector rows are candidates for a query: by meaning, by words, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedkit.errors import InvalidInputError
from embedkit.types import Why

if TYPE_CHECKING:
    from embedkit.retrieval.options import Wanted
    from embedkit.store.view import View
    from embedkit.types import Keys, Mask, Scores, SearchPlan, Vectors


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
    """

    rows: Keys
    scores: Scores
    kind: str
    plan: SearchPlan | None = None

    def why(self, query: int, place: int) -> Why:
        """Explain a candidate by its place."""
        score = float(self.scores[query, place])
        if self.kind == "bm25":
            return Why(lexical=score, lexical_rank=place + 1)
        return Why(dense=score, dense_rank=place + 1)


def rank(view: View, asked: Asked, wanted: Wanted, n: int, allow: Mask | None) -> Ranked:
    """Return at least n candidates of each query, as far as there are so many.

    Raises
    ------
    InvalidInputError
        The mode needs texts, and there are vectors only.
    """
    if wanted.mode != "dense" and asked.texts is None:
        raise InvalidInputError(
            f"expected a text to search by its words, got a vector with mode {wanted.mode!r}",
            do="search with mode 'dense'",
        )
    assert asked.vectors is not None
    found = view.index.search(asked.vectors, n, allow=allow)
    return Ranked(found.keys, found.scores, view.manifest.metric, found.plan)
