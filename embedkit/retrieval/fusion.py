"""One list of two: candidates found by meaning and by words, fused.

A fusion is named by a spec: ``weighted``, ``weighted?dense=0.7&norm=minmax``, ``rrf``,
``rrf?k=20&dense=0.6``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.registry import Spec
from embedkit.types import Neighbors

if TYPE_CHECKING:
    from embedkit.types import Keys, Scores, Vectors

DEFAULT = "weighted"
COVERED = 0.7
"""Share of a query's terms, by their idf, that a text need not hold more of: few texts hold all."""
NORMS = ("z", "minmax")
Missing = Callable[[int, "Keys"], "Scores"]
"""The exact dense scores of some rows for a query, by its number."""


class Fusion(Protocol):
    """What scores candidates that two lists brought."""

    def parts(self, lists: Lists) -> tuple[Scores, Scores]:
        """Return what each list adds to the score of each candidate, each of shape (m,)."""
        ...


@dataclass(frozen=True, slots=True)
class Lists:
    """The candidates of one query, m different rows, and what is known of each.

    Attributes
    ----------
    rows : int64 array, shape (m,)
    dense, lexical : float64 array, shape (m,)
        Scores; nan where a list does not have the row and nobody can tell its score.
    dense_rank, lexical_rank : int64 array, shape (m,)
        Places from 1; 0 where a list does not have the row.
    mass : float or None
        The BM25 of a text that holds all that the query asks for; None where nobody can tell.
    """

    rows: Keys
    dense: Any
    lexical: Any
    dense_rank: Keys
    lexical_rank: Keys
    mass: float | None = None


@dataclass(frozen=True, slots=True)
class Fused:
    """The fused candidates of each query, best first, and where their scores come from.

    Attributes
    ----------
    keys : int64 array, shape (n_queries, n)
        Rows, -1 in empty cells.
    scores : float32 array, shape (n_queries, n)
        ``-inf`` in empty cells. Equal ones are ordered by dense score, then by key.
    dense, lexical : float32 array, shape (n_queries, n)
        Similarity and BM25; nan where it is not known, of BM25 where no word is shared.
    dense_rank, lexical_rank : int64 array, shape (n_queries, n)
        Place in each list, from 1; 0 where it is not in it.
    dense_part, lexical_part : float32 array, shape (n_queries, n)
        What each list adds to the score.
    """

    keys: Keys
    scores: Vectors
    dense: Vectors
    lexical: Vectors
    dense_rank: Keys
    lexical_rank: Keys
    dense_part: Vectors
    lexical_part: Vectors

    @property
    def neighbors(self) -> Neighbors:
        """The rows and their scores only."""
        return Neighbors(self.keys, self.scores)


