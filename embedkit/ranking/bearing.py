"""How much each sentence of some passages bears on a question.

A sentence is scored by what it shares with the question, in meaning and in words, by what the
sentence before it shares, and by whether it holds what is asked for: a name for *who*, a date for
*when*, a number for *how many*::

    similarity + WORDS * share + BEFORE * gain + KIND * (1, 0 or -1)

``share`` is the share of the question's words that it holds, each weighed by its idf among the
sentences; ``gain`` is what the sentence before adds to that, since a text that has named its
subject goes on with *it*. A question is no answer: what follows one in the source takes its place.

The weights are round numbers near the best for the questions of ``benchmarks/asking.py``; half or
twice any of them changes the share of right sentences by a per cent or less.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from embedkit.lexical import words as lexical

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS = 0.7
BEFORE = 0.2
KIND = 0.1
ANSWERED = 0.9
"""What the first sentence after a question in the source has of the score of that question."""

_NUMBER = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty"
    r"|dozens?|hundreds?|thousands?|millions?|billions?|half|third|quarter|twice|once)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b1\d{3}s?\b|\b20\d\ds?\b|\d\d?:\d\d|\b\d\d?(?:st|nd|rd|th)\b|\bnoon\b|\bmidnight\b"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|century|centuries|decades?|days?|weeks?|months?"
    r"|years?|spring|summer|autumn|winter)\b"
)
_NAME = re.compile(r"(?<=[\w,;:)] )[A-Z][\w'’-]*|^[A-Z][\w'’-]*(?= [A-Z])|\b[A-Z]{2,}\b")
_HOW_MANY = re.compile(
    r"\bhow (?:many|much|long|far|old|tall|large|big|high|often|fast|deep|wide|heavy)\b"
    r"|\b(?:what|which) (?:percent|percentage|number|amount|proportion|share|fraction|price)\b",
    re.IGNORECASE,
)
_WHEN = re.compile(
    r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b", re.IGNORECASE
)
_WHO = re.compile(
    r"\bwho(?:m|se)?\b|\bwhere\b|\b(?:what|which) (?:city|country|state|place|town|region|company"
    r"|person|university|school|team|street|river|island)\b",
    re.IGNORECASE,
)
_ASKING = re.compile(r"[?？؟][\"'”’»)\]*\s]*$")


class Placed(Protocol):
    """A sentence, and which of several sources it is of."""

    @property
    def text(self) -> str:
        """What it says."""

    @property
    def source(self) -> int:
        """The number of its source."""


def bearing(
    units: Sequence[Placed], question: str, similarity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much each sentence bears on a question, larger is more.

    Parameters
    ----------
    units : sequence of Placed, length n
        The sentences of all passages, in order.
    similarity : float64 array, shape (n,)
        Of their vectors with the question's.

    Returns
    -------
    float64 array, shape (n,)
        ``-inf`` for what is itself a question, unless all of them are.
    """
    asks = np.array([bool(_ASKING.search(unit.text)) for unit in units])
    asks &= not asks.all()
    share, gain = _shares(units, question)
    kinds = np.array([fits(question, unit.text) for unit in units])
    scores = similarity + WORDS * share + BEFORE * gain + KIND * kinds
    for i in range(len(units) - 1):
        if asks[i] and not asks[i + 1] and units[i].source == units[i + 1].source:
            scores[i + 1] = max(scores[i + 1], ANSWERED * scores[i])
    return np.where(asks, -np.inf, scores)


def _shares(
    units: Sequence[Placed], question: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of the question's words in each, and what the sentence before adds."""
    asked = AskedWords(question, [unit.text for unit in units])
    share = np.array([asked.share(terms) for terms in asked.held])
    gain = np.zeros(len(units))
    for i in range(1, len(units)):
        if units[i].source == units[i - 1].source:
            gain[i] = asked.share(asked.held[i] | asked.held[i - 1]) - share[i]
    return share, gain


class AskedWords:
    """The words of a question, each weighed by its idf among some sentences.

    Words that none of the sentences holds count nothing.

    Attributes
    ----------
    held : list of frozenset of str
        The terms of each sentence.
    """

    def __init__(self, question: str, texts: Sequence[str]) -> None:
        self._analyzer = lexical.analyzer()
        self.held = [self.terms(text) for text in texts]
        n, among = len(self.held), Counter(term for each in self.held for term in each)
        self._weights = {
            term: times * math.log1p((n - among[term] + 0.5) / (among[term] + 0.5))
            for term, times in lexical.asked(question, self._analyzer).terms.items()
            if among[term]
        }

    def terms(self, text: str) -> frozenset[str]:
        """Return the different terms of a text."""
        return frozenset(self._analyzer.analyze(lexical.cut(text)))

    def share(self, held: Iterable[str]) -> float:
        """Return the share of the words, by weight, that are among some terms; from 0 to 1."""
        whole = sum(self._weights.values())
        return sum(self._weights.get(term, 0.0) for term in held) / whole if whole else 0.0


def fits(question: str, text: str) -> int:
    """Return 1 where a text holds the kind of thing that is asked for, -1 where not, else 0.

    Of English questions only: who and where ask for a name that the question does not hold, when
    for a date, how many for a number.

    Examples
    --------
    >>> fits("How many bridges are there?", "There are 12 of them.")
    1
    """
    if _HOW_MANY.search(question):
        return 1 if _NUMBER.search(text) else -1
    if _WHEN.search(question):
        return 1 if _DATE.search(text) else -1
    if _WHO.search(question):
        known = question.lower()
        return 1 if any(name[0].lower() not in known for name in _NAME.finditer(text)) else -1
    return 0
