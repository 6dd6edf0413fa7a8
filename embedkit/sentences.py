"""A text as its sentences: what summaries are made of and checked by."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from embedkit.chunking.borders import find_borders


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and where it stands: ``text == whole[start:end]``, without blanks around."""

    text: str
    start: int
    end: int


def sentences(text: str) -> list[Sentence]:
    """Return the sentences of a text in order, none of them empty.

    Lines end a sentence too where a paragraph ends; what ends without a full stop, such as a
    heading, is a sentence of its own only where a blank line follows it.

    Examples
    --------
    >>> [s.text for s in sentences("Dr. No came. He left!")]
    ['Dr. No came.', 'He left!']
    """
    found = []
    places = [0, *map(int, find_borders(text).sentences), len(text)]
    for start, end in pairwise(places):
        told = text[start:end]
        body = told.strip()
        if body:
            at = start + len(told) - len(told.lstrip())
            found.append(Sentence(body, at, at + len(body)))
    return found
