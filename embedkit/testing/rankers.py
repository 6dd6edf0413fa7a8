"""What every ranker of candidates must do: plain functions that raise AssertionError.

An author of a ranker writes ``check_ranker(lambda: MyRanker())``; the tests of embedkit run the
same checks over every ranker in its registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from embedkit.protocols import Ranker
from embedkit.ranking.pool import Limits, Pool
from embedkit.testing.candidate_filters import GOOD, SOURCE, TEXTS, make_pool
from embedkit.types import Candidate, Token

if TYPE_CHECKING:
    from numpy.typing import NDArray

Factory: TypeAlias = Callable[[], Ranker]

QUESTION = "Who built the bridge over the Aar?"
ROUNDING = 1e-5
"""How far a score may differ where the candidates are embedded in another order."""
SOURCES = [
    "?",
    "Yes.",
    "x" * 5000,
    "1 " * 3000,
    "東京都は日本の首都である。" * 5,
    f"{SOURCE}\n" * 20,
]
"""Nothing, one word, one line without end, numbers, another script, one long and repetitive."""


def check_ranker(factory: Factory) -> None:
    """Run every check of a ranker.

    Parameters
    ----------
    factory : callable
        Builds the ranker; called more than once.

    Raises
    ------
    AssertionError
        On the first thing that a ranker must do and this one does not.
    """
    for check in RANKER_CHECKS:
        check(factory)


def check_protocol(factory: Factory) -> None:
    """It offers what callers type against, under a name."""
    ranker = factory()
    assert isinstance(ranker, Ranker)
    assert ranker.name.strip()
    assert isinstance(ranker.question, bool)


def check_form(factory: Factory) -> None:
    """It gives one float64 a candidate, finite or NaN, whatever the candidates and the source."""
    for pool in _pools():
        _form(factory().score(pool), pool)
    for source in SOURCES:
        pool = make_pool(_texts()[:8], source=source, question=QUESTION)
        _form(factory().score(pool), pool)


def check_few(factory: Factory) -> None:
    """No candidates have no scores; one has one, and an empty one has none that means anything."""
    for texts in ([], [GOOD], [""]):
        pool = make_pool(texts, question=QUESTION)
        scores = factory().score(pool)
        _form(scores, pool)
        assert not (texts == [""] and np.isfinite(scores).any()), "an empty candidate has a score"


def check_repeatable(factory: Factory) -> None:
    """Two rankers say the same, and one says it twice."""
    for pool, again in zip(_pools(), _pools(), strict=True):
        ranker = factory()
        first = ranker.score(pool)
        assert np.array_equal(ranker.score(pool), first, equal_nan=True)
        assert np.array_equal(factory().score(again), first, equal_nan=True)


def check_order(factory: Factory) -> None:
    """Candidates in another order have the same scores, in that order; equal ones equal scores."""
    for pool in _pools():
        order = np.random.default_rng(0).permutation(len(pool))
        turned = replace(pool, candidates=tuple(pool.candidates[int(i)] for i in order))
        _same(factory().score(turned), factory().score(pool)[order])
        double = replace(pool, candidates=(*pool.candidates, pool.candidates[0]))
        scores = factory().score(double)
        _same(scores[:1], scores[-1:])


def check_question(factory: Factory) -> None:
    """One that judges answers says nothing where nothing was asked."""
    ranker = factory()
    if ranker.question:
        assert np.isnan(ranker.score(make_pool(_texts()))).all()
        assert np.isfinite(ranker.score(make_pool([GOOD], question=QUESTION))).all()


RANKER_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_protocol,
    check_form,
    check_few,
    check_repeatable,
    check_order,
    check_question,
)
"""Every check of rankers."""


def _form(scores: NDArray[np.float64], pool: Pool) -> None:
    assert isinstance(scores, np.ndarray)
    assert scores.dtype == np.float64
    assert scores.shape == (len(pool),)
    assert not np.isinf(scores).any()


def _same(left: NDArray[np.float64], right: NDArray[np.float64]) -> None:
    assert np.allclose(left, right, rtol=0, atol=ROUNDING, equal_nan=True)


def _texts() -> list[str]:
    """Return the texts that can be embedded."""
    return [text for text in TEXTS if not any("\ud800" <= sign <= "\udfff" for sign in text)]


def _pools() -> list[Pool]:
    """Return pools of one kind each: summaries, answers, with limits, with log-probabilities."""
    texts = _texts()
    written = tuple(
        Candidate(text, "stop", tokens=tuple(Token(word, -0.5) for word in text.split()))
        for text in texts
    )
    impossible = Candidate(GOOD, "stop", tokens=(Token(GOOD, float("-inf")),))
    return [
        make_pool(texts),
        make_pool(texts, question=QUESTION),
        make_pool(texts, limits=Limits(5, 20)),
        replace(make_pool(texts), candidates=(*written, impossible)),
    ]
