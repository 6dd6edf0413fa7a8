"""How far each sentence of a candidate is carried by its source."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.claims import Claim, unheld
from embedkit.ranking.claims.facts import Facts, facts_of
from embedkit.ranking.telling import OPPOSITES, negates, small_words
from embedkit.ranking.words import words
from embedkit.sentences import Sentence
from embedkit.threads import single_threaded_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool
    from embedkit.types import Vectors

_STEM = 6
"""Letters of a word that tell it from others, its endings aside."""
_MEANING, _NEAR, _ANYWHERE = 0.5, 0.25, 0.25
"""Weights of the cosine, of words in the same place and of words anywhere in the source."""
_CLAIMS = 0.5
"""What is left of a sentence with a number, name or date that the source does not hold."""
_NEGATED = 0.75
"""What is left of one that says no where the source says yes, or the other way."""
_ELSEWHERE = 0.9
"""What is left for each number or name that the source holds in another place, and for each word
with an opposite that the place lacks; for up to three of them."""
_MOST_ELSEWHERE = 3


@dataclass(frozen=True, slots=True)
class SentenceSupport:
    """A sentence of a candidate beside what carries it best in the source.

    Attributes
    ----------
    sentence : Sentence
        Of the candidate.
    source : Sentence or None
        The sentence of the source, or the two that follow each other, that say it best; None where
        the source has no sentence.
    score : float
        From 0, nothing like it stands in the source, to 1, the same sentence does.
    claims : tuple of Claim
        Numbers, names and dates of the sentence that the source does not hold, with their places
        in the candidate.
    """

    sentence: Sentence
    source: Sentence | None
    score: float
    claims: tuple[Claim, ...] = ()


def support(pool: Pool) -> list[list[SentenceSupport]]:
    """Return how far each sentence of each candidate is carried by the source.

    Returns
    -------
    list of list of SentenceSupport, length n
        In the order of the candidates and of their sentences; an empty list for an empty candidate.

    Notes
    -----
    A sentence is compared with each sentence of the source and with each two neighbours. What
    carries it is a blend of the cosine (of two neighbours: with their mean) and of the share of its
    content words that stand in the same place, and of those that stand anywhere in the source.
    That is cut down where the sentence has a number, name or date that the source does not hold,
    has one that stands in another place, says no where the source says yes, or has a word such as
    ``more`` that the place lacks.
    """
    facts = facts_of(pool.source, pool.question)
    places = _Places(pool)
    found = []
    for place, vectors in enumerate(pool.sentence_vectors):
        text = pool.texts[place]
        listed = pool.candidate_sentences[place]
        claims = unheld(text, listed, facts, cites=bool(pool.question))
        found.append(
            [
                places.carry(
                    sentence,
                    vector,
                    tuple(c for c in claims if sentence.start <= c.start < sentence.end),
                )
                for sentence, vector in zip(listed, vectors, strict=True)
            ]
        )
    return found


class FaithfulnessRanker:
    """How far the source carries a candidate: the mean of its sentences and the worst of them.

    NaN for an empty candidate, and where the source has no sentence.

    Source
    ------
    Sentence against sentence, the best of the source for each of the summary, as in SummaC (Laban
    et al., TACL 2022, section 3.2.1); their score of a pair is a model of entailment, here it is
    :func:`support`. They take the mean over the sentences; half of the worst is taken in, since one
    wrong sentence makes a summary wrong.
    """

    name: ClassVar[str] = "faithfulness"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return (mean + minimum) / 2 of the support of the sentences, shape (n,), from 0 to 1."""
        scores = np.full(len(pool), np.nan)
        for place, listed in enumerate(support(pool)):
            told = [each.score for each in listed if each.source is not None]
            if told:
                scores[place] = (np.mean(told) + min(told)) / 2
        return scores


class _Places:
    """The places of a source that may carry a sentence: its sentences, then each two neighbours."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.sentences = pool.source_sentences
        self.vectors = _with_neighbours(pool.source_vectors)
        self.stems: dict[str, set[int]] = defaultdict(set)
        count = len(self.sentences)
        for i, sentence in enumerate(self.sentences):
            for stem in _stems(sentence.text):
                self.stems[stem].add(i)
                if i + 1 < count:
                    self.stems[stem].add(count + i)  # with the next one
                if i:
                    self.stems[stem].add(count + i - 1)  # with the one before

    def carry(
        self, sentence: Sentence, vector: Vectors, claims: tuple[Claim, ...]
    ) -> SentenceSupport:
        """Find the place that carries a sentence best, and say how far."""
        if not self.sentences:
            return SentenceSupport(sentence, None, 0.0, claims)
        with single_threaded_products():
            cosines = (self.vectors @ vector).astype(np.float64)
        wanted = _stems(sentence.text)
        held = np.zeros(len(cosines))
        for stem in wanted:
            held[list(self.stems.get(stem, ()))] += 1
        shares = held / max(len(wanted), 1)
        anywhere = sum(stem in self.stems for stem in wanted) / max(len(wanted), 1)
        if not wanted:  # nothing but small words: only the meaning is left
            shares, anywhere = np.maximum(cosines, 0), float(max(cosines.max(), 0))
        best = int((cosines + shares).argmax())
        carried = (
            _MEANING * float(cosines.max()) + _NEAR * float(shares.max()) + _ANYWHERE * anywhere
        )
        source = self._place(best)
        score = float(np.clip(carried, 0, 1)) * self._left(sentence, source, claims)
        return SentenceSupport(sentence, source, score, claims)

    def _place(self, place: int) -> Sentence:
        count = len(self.sentences)
        if place < count:
            return self.sentences[place]
        first, second = self.sentences[place - count], self.sentences[place - count + 1]
        return Sentence(self.pool.source[first.start : second.end], first.start, second.end)

    def _left(self, sentence: Sentence, source: Sentence, claims: tuple[Claim, ...]) -> float:
        """Return what is left of the support of a sentence that says otherwise than its place."""
        said, held = words(sentence.text), words(source.text)
        left = _CLAIMS if claims else 1.0
        if any(map(negates, said)) != any(map(negates, held)):
            left *= _NEGATED
        whole = Sentence(sentence.text, 0, len(sentence.text))
        there = Facts(source.text, self.pool.question)
        missing = unheld(whole.text, [whole], there, cites=bool(self.pool.question))
        elsewhere = max(0, len(missing) - len(claims))
        turned = sum(word in OPPOSITES and word not in held for word in said)
        return left * _ELSEWHERE ** (min(elsewhere, _MOST_ELSEWHERE) + min(turned, _MOST_ELSEWHERE))


def _with_neighbours(vectors: Vectors) -> Vectors:
    """Return unit vectors of sentences, and of each two neighbours: the mean of both."""
    if len(vectors) < 2:
        return vectors
    together = vectors[:-1] + vectors[1:]
    norms = np.maximum(np.linalg.norm(together, axis=1, keepdims=True), 1e-9)
    return np.vstack([vectors, together / norms]).astype(np.float32)


def _stems(text: str) -> set[str]:
    small = small_words()
    return {word[:_STEM] for word in words(text) if word not in small}
