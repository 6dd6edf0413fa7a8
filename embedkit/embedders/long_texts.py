"""Texts of any length in bounded memory: what of a text is tokenized, and in what portions.

A model reads some hundred tokens, a text may have megabytes. Tokenizing all of it would cost more
than embedding it, so the tokens of a long text are counted up to a point and estimated beyond.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedkit.types import Keys

HEAD = 2**16
"""Characters of a text whose tokens are counted exactly, about 16,000 tokens of English."""
READ = 2**20
"""Characters of a text that are read at all in search of tokens."""
_SEARCHED = 2**10
"""Characters before a cut in which a blank is looked for."""
PORTION = 2**21
"""Characters tokenized at a time."""


def portions(texts: list[str]) -> Iterator[tuple[int, int]]:
    """Yield ranges of texts whose heads have at most PORTION characters together."""
    first = total = 0
    for i, text in enumerate(texts):
        size = min(len(text), HEAD)
        if i > first and total + size > PORTION:
            yield first, i
            first, total = i, 0
        total += size
    yield first, len(texts)


_LAST_BLANK = re.compile(r"\s(?=\S*$)")


def token_starts(texts: Sequence[str], starts: Callable[[list[str]], list[Keys]]) -> list[Keys]:
    """Return where each token of each text begins, tokenizing a long text piece by piece.

    Parameters
    ----------
    starts : callable
        Tokenizes texts of any length; returns where the tokens of each begin, ascending.
    """
    pieces = [(i, start, stop) for i, text in enumerate(texts) for start, stop in _pieces(text)]
    if not pieces:
        return []
    found: list[list[Keys]] = [[] for _ in texts]
    read = [texts[i][start:stop] for i, start, stop in pieces]
    for first, last in portions(read):
        for place, offsets in zip(range(first, last), starts(read[first:last]), strict=True):
            i, start, _ = pieces[place]
            found[i].append(_off_blanks(read[place], offsets) + start)
    return [np.concatenate(parts) for parts in found]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield a text in pieces of at most HEAD characters, cut at blanks where there are any."""
    start = 0
    while len(text) - start > HEAD:
        blank = _LAST_BLANK.search(text, start + HEAD - _SEARCHED, start + HEAD)
        stop = blank.end() if blank else start + HEAD
        yield start, stop
        start = stop
    yield start, len(text)


def _off_blanks(text: str, offsets: Keys) -> Keys:
    """Move the tokens that begin with the blank before a word to where the word begins."""
    moved = offsets.copy()
    for i, place in enumerate(offsets.tolist()):
        while place < len(text) and text[place].isspace():
            place += 1
        moved[i] = min(place, max(len(text) - 1, 0))
    return np.maximum.accumulate(moved) if len(moved) else moved


def estimate(tokens: int, part: int, whole: int, *, special: int = 2) -> int:
    """Return the tokens of a whole text, given those of its first ``part`` characters.

    Parameters
    ----------
    special : int
        How many of the tokens stand once whatever the length, as [CLS] and [SEP] do.
    """
    return tokens if whole <= part else special + round((tokens - special) * whole / part)
