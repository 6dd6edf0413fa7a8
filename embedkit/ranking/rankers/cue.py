"""How near a candidate is to what the source itself says it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.rankers.source import beyond

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool

_DONE = (
    "address analyse analyze argue demonstrate describe design develop establish evaluate examine "
    "explore extend find introduce investigate present propose prove provide report show study use"
).replace(" ", "|")
_WORK = "paper|work|article|study|report|research"
CUE = re.compile(
    rf"\bwe (?:\w+ )?(?:{_DONE})\b"
    rf"|\b(?:this|the present|our) (?:{_WORK})\b"
    r"|\bour (?:approach|contribution|experiments|findings|framework|key|main|method)\b"
    r"|\bour (?:model|results)\b"
    r"|\bresults (?:indicate|show|suggest)\b"
    r"|\bin (?:conclusion|short|summary)\b|\bto (?:conclude|summari[sz]e)\b|\boverall\b"
    r"|\bthe (?:aim|conclusion|goal|key|main|most important|purpose|result)\b",
    re.IGNORECASE,
)
"""Phrases by which English texts that argue or report point at what matters in them."""


class CueRanker:
    """The cosine of each of a candidate's sentences with the nearest that has a cue, averaged.

    A cue is a phrase by which a text says what it is about or what came of it, such as *this
    study*, *we show* or *in short*. 0 is what any sentence of the source reaches with any other.
    NaN for an empty candidate, and for all where no sentence has a cue, as in most news and in
    languages other than English.

    Source
    ------
    Cue words: Edmundson, "New methods in automatic extracting", Journal of the ACM 16, 1969;
    indicator phrases: Paice, "The automatic generation of literature abstracts", SIGIR 1980.
    """

    name: ClassVar[str] = "cue"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the mean of the best cosines, shape (n,), at most 1."""
        scores = np.full(len(pool), np.nan)
        places = [i for i, each in enumerate(pool.source_sentences) if CUE.search(each.text)]
        if not places:
            return scores
        cued = pool.source_vectors[places]
        for place, vectors in enumerate(pool.sentence_vectors):
            if len(vectors):
                scores[place] = (vectors @ cued.T).max(axis=1).mean()
        return beyond(scores, pool)
