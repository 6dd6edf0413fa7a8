"""Sources as the sentences that an extract can be made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from embedkit.chunking.borders import IDEOGRAPH
from embedkit.ranking.words import count_words
from embedkit.sentences import sentences

LONGEST = 120
"""Words of the longest sentence; what goes on longer has no full stops and is cut."""
PIECE = 40
"""Words of the pieces that it is cut into where it has no lines either."""
WIDEST = 2000
"""Characters that are taken as one word at most: data in one line has no blanks."""

_WORD = re.compile(rf"[{IDEOGRAPH}]|[^\s{IDEOGRAPH}]+")
_SPOKEN = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence of a source, or a piece of what is too long to be one.

    Attributes
    ----------
    text : str
        As it stands in the source.
    source : int
        Which of the sources.
    words : int
    whole : bool
        False where it was cut in the middle.
    glued : bool
        Whether no blank stood before it, as in Chinese and Japanese.
    """

    text: str
    source: int
    words: int
    whole: bool = True
    glued: bool = False


def units_of(sources: Sequence[str]) -> list[Unit]:
    """Return the sentences of all sources in order, without those that hold no letter or digit."""
    found: list[Unit] = []
    for number, source in enumerate(sources):
        end = -1
        for sentence in sentences(source):
            if _SPOKEN.search(sentence.text):
                found += _units(sentence.text, number, glued=sentence.start == end)
            end = sentence.end
    return found


def _units(text: str, source: int, *, glued: bool) -> list[Unit]:
    words = count_words(text)
    if words <= LONGEST and len(text) <= WIDEST:
        return [Unit(text, source, words, True, glued)]
    lines = [line.strip() for line in text.splitlines() if _SPOKEN.search(line)]
    if len(lines) > 1:
        return [unit for line in lines for unit in _units(line, source, glued=False)]
    return [Unit(piece, source, count_words(piece), False) for piece in _pieces(text)]


def _pieces(text: str) -> list[str]:
    """Cut a text without sentences or lines between words."""
    pieces: list[str] = []
    start = end = taken = 0
    for match in _WORD.finditer(text):
        if taken and (taken >= PIECE or match.end() - start > WIDEST):
            pieces.append(text[start:end])
            start, taken = match.start(), 0
        end, taken = match.end(), taken + 1
    pieces.append(text[start:end])
    return [piece[i : i + WIDEST] for piece in pieces for i in range(0, len(piece), WIDEST)]
