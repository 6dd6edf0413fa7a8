"""Which words of a text carry what a model makes of it: those without which that changes.

Leaving out needs nothing of a model but what it says of a text, so it works for every one (Li,
Monroe and Jurafsky, "Understanding neural networks through representation erasure", 2016).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+(?:[-'’.][^\W_]+)*")
"""A word; where a script has no blanks between words, a character."""
MOST = 32
"""Different words that are left out of a text; of a longer one, those of its best parts."""
PARTS = 16
KEPT = 4
"""Parts of a longer text whose words are looked at."""

Score: TypeAlias = "Callable[[list[str]], NDArray[np.floating]]"
"""Scores texts, shape (n, width)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is left out of a text: one word wherever it stands, or a stretch."""

    name: str
    spans: tuple[tuple[int, int], ...]

    def without(self, text: str) -> str:
        """Return the text without it."""
        return without(text, self.spans)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A text with each of its words left out in turn.

    Attributes
    ----------
    pieces : tuple of Piece
        Its words, or those of the best parts of a longer text.
    whole : float array, shape (width,)
        What the text scores.
    without : float array, shape (n_pieces, width)
        What is scored without each piece.
    """

    pieces: tuple[Piece, ...]
    whole: NDArray[np.floating]
    without: NDArray[np.floating]

    @property
    def falls(self) -> NDArray[np.floating]:
        """How far the scores fall without each piece, shape (n_pieces, width)."""
        return self.whole - self.without


def leave_out(
    texts: Sequence[str], score: Score, nothing: NDArray[np.floating], *, most: int = MOST
) -> list[LeftOut]:
    """Leave each word out of each text, and score what is left.

    Of a text of more than ``most`` different words, 16 parts are left out first; of the 4 without
    which the first score falls most the words are then left out. Thus a text of any length costs
    at most ``most`` + 17 scored texts.

    Parameters
    ----------
    texts : sequence of str
    score : callable
        Takes texts, none twice and none blank, and returns shape (n, width). It is called once,
        and once before where there are long texts.
    nothing : float array, shape (width,)
        What a text without words scores.
    most : int
        Words of a text.
    """
    words = [words_of(text) for text in texts]
    long = [i for i, pieces in enumerate(words) if len(pieces) > most]
    parts = {i: _parts(texts[i]) for i in long}
    tried = _scored([(texts[i], parts[i]) for i in long], score, nothing) if long else []
    for i, left in zip(long, tried, strict=True):
        best = np.argsort(-left.falls[:, 0], kind="stable")[:KEPT]
        spans = [parts[i][j].spans[0] for j in best]
        inside = (piece for span in spans for piece in words_of(texts[i], *span))
        words[i] = _everywhere(texts[i], inside)[:most]
    return _scored(list(zip(texts, words, strict=True)), score, nothing)


def words_of(text: str, start: int = 0, stop: int | None = None) -> list[Piece]:
    """Return the different words of a stretch, in order, each with its places in it."""
    spans: dict[str, list[tuple[int, int]]] = {}
    names: dict[str, str] = {}
    for match in WORD.finditer(text, start, len(text) if stop is None else stop):
        key = match[0].casefold()
        names.setdefault(key, match[0])
        spans.setdefault(key, []).append(match.span())
    return [Piece(names[key], tuple(places)) for key, places in spans.items()]


def without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text without some stretches, in order, blanks closed up."""
    out, at = [], 0
    for start, stop in spans:
        out.append(text[at:start])
        at = stop
    return " ".join("".join([*out, text[at:]]).split())


def _everywhere(text: str, pieces: Iterable[Piece]) -> list[Piece]:
    """Return the words with all their places in the text, each once, in the order given."""
    whole = {piece.name.casefold(): piece for piece in words_of(text)}
    return [whole[name] for name in dict.fromkeys(piece.name.casefold() for piece in pieces)]


def _parts(text: str) -> list[Piece]:
    """Cut a text into parts of about as many words each."""
    starts = [match.start() for match in WORD.finditer(text)]
    cuts = [starts[len(starts) * part // PARTS] for part in range(PARTS)] + [len(text)]
    return [Piece("", ((start, stop),)) for start, stop in pairwise(cuts)]


def _scored(
    wanted: Sequence[tuple[str, Sequence[Piece]]], score: Score, nothing: NDArray[np.floating]
) -> list[LeftOut]:
    variants = [[text, *(piece.without(text) for piece in pieces)] for text, pieces in wanted]
    told = list(dict.fromkeys(v for line in variants for v in line if v.strip()))
    known = dict(zip(told, score(told), strict=True)) if told else {}
    lines = [np.stack([known.get(v, nothing) for v in line]) for line in variants]
    return [
        LeftOut(tuple(pieces), line[0], line[1:])
        for (_, pieces), line in zip(wanted, lines, strict=True)
    ]
