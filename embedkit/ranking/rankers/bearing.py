"""How much a candidate bears on the question that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.bearing import KIND, WORDS, AskedWords, fits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool


class BearingRanker:
    """The best sentence of a candidate, by what it shares with the question and by what it holds.

    The cosine with the question, 0.7 times the share of the question's words that it holds, each
    weighed by its idf among the source's sentences, and 0.1 more or less as it holds the kind of
    thing that is asked for. NaN where nothing was asked, and for an empty candidate.

    Source
    ------
    Sentence selection as in Yu, Hermann, Blunsom and Pulman, "Deep learning for answer sentence
    selection", 2014, where the words that are shared, weighed by idf, are added to the match in
    meaning.
    """

    name: ClassVar[str] = "bearing"
    question: ClassVar[bool] = True

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return how much each bears on the question, shape (n,), from -1.1 to 1.8."""
        scores = np.full(len(pool), np.nan)
        if not pool.question.strip():
            return scores
        asked = AskedWords(pool.question, [each.text for each in pool.source_sentences])
        (vector,) = pool.embedder.embed([pool.question], input_type="query")
        for place, (told, vectors) in enumerate(
            zip(pool.candidate_sentences, pool.sentence_vectors, strict=True)
        ):
            if not told:
                continue
            shares = np.array([asked.share(asked.terms(each.text)) for each in told])
            kinds = np.array([fits(pool.question, each.text) for each in told])
            scores[place] = float((vectors @ vector + WORDS * shares + KIND * kinds).max())
        return scores
