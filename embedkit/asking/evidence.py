"""How much a text bears on a question: by its meaning and by the question's words, as one number.

Neither is enough by itself. A text may be near in meaning and about another thing, and it may hold
the words and say nothing of what is asked. As log-odds the two add up::

    odds = calibration(similarity) + COVERAGE * (coverage - MIDDLE)

The first term is the collection's own calibration of similarities
(:mod:`embedkit.retrieval.calibration`); coverage is the share of the question's words that the text
holds, each weighed by its idf in the collection, so that a name nobody there has heard of counts
most. Measured in ``benchmarks/asking.py``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedkit.lexical import words

if TYPE_CHECKING:
    import tantivy

    from embedkit.lexical.index import LexicalIndex
    from embedkit.retrieval.calibration import Calibration

COVERAGE = 10.0
"""What full coverage adds to the log-odds over none."""
MIDDLE = 0.45
"""The coverage that speaks neither for a text nor against it."""
FOREIGN = 0.5
"""Share of a question's words, below which they are taken for another language's than the
collection's: what it does not hold of them says nothing."""


@dataclass(frozen=True)
class Question:
    """What of a question the words of a text are compared with.

    Attributes
    ----------
    weights : mapping of str to float
        Its terms, and what each tells.
    alike : mapping of str to tuple of str
        For a term that no text holds, those that it may have been meant to be.
    known : float
        Share of its different terms that any text of the collection holds.
    calibration : Calibration or None
        None where the collection is too small to tell, or no model is asked.
    """

    weights: Mapping[str, float]
    alike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: float = 1.0
    calibration: Calibration | None = None

    @classmethod
    def of(cls, text: str, index: LexicalIndex, calibration: Calibration | None = None) -> Question:
        """Weigh the words of a question by what a collection holds."""
        weights = index.weights(text)
        asked = index.asked(text)
        held = len(asked.terms) + len(asked.alike)
        known = min(1.0, held / len(weights)) if weights else 0.0
        return cls(weights, asked.alike, known, calibration)

    def coverage(self, terms: Iterable[str]) -> float:
        """Return the share of its words that a text of these terms holds, from 0 to 1."""
        held = frozenset(terms)
        whole = sum(self.weights.values())
        return sum(map(self.weights.__getitem__, self.shared(held))) / whole if whole else 0.0

    def shared(self, held: frozenset[str]) -> list[str]:
        """Return those of its terms that are among these, or are one slip from one of them."""
        return [
            term
            for term in self.weights
            if term in held or not held.isdisjoint(self.alike.get(term, ()))
        ]

    def odds(self, similarity: float | None, coverage: float) -> float:
        """Return the log-odds that a text bears on it.

        Parameters
        ----------
        similarity : float or None
            Of the vectors; None where there are none.
        coverage : float
            From 0 to 1.
        """
        by_words = COVERAGE * (coverage - MIDDLE)
        if self.calibration is None or similarity is None:
            return by_words
        by_meaning = self.calibration.slope * similarity + self.calibration.intercept
        return by_meaning if self.known < FOREIGN else by_meaning + by_words


def probability(odds: float) -> float:
    """Return log-odds as a probability."""
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, odds))))


def terms_of(text: str) -> frozenset[str]:
    """Return the different terms of a text, as the index of words has them."""
    return frozenset(_analyzer().analyze(words.cut(text)))


@functools.cache
def _analyzer() -> tantivy.TextAnalyzer:
    return words.analyzer()
