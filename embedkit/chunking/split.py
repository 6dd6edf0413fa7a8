"""Cut a text into passages, from its beginning on, each as long as its borders allow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embedkit.chunking.borders import Borders, find_borders

if TYPE_CHECKING:
    from embedkit.types import Keys

PARAGRAPH_SHARE = 0.5
"""How full a passage must be to end with a paragraph that ends, though more would fit."""
SENTENCE_SHARE = 0.25
"""How full it must be to end with a sentence; a sentence longer than the rest is parted."""


class Span(NamedTuple):
    """A passage as a stretch of its text, in characters, and its tokens."""

    start: int
    stop: int
    tokens: int


def split(
    text: str,
    starts: Keys,
    budget: int,
    overlap: int = 0,
    count: Callable[[str], int] | None = None,
) -> list[Span]:
    """Return the passages of a text, in order, at least one.

    Together they cover every character. A cut depends only on what comes before it and on the next
    ``budget`` tokens, so text that is added at the end leaves the earlier passages as they were,
    and after a change in the middle the cuts soon fall on the same paragraphs again.

    Parameters
    ----------
    text : str
    starts : int64 array, shape (n_tokens,)
        Where each token of the text begins, ascending.
    budget : int, >= 1
        Tokens of a passage, at most; more only where a single character has more.
    overlap : int, >= 0, < budget
        Tokens at the end of a passage that the next one repeats, at most: as many as whole
        sentences or words have.
    count : callable, optional
        Tokens of a stretch taken by itself, where that may be more than it has within the text.
    """
    return list(_Splitter(text, starts, budget, overlap, count).spans())


class _Splitter:
    def __init__(
        self,
        text: str,
        starts: Keys,
        budget: int,
        overlap: int,
        count: Callable[[str], int] | None,
    ) -> None:
        self.text = text
        self.starts = starts
        self.budget = budget
        self.overlap = overlap
        self.count = count
        # One that fits as a whole needs no borders.
        self.borders = find_borders(text) if len(starts) > budget // 2 else None

    def spans(self) -> list[Span]:
        found: list[Span] = []
        start = stop = 0
        while True:
            stop, tokens = self._stop(start, stop)
            found.append(Span(start, stop, tokens))
            if stop == len(self.text):
                return found
            start = self._next_start(start, stop)

    def _cost(self, place: int) -> int:
        """Return how many tokens begin before a position."""
        return int(np.searchsorted(self.starts, place, "left"))

    def _stop(self, start: int, previous: int) -> tuple[int, int]:
        """Return where the passage from ``start`` ends, and its tokens.

        Parameters
        ----------
        previous : int
            Where the passage before ends: this one must go beyond.
        """
        budget = self.budget
        while True:
            stop = self._cut(start, previous, budget)
            tokens = self._cost(stop) - self._cost(start)
            if self.count is not None:
                tokens = self.count(self.text[start:stop])
            excess = tokens - self.budget
            if excess <= 0 or budget <= self.overlap + 1:
                return stop, tokens
            budget = max(budget - excess, self.overlap + 1)

    def _cut(self, start: int, previous: int, budget: int) -> int:
        before = self._cost(start)
        if before + budget >= len(self.starts):
            return len(self.text)
        least = max(previous, int(self.starts[before + self.overlap]))
        limit = max(int(self.starts[before + budget]), least + 1)
        borders = self._borders
        for places, share in (
            (borders.paragraphs, PARAGRAPH_SHARE),
            (borders.sentences, SENTENCE_SHARE),
            (borders.lines, SENTENCE_SHARE),
            (borders.words, 0.0),
            (borders.signs, 0.0),
        ):
            enough = before + max(math.ceil(share * budget) - 1, 0)
            place = _last(places, max(least, int(self.starts[enough])), limit)
            if place is not None:
                return place
        return limit

    @property
    def _borders(self) -> Borders:
        if self.borders is None:
            self.borders = find_borders(self.text)
        return self.borders

    def _next_start(self, start: int, stop: int) -> int:
        """Return where the passage after text[start:stop] begins: there, or ``overlap`` before."""
        end = self._cost(stop)
        first = end - self.overlap
        if not self.overlap or first <= 0:
            return stop
        least = max(int(self.starts[first - 1]), start)
        borders = self._borders
        half = int(self.starts[end - max(self.overlap // 2, 1)])
        place = _first(borders.sentences, least, half + 1)
        for places in (borders.words, borders.signs):
            place = place if place is not None else _first(places, least, stop)
        if place is None:
            place = int(self.starts[first])
        return place if least < place < stop else stop


def _last(places: Keys, after: int, until: int) -> int | None:
    """Return the last position > after and <= until."""
    found = int(np.searchsorted(places, until, "right")) - 1
    return int(places[found]) if found >= 0 and places[found] > after else None


def _first(places: Keys, after: int, before: int) -> int | None:
    """Return the first position > after and < before."""
    found = int(np.searchsorted(places, after, "right"))
    return int(places[found]) if found < len(places) and places[found] < before else None
