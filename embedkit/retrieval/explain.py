"""Which words of a text carry its similarity with a query: those that it falls without.

Leaving out needs nothing of an embedder but vectors, so it works for every one (Li, Monroe and
Jurafsky, "Understanding neural networks through representation erasure", 2016).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from embedkit.types import Hits, Why, WordShare

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.types import Scores, Vectors

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+(?:[-'’.][^\W_]+)*")
"""A word; where a script has no blanks between words, a character."""
MOST = 32
"""Different words that are left out of a text; of a longer one, those of its best parts."""
PARTS = 16
KEPT = 4
"""Parts of a longer text whose words are looked at."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is left out of a text: one word wherever it stands, or a stretch."""

    name: str
    spans: tuple[tuple[int, int], ...]

    def without(self, text: str) -> str:
        out, at = [], 0
        for start, stop in self.spans:
            out.append(text[at:start])
            at = stop
        return " ".join("".join([*out, text[at:]]).split())


def with_words(embedder: Embedder, vectors: Vectors, answers: Sequence[Hits]) -> list[Hits]:
    """Return the hits of each query, each with the words of its text that carry the similarity.

    Parameters
    ----------
    embedder : Embedder
    vectors : float32 array, shape (n_queries, dim)
    answers : sequence of Hits, one a query
    """
    explained = []
    for vector, hits in zip(vectors, answers, strict=True):
        shares = word_shares(embedder, vector, [hit.best_text for hit in hits])
        listed = [
            replace(hit, why=replace(hit.why or Why(), words=words))
            for hit, words in zip(hits, shares, strict=True)
        ]
        explained.append(Hits(listed, hits.plan))
    return explained


def word_shares(
    embedder: Embedder, query: Vectors, texts: Sequence[str]
) -> list[tuple[WordShare, ...]]:
    """Return for each text its words, and how far its similarity falls without each.

    Parameters
    ----------
    query : float32 array, shape (dim,)
    texts : sequence of str

    Returns
    -------
    list of tuple of WordShare, those that carry most first; at most 32 of a text
    """
    words = [_words(text, 0, len(text)) for text in texts]
    long = [i for i, pieces in enumerate(words) if len(pieces) > MOST]
    stretches = {i: _stretches(texts[i]) for i in long}
    falls = _falls(embedder, query, [(texts[i], stretches[i]) for i in long])
    for i, fall in zip(long, falls, strict=True):
        best = np.argsort(-fall, kind="stable")[:KEPT]
        spans = [stretches[i][j].spans[0] for j in best]
        inside = (piece for span in spans for piece in _words(texts[i], *span))
        words[i] = _everywhere(texts[i], inside)[:MOST]
    falls = _falls(embedder, query, list(zip(texts, words, strict=True)))
    return [_sorted(pieces, fall) for pieces, fall in zip(words, falls, strict=True)]


def _words(text: str, start: int, stop: int) -> list[_Piece]:
    """Return the different words of a stretch, in order, each with its places in it."""
    spans: dict[str, list[tuple[int, int]]] = {}
    names: dict[str, str] = {}
    for match in WORD.finditer(text, start, stop):
        key = match[0].casefold()
        names.setdefault(key, match[0])
        spans.setdefault(key, []).append(match.span())
    return [_Piece(names[key], tuple(places)) for key, places in spans.items()]


def _everywhere(text: str, pieces: Iterable[_Piece]) -> list[_Piece]:
    """Return the words with all their places in the text, each once, in the order given."""
    whole = {piece.name.casefold(): piece for piece in _words(text, 0, len(text))}
    return [whole[name] for name in dict.fromkeys(piece.name.casefold() for piece in pieces)]


def _stretches(text: str) -> list[_Piece]:
    """Cut a text into parts of about as many words each."""
    starts = [match.start() for match in WORD.finditer(text)]
    cuts = [starts[len(starts) * part // PARTS] for part in range(PARTS)] + [len(text)]
    return [_Piece("", ((start, stop),)) for start, stop in pairwise(cuts)]


def _falls(
    embedder: Embedder, query: Vectors, wanted: Sequence[tuple[str, Sequence[_Piece]]]
) -> list[Scores]:
    """Return how far the similarity of each text falls without each of its pieces."""
    variants = [[text, *(piece.without(text) for piece in pieces)] for text, pieces in wanted]
    # Without its only word nothing is left of a text, and nothing is similar to nothing.
    told = list(dict.fromkeys(v for line in variants for v in line if v.strip()))
    if not told:
        return [np.zeros(len(pieces), np.float32) for _, pieces in wanted]
    near = embedder.embed(told, input_type="document") @ query
    score = dict(zip(told, near.tolist(), strict=True))
    lines = [np.array([score.get(v, 0.0) for v in line], np.float32) for line in variants]
    return [line[0] - line[1:] for line in lines]


def _sorted(pieces: Sequence[_Piece], fall: Scores) -> tuple[WordShare, ...]:
    order = np.argsort(-fall, kind="stable")
    return tuple(WordShare(pieces[i].name, float(fall[i])) for i in order)
