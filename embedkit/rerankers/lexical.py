"""The reference reranker: BM25 over the texts that it is given. No model, no network.

It knows nothing of meaning: a text is relevant as far as it holds the query's words, the rare ones
above all.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.rerankers.base import BaseReranker

if TYPE_CHECKING:
    from embedkit.types import Scores

_UNSPACED = ("CJK UNIFIED", "CJK COMPAT", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts written without blanks, by how Unicode names their characters: each is a word."""


class LexicalReranker(BaseReranker):
    """Okapi BM25 of the query over the texts as the corpus.

    Parameters
    ----------
    k1 : float, >= 0
        How much a word that is repeated in a text still adds; 0 counts a word once.
    b : float, 0 to 1
        How much longer texts are marked down; 0 not at all.

    Notes
    -----
    The relevance of a text d to a query q, over n texts whose mean length is L words::

        sum over the words w of q, repeated ones again, of
            idf(w) * tf(w, d) * (k1 + 1) / (tf(w, d) + k1 * (1 - b + b * |d| / L))
        idf(w) = ln(1 + (n - df(w) + 0.5) / (df(w) + 0.5))

    tf counts w in d, df the texts that hold w. It is 0 where no word is shared, and never
    negative. Since the texts are the corpus, a text's relevance depends on the texts beside it, in
    whatever order: compare numbers of one call only.

    A word is a run of letters, digits and the marks on them, compared in Unicode's compatibility
    form (NFKC) without regard to case (``Straße`` is ``STRASSE``). Scripts without blanks between
    words are taken character by character.

    Source
    ------
    Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond, Foundations and
    Trends in Information Retrieval 3(4), 2009, section 3.4, for the formula. The 1 within the
    logarithm is Lucene's (``BM25Similarity``); it keeps words of most texts from counting against
    a text.
    """

    def __init__(self, *, k1: float = 1.2, b: float = 0.75) -> None:
        if not (k1 >= 0 and math.isfinite(k1)):
            raise InvalidInputError(f"expected k1 >= 0, got {k1}")
        if not 0 <= b <= 1:
            raise InvalidInputError(f"expected b from 0 to 1, got {b}")
        self.k1 = k1
        self.b = b

    @property
    def model_id(self) -> str:
        """Name the formula and its constants."""
        return f"lexical:bm25 k1={self.k1:g} b={self.b:g}"

    def _rerank(self, query: str, texts: list[str]) -> Scores:
        listed = [words(text) for text in texts]
        counts = [Counter(text) for text in listed]
        mean = sum(map(len, listed)) / len(listed) or 1.0
        norms = [self.k1 * (1 - self.b + self.b * len(text) / mean) for text in listed]
        scores = np.zeros(len(texts), np.float64)
        for word, times in Counter(words(query)).items():
            held = [i for i, count in enumerate(counts) if word in count]
            idf = math.log1p((len(texts) - len(held) + 0.5) / (len(held) + 0.5))
            for i in held:
                tf = counts[i][word]
                scores[i] += times * idf * tf * (self.k1 + 1) / (tf + norms[i])
        return scores.astype(np.float32)


def words(text: str) -> list[str]:
    """Return the words of a text in the form in which they are compared, in order."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate(_LETTERS).split()


class _Letters(dict[int, str]):
    """What stands for each character once words are cut, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character)[0] not in "LNM":
            shown = " "
        elif unicodedata.name(character, "").startswith(_UNSPACED):
            shown = f" {character} "
        else:
            shown = character
        self[code] = shown
        return shown


_LETTERS = _Letters()
