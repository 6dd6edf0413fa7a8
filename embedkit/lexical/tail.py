"""BM25 over a few texts in memory: those that are newer than the index on disk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.lexical.words import Asked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys

K1, B = 1.2, 0.75
"""What tantivy takes, and does not let anyone choose."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What BM25 knows of a corpus: how many texts, their mean length, texts that hold each term."""

    texts: int
    mean: float
    holding: dict[str, int]

    def idf(self, term: str) -> float:
        """Return how much a term tells: more, the fewer texts hold it."""
        held = self.holding.get(term, 0)
        return math.log1p((self.texts - held + 0.5) / (held + 0.5))


class Tail:
    """Some texts, searched by reading their terms. Immutable.

    Parameters
    ----------
    rows : int64 array, shape (n,), ascending
    texts : sequence of sequence of str, n of them
        The terms of each, in order.
    """

    def __init__(self, rows: Keys, texts: Sequence[Sequence[str]]) -> None:
        self.rows = rows
        self.texts = texts
        self._lengths = np.fromiter(map(len, texts), np.float64, len(texts))
        self._postings: dict[str, list[tuple[int, int]]] = {}
        for i, terms in enumerate(texts):
            for term, times in Counter(terms).items():
                self._postings.setdefault(term, []).append((i, times))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def terms(self) -> Iterable[str]:
        """The vocabulary."""
        return self._postings

    @property
    def length(self) -> int:
        """Terms of all texts together."""
        return int(self._lengths.sum())

    def holding(self, term: str) -> int:
        """Return how many texts hold a term."""
        return len(self._postings.get(term, ()))

    def scores(self, asked: Asked, known: Statistics) -> NDArray[np.float64]:
        """Return the BM25 of each text, shape (n,); 0 where no term is shared."""
        out = np.zeros(len(self.rows), np.float64)
        for term, times in asked.terms.items():
            if self.holding(term):
                out += times * self._of_term(term, known)
        for alternatives in asked.alike.values():
            found = [self._of_term(term, known) for term in alternatives if self.holding(term)]
            if found:
                out += asked.ALIKE * np.max(found, axis=0)
        for phrase in asked.phrases:
            out += asked.PHRASE * self._of_phrase(phrase, known)
        return out

    def _of_term(self, term: str, known: Statistics) -> NDArray[np.float64]:
        at, times = np.array(self._postings[term], np.int64).T
        return self._weighed(at, times, known.idf(term), known.mean)

    def _of_phrase(self, phrase: tuple[str, ...], known: Statistics) -> NDArray[np.float64]:
        holders = [{i for i, _ in self._postings.get(term, ())} for term in phrase]
        there = sorted(set.intersection(*holders))
        times = np.array([_occurrences(self.texts[i], phrase) for i in there], np.int64)
        idf = sum(map(known.idf, phrase))
        return self._weighed(np.array(there, np.int64), times, idf, known.mean)

    def _weighed(self, at: Keys, times: Keys, idf: float, mean: float) -> NDArray[np.float64]:
        out = np.zeros(len(self.rows), np.float64)
        norm = K1 * (1 - B + B * self._lengths[at] / (mean or 1.0))
        out[at] = idf * (K1 + 1) * times / (times + norm)
        return out


def _occurrences(terms: Sequence[str], phrase: tuple[str, ...]) -> int:
    n = len(phrase)
    return sum(tuple(terms[i : i + n]) == phrase for i in range(len(terms) - n + 1))
