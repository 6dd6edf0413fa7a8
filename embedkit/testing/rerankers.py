"""What every reranker must do: plain functions that raise AssertionError, for any test framework.

An author of a backend writes ``check_reranker(lambda: MyReranker())``; the tests of embedkit run
the same checks over every reranker in its registry.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.protocols import Reranker

if TYPE_CHECKING:
    from embedkit.types import Scores

Factory: TypeAlias = Callable[[], Reranker]

ROUNDING = 1e-4
"""How far a relevance may differ between two computations, as a share of the largest."""

QUERY = "How do I get my money back?"
TEXTS = [
    "The tower was built in 1889 by an engineer.",
    "You get your money back within two weeks: how to ask for it, and what you need to do.",
    "",
    "   ",
    "Où est la bibliothèque ? Straße, Ελλάδα, 東京都, שלום עולם, مرحبا",
    "Smile 😀, a family 👩‍👩‍👧 and a flag 🇳🇱",
    "a\0b",
    "word " * 700,
    "?!",
    "The tower was built in 1889 by an engineer.",
]
"""Short and long, empty and blank, of several scripts, one of them twice."""
USELESS, USEFUL = 0, 1


def check_reranker(factory: Factory) -> None:
    """Run every check of a reranker.

    Parameters
    ----------
    factory : callable
        Builds the reranker; called more than once.

    Raises
    ------
    AssertionError
        On the first thing that a reranker must do and this one does not.
    """
    for check in RERANKER_CHECKS:
        check(factory)


def check_protocol(factory: Factory) -> None:
    """It offers what callers type against, under a name."""
    reranker = factory()
    assert isinstance(reranker, Reranker)
    assert isinstance(reranker.model_id, str)
    assert reranker.model_id.strip()


def check_form(factory: Factory) -> None:
    """A relevance is one finite float32 a text, whatever is asked and whatever the texts."""
    reranker = factory()
    for query in (QUERY, "?!", "東京都", "word " * 700):
        scores = reranker.rerank(query, TEXTS)
        assert scores.dtype == np.float32
        assert scores.shape == (len(TEXTS),)
        assert np.isfinite(scores).all()
    assert reranker.rerank(QUERY, TEXTS[:1]).shape == (1,)
    assert reranker.rerank(QUERY, [""]).shape == (1,)


def check_empty_list(factory: Factory) -> None:
    """No texts give no relevance."""
    scores = factory().rerank(QUERY, [])
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


def check_refusals(factory: Factory) -> None:
    """What is no query, a bare text, what is no text and half a character are refused."""
    reranker = factory()
    nothing: Any = None
    half = chr(0xD83D)
    _refused(lambda: reranker.rerank(nothing, TEXTS), "query")
    _refused(lambda: reranker.rerank(" \n", TEXTS), "query")
    _refused(lambda: reranker.rerank(f"ab{half}", TEXTS), "query")
    _refused(lambda: reranker.rerank(QUERY, "one text"), "list")
    _refused(lambda: reranker.rerank(QUERY, ["text", 3]), "position 1")  # type: ignore[list-item]
    _refused(lambda: reranker.rerank(QUERY, ["whole", f"ab{half}"]), "position 1")


def check_order(factory: Factory) -> None:
    """Each relevance belongs to its text, in whatever order the texts come."""
    reranker = factory()
    scores = reranker.rerank(QUERY, TEXTS)
    _same(reranker.rerank(QUERY, TEXTS[::-1])[::-1], scores)
    order = np.random.default_rng(3).permutation(len(TEXTS))
    _same(reranker.rerank(QUERY, [TEXTS[i] for i in order]), scores[order])
    _same(scores[-1:], scores[USELESS : USELESS + 1])


def check_repeatable(factory: Factory) -> None:
    """A second reranker of the same name judges the same under the same name."""
    first, second = factory(), factory()
    scores = first.rerank(QUERY, TEXTS)
    assert first.model_id == second.model_id
    _same(second.rerank(QUERY, TEXTS), scores)
    assert first.model_id == second.model_id, "the name changed when the model was loaded"


def check_threads(factory: Factory) -> None:
    """Several threads, the first to use the model among them, get the same relevance."""
    reranker = factory()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: reranker.rerank(QUERY, TEXTS), range(4)))
    for scores in results[1:]:
        _same(scores, results[0])


def check_relevance(factory: Factory) -> None:
    """A text that answers the query is more relevant than one on another subject."""
    scores = factory().rerank(QUERY, TEXTS)
    assert scores[USEFUL] > scores[USELESS], f"expected {scores[USEFUL]} above {scores[USELESS]}"


RERANKER_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_protocol,
    check_form,
    check_empty_list,
    check_refusals,
    check_order,
    check_repeatable,
    check_threads,
    check_relevance,
)


def _same(left: Scores, right: Scores) -> None:
    allowed = ROUNDING * max(float(np.abs(right).max()), 1e-3)
    np.testing.assert_allclose(left, right, atol=allowed, rtol=0)


def _refused(call: Callable[[], object], naming: str) -> None:
    message = None
    try:
        call()
    except InvalidInputError as error:
        message = str(error)
    assert message is not None, f"expected InvalidInputError naming {naming!r}"
    assert naming in message, f"expected {naming!r} in the message: {message}"