@dataclass(frozen=True, slots=True)
class ReciprocalRank:
    """The weighted sum of 1 / (k + rank) over the lists; a list without the row adds nothing.

    Parameters
    ----------
    k : float, > 0
        The larger, the less the first places stand out.
    dense : float, 0 to 1
        The weight of the dense list; the lexical one has the rest.

    Source
    ------
    Cormack, Clarke, Büttcher: Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank
    Learning Methods, SIGIR 2009.
    """

    k: float = 60.0
    dense: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.k < float("inf"):
            raise InvalidInputError(f"expected k > 0 for rrf, got {self.k}")
        _check_share(self.dense, "rrf")

    def parts(self, lists: Lists) -> tuple[Scores, Scores]:
        """Return what each list adds to the score of each candidate."""
        return (
            self._part(lists.dense_rank, self.dense),
            self._part(lists.lexical_rank, 1 - self.dense),
        )

    def _part(self, ranks: Keys, weight: float) -> Scores:
        return np.where(ranks > 0, weight / (self.k + ranks), 0.0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Weighted:
    """The weighted sum of the scores, each list's first brought to a common scale.

    ``z``: how many standard deviations a score is above the mean of its list. A text that shares
    no word with the query has the BM25 0 and fills the lexical list up to the length of the dense
    one; so a code that few texts hold stands out by far, and words that all hold count for little.
    Where no text holds much of what the query asks for, its words are chance and count the less.
    ``minmax``: similarities from 0, the last of the list, to 1, the best; BM25 divided by the best.
    A row that only the lexical list has falls below the dense list's least by either.

    Parameters
    ----------
    dense : float, 0 to 1
        The weight of the dense list; the lexical one has the rest.
    norm : {"z", "minmax"}

    Source
    ------
    Bruch, Gai, Ingber: An Analysis of Fusion Functions for Hybrid Retrieval, ACM Transactions on
    Information Systems 42(1), 2023: convex combinations, their normalisations, 0 as the least of
    BM25. Filling up with zeros is ours, and so is the share of the query that counts.
    """

    dense: float = 0.5
    norm: Literal["z", "minmax"] = "z"

    def __post_init__(self) -> None:
        _check_share(self.dense, "weighted")
        if self.norm not in NORMS:
            raise InvalidInputError(
                f"weighted: expected norm to be one of {', '.join(NORMS)}, got {self.norm!r}"
            )

    def parts(self, lists: Lists) -> tuple[Scores, Scores]:
        """Return what each list adds to the score of each candidate."""
        near = lists.dense[lists.dense_rank > 0]
        words = lists.lexical[lists.lexical_rank > 0]
        words = np.pad(words, (0, max(0, len(near) - len(words))))
        least = near.min() if len(near) else 0.0
        similar = np.where(np.isnan(lists.dense), least, lists.dense)
        shared = np.nan_to_num(lists.lexical, nan=0.0)
        if self.norm == "minmax":
            similar = _scaled(similar, near.min(initial=np.inf), near.max(initial=-np.inf))
            shared = _scaled(shared, 0.0, words.max(initial=0.0))
        else:
            similar = _deviations(similar, near)
            shared = _deviations(shared, words) * _covered(words, lists.mass)
        dense, lexical = self.dense * similar, (1 - self.dense) * shared
        return dense.astype(np.float32), lexical.astype(np.float32)


def _covered(words: Any, mass: float | None) -> float:
    """Return how much of the query the best text holds, from 0 to 1, with ``COVERED`` as all."""
    if not mass:
        return 1.0
    return float(min(1.0, words.max(initial=0.0) / (COVERED * mass)))


def _scaled(scores: Any, low: float, high: float) -> Any:
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def _deviations(scores: Any, listed: Any) -> Any:
    if not len(listed):
        return np.zeros_like(scores)
    spread = float(listed.std())
    # Scores that are all but equal differ by rounding alone.
    least = 1e-6 * max(1.0, float(np.abs(listed).max()))
    return (scores - listed.mean()) / spread if spread > least else np.zeros_like(scores)


KINDS: dict[str, type[ReciprocalRank | Weighted]] = {"rrf": ReciprocalRank, "weighted": Weighted}


def _check_share(dense: float, name: str) -> None:
    if not 0 <= dense <= 1:
        raise InvalidInputError(f"expected dense from 0 to 1 for {name}, got {dense}")


def parse(spec: str | None) -> Fusion:
    """Return the fusion that a spec names; None is the default.

    Raises
    ------
    InvalidInputError
        There is no such fusion or option; the nearest name is offered.
    """
    parsed = Spec.parse(DEFAULT if spec is None else spec)
    kind = KINDS.get(parsed.name)
    if kind is None or parsed.argument is not None:
        raise InvalidInputError(
            f"expected a fusion of {', '.join(KINDS)}, got {spec!r}", do=_nearest(spec, KINDS)
        )
    known = [field.name for field in fields(kind)]
    options: dict[str, Any] = {}
    for name, value in parsed.options.items():
        if name not in known:
            raise InvalidInputError(
                f"the fusion {parsed.name} has no option {name!r}", do=_nearest(name, known)
            )
        if name == "norm":
            options[name] = value
            continue
        try:
            options[name] = float(value)
        except ValueError:
            raise InvalidInputError(
                f"{parsed.name}: expected a number for {name}, got {value!r}"
            ) from None
    return kind(**options)


def _nearest(name: str | None, known: Any) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"


def fuse(
    dense: Neighbors,
    lexical: Neighbors,
    n: int,
    fusion: Fusion,
    missing: Missing | None = None,
    masses: Sequence[float] | None = None,
) -> Fused:
    """Fuse two lists of candidates for each query.

    Parameters
    ----------
    dense, lexical : Neighbors
        For the same queries, of any two widths.
    n : int
        How many are returned.
    fusion : Fusion
    missing : callable, optional
        Scores the rows of the lexical list that the dense one does not have, exactly; without it
        they count as the last of that list.
    masses : sequence of float, optional
        For each query, the BM25 of a text that holds all that it asks for.
    """
    queries = len(dense.keys)
    if len(lexical.keys) != queries:
        raise InvalidInputError(
            f"expected two lists of as many queries, got {queries} and {len(lexical.keys)}"
        )
    out = _empty(queries, n)
    for query in range(queries):
        mass = None if masses is None else masses[query]
        lists = _lists(dense, lexical, query, missing, mass)
        near, shared = fusion.parts(lists)
        scores = near + shared
        order = np.lexsort((lists.rows, -np.nan_to_num(lists.dense, nan=-np.inf), -scores))[:n]
        columns = (
            lists.rows,
            scores,
            lists.dense,
            lists.lexical,
            lists.dense_rank,
            lists.lexical_rank,
            near,
            shared,
        )
        for field, column in zip(fields(out), columns, strict=True):
            getattr(out, field.name)[query, : len(order)] = column[order]
    return out


def _empty(queries: int, n: int) -> Fused:
    def filled(value: float, kind: Any) -> Any:
        return np.full((queries, n), value, kind)

    numbers, ranks = np.float32, np.int64
    return Fused(
        filled(-1, ranks),
        filled(-np.inf, numbers),
        filled(np.nan, numbers),
        filled(np.nan, numbers),
        filled(0, ranks),
        filled(0, ranks),
        filled(0, numbers),
        filled(0, numbers),
    )


def _lists(
    dense: Neighbors, lexical: Neighbors, query: int, missing: Missing | None, mass: float | None
) -> Lists:
    """Return the rows of both lists, each once, with what is known of it."""
    near, words = dense.keys[query], lexical.keys[query]
    near, words = near[near >= 0], words[words >= 0]
    rows = np.union1d(near, words)
    similar, shared = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    dense_rank, lexical_rank = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    at = np.searchsorted(rows, near)
    similar[at], dense_rank[at] = dense.scores[query, : len(near)], np.arange(1, len(near) + 1)
    at = np.searchsorted(rows, words)
    shared[at], lexical_rank[at] = lexical.scores[query, : len(words)], np.arange(1, len(words) + 1)
    unknown = np.flatnonzero(dense_rank == 0)
    if missing is not None and len(unknown):
        similar[unknown] = missing(query, rows[unknown])
    return Lists(rows, similar, shared, dense_rank, lexical_rank, mass)
