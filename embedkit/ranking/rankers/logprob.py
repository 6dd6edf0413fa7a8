"""How likely the generator found its own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.ranking.pool import Pool
    from embedkit.types import Token


class MeanLogprobRanker:
    """The mean log-probability of a candidate's tokens, in nats: 0 is certain.

    NaN where a candidate has no tokens with log-probabilities, such as one from elsewhere.

    Source
    ------
    The length-normalised log-likelihood of Wu et al., "Google's neural machine translation
    system", 2016, section 7, with exponent 1; and of Cohere's notebook on summarization by rank
    and filter, whose prose says the mean and whose code takes the sum.
    """

    name: ClassVar[str] = "mean_logprob"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the mean of each candidate, shape (n,), in nats, at most 0."""
        return _each(pool, lambda tokens: float(np.mean([token.logprob for token in tokens])))


class SumLogprobRanker:
    """The log-probability of a whole candidate, in nats; it favours short ones.

    NaN where a candidate has no tokens with log-probabilities.

    Source
    ------
    Cohere's notebook on summarization by rank and filter sorts by it. To be compared with, not to
    be used: a longer text is less likely whatever it says.
    """

    name: ClassVar[str] = "sum_logprob"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return the sum of each candidate, shape (n,), in nats, at most 0."""
        return _each(pool, lambda tokens: float(np.sum([token.logprob for token in tokens])))


def _each(pool: Pool, measure: Callable[[tuple[Token, ...]], float]) -> NDArray[np.float64]:
    found = [measure(c.tokens) if c.tokens else np.nan for c in pool.candidates]
    scores = np.array(found, np.float64)
    scores[~np.isfinite(scores)] = np.nan  # a token that could not be drawn says nothing of it
    return scores
