"""The pieces of a record that a question is compared with: whole sentences, up to a size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.chunking.split import split
from embedkit.managed.tokens import estimate_offsets
from embedkit.sentences import sentences

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.types import Keys, Vectors

ENDLESS = 4
"""A sentence of more than so many pieces is none: it is cut between words."""
EXACT = 100_000
"""Characters up to which tokens are counted by the model's own tokenizer, and not estimated."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a record's text.

    Attributes
    ----------
    start, stop : int
        ``text[start:stop]``, in characters.
    text : str
    vector : float32 array, shape (dim,), or None
        Where it is known already.
    """

    start: int
    stop: int
    text: str
    vector: Vectors | None = None


def cut(text: str, tokens: int, embedder: Embedder | None = None) -> list[Piece]:
    """Return the pieces of a text in order, each of whole sentences, without the blanks between.

    Parameters
    ----------
    text : str
    tokens : int, >= 1
        What a piece may have at most; a sentence that alone has more is a piece of its own.
    embedder : Embedder, optional
        Whose tokens are counted; they are estimated where it does not tell them.
    """
    starts = _starts(text, embedder)
    pieces: list[Piece] = []
    first = last = 0
    for start, stop in _sentences(text, starts, tokens):
        if pieces and _count(starts, first, stop) <= tokens:
            last = stop
            pieces[-1] = Piece(first, last, text[first:last])
        else:
            first, last = start, stop
            pieces.append(Piece(first, last, text[first:last]))
    return pieces


def _sentences(text: str, starts: Keys, tokens: int) -> Iterator[tuple[int, int]]:
    """Yield where each sentence is; what is too long for one is cut between words."""
    for sentence in sentences(text):
        if _count(starts, sentence.start, sentence.end) <= ENDLESS * tokens:
            yield sentence.start, sentence.end
            continue
        inside = starts[(starts >= sentence.start) & (starts < sentence.end)] - sentence.start
        for span in split(sentence.text, inside, tokens):
            part = sentence.text[span.start : span.stop]
            at = sentence.start + span.start + len(part) - len(part.lstrip())
            if part.strip():
                yield at, at + len(part.strip())


def _count(starts: Keys, start: int, stop: int) -> int:
    return int(np.searchsorted(starts, stop) - np.searchsorted(starts, start))


def _starts(text: str, embedder: Embedder | None) -> Keys:
    """Return where each token begins."""
    reader: Any = getattr(embedder, "inner", embedder)  # without the cache before it
    if hasattr(reader, "token_offsets") and len(text) <= EXACT:
        found: Keys = reader.token_offsets([text])[0]
        return found
    return estimate_offsets(text)


def whole_sentences(text: str, start: int, stop: int, most: int) -> tuple[int, int]:
    """Widen a stretch of a text to whole sentences.

    Parameters
    ----------
    most : int
        Characters that may be added at either end; where a sentence goes on for longer, the stretch
        ends where it did.
    """
    low, high = max(0, start - most), min(len(text), stop + most)
    first, last = start, stop
    found = sentences(text[low:high])
    for place, sentence in enumerate(found):
        begins, ends = low + sentence.start, low + sentence.end
        # Of the window's first and last sentence perhaps only a part is in it.
        if begins < start < ends and (place or not low):
            first = begins
        if begins < stop < ends and (place + 1 < len(found) or high == len(text)):
            last = ends
    return first, last


def joined(spans: Sequence[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    """Return the spans of a text in order; those with nothing but blanks between are made one."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if found and not text[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found
