"""What every embedder must do: plain functions that raise AssertionError, for any test framework.

An author of a backend writes ``check_embedder(lambda: MyEmbedder())``; the tests of embedkit run
the same checks over every embedder in its registry.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.protocols import Embedder
from embedkit.quantized import DTYPES, decode, precision_of, row_width
from embedkit.types import INPUT_TYPES

if TYPE_CHECKING:
    from embedkit.types import Vectors

Factory: TypeAlias = Callable[[], Embedder]

ROUNDING = 1e-5
"""How far a component may differ between two computations of the same text."""

TEXTS = [
    "How do I get my money back?",
    "How can I get back the money I paid?",
    "When was the first bridge over the river built?",
    "",
    "   ",
    "Où est la bibliothèque ? Straße, Ελλάδα, 東京都, שלום עולם, مرحبا",
    "Smile 😀, a family 👩‍👩‍👧 and a flag 🇳🇱",
    "a\0b",
    "lower",
    "word " * 700,
    "?!",
    "How do I get my money back?",
]
"""Short and long, empty and blank, of several scripts, one of them twice."""


def check_embedder(factory: Factory) -> None:
    """Run every check of an embedder.

    Parameters
    ----------
    factory : callable
        Builds the embedder; called more than once.

    Raises
    ------
    AssertionError
        On the first thing that an embedder must do and this one does not.
    """
    for check in EMBEDDER_CHECKS:
        check(factory)


def check_protocol(factory: Factory) -> None:
    """It offers what callers type against, under a name, with a width."""
    embedder = factory()
    assert isinstance(embedder, Embedder)
    assert isinstance(embedder.model_id, str)
    assert embedder.model_id.strip()
    assert embedder.dim >= 1


def check_form(factory: Factory) -> None:
    """Vectors are float32, C-contiguous, finite, of length 1, one a text."""
    embedder = factory()
    for input_type in INPUT_TYPES:
        vectors = embedder.embed(TEXTS, input_type=input_type)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), embedder.dim)
        assert vectors.flags.c_contiguous
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def check_empty_list(factory: Factory) -> None:
    """No texts give no vectors, of the right width."""
    embedder = factory()
    vectors = embedder.embed([])
    assert vectors.shape == (0, embedder.dim)
    assert vectors.dtype == np.float32
    assert embedder.embed_batch([]).vectors.shape == (0, embedder.dim)


def check_refusals(factory: Factory) -> None:
    """A bare text, what is no text, half a character and an unknown input type are refused."""
    embedder = factory()
    unknown: Any = "passage"
    half = chr(0xD83D)
    _refused(lambda: embedder.embed("one text"), "list")
    _refused(lambda: embedder.embed(["text", 3]), "position 1")  # type: ignore[list-item]
    _refused(lambda: embedder.embed([None]), "position 0")  # type: ignore[list-item]
    _refused(lambda: embedder.embed(["whole", f"ab{half}"]), "position 1")
    _refused(lambda: embedder.embed(["text"], input_type=unknown), "passage")


def check_order(factory: Factory) -> None:
    """Each vector belongs to its text, whatever stands beside it."""
    embedder = factory()
    together = embedder.embed(TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    _same(together, alone)
    _same(embedder.embed(TEXTS[::-1])[::-1], alone)
    _same(embedder.embed(TEXTS * 2)[-len(TEXTS) :], alone)


def check_repeatable(factory: Factory) -> None:
    """A second embedder of the same name gives the same vectors under the same name."""
    first, second = factory(), factory()
    vectors = first.embed(TEXTS)
    assert first.model_id == second.model_id
    _same(second.embed(TEXTS), vectors)
    assert first.model_id == second.model_id, "the name changed when the model was loaded"


def check_threads(factory: Factory) -> None:
    """Several threads, the first to use the model among them, get the same vectors."""
    embedder = factory()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: embedder.embed(TEXTS), range(4)))
    for vectors in results[1:]:
        _same(vectors, results[0])


def check_similarity(factory: Factory) -> None:
    """A text is nearer to one that says the same than to another."""
    embedder = factory()
    query = embedder.embed(TEXTS[:1], input_type="query")
    scores = (embedder.embed(TEXTS[:3]) @ query.T)[:, 0]
    assert scores[1] > scores[2] + 0.1, f"expected {scores[1]} well above {scores[2]}"
    twice = embedder.embed([TEXTS[0], TEXTS[-1]])
    _same(twice[:1], twice[1:])


def check_tokens(factory: Factory) -> None:
    """Where tokens are told, they are counted before anything was cut."""
    embedder = factory()
    result = embedder.embed_batch(TEXTS)
    assert result.vectors.shape == (len(TEXTS), embedder.dim)
    if result.tokens is None:
        return
    assert result.tokens.shape == (len(TEXTS),)
    assert int(result.tokens.min()) >= 0
    long, short = TEXTS.index("word " * 700), TEXTS.index("lower")
    assert int(result.tokens[long]) >= 700
    assert int(result.tokens[short]) < 10
    longer = embedder.embed_batch(["word " * 1400]).tokens
    assert longer is not None
    assert int(longer[0]) >= 1400, "the tokens of a long text must count what was cut"


def check_token_offsets(factory: Factory) -> None:
    """Where an embedder says where its tokens begin, it is in the text, in order, and all of them.

    Texts are cut into passages by that.
    """
    embedder: Any = factory()
    if not hasattr(embedder, "token_offsets"):
        return
    assert embedder.token_offsets([]) == []
    found = embedder.token_offsets(TEXTS)
    assert len(found) == len(TEXTS)
    told = embedder.embed_batch(TEXTS).tokens
    for place, (text, offsets) in enumerate(zip(TEXTS, found, strict=True)):
        assert offsets.dtype == np.int64
        assert offsets.tolist() == sorted(offsets.tolist())
        assert all(0 <= start < max(len(text), 1) for start in offsets.tolist())
        if told is not None:
            counted = len(offsets) + getattr(embedder, "special_tokens", 0)
            # One more or less, where what stands around a text is estimated apart from it.
            off = abs(counted - int(told[place]))
            assert off <= 1, f"{counted} tokens of {text!r}, {told[place]} embedded"


def check_codes(factory: Factory) -> None:
    """Where vectors are delivered quantised, codes of documents come along and mean the same."""
    embedder = factory()
    precision = precision_of(embedder)
    for input_type in INPUT_TYPES:
        for texts in (TEXTS, []):
            result = embedder.embed_batch(texts, input_type=input_type)
            if precision == "float32" or (result.codes is None and input_type != "document"):
                continue
            codes = result.codes
            assert codes is not None, f"no codes of documents, though the precision is {precision}"
            assert codes.dtype == np.dtype(DTYPES[precision]), codes.dtype
            assert codes.shape == (len(texts), row_width(precision, embedder.dim)), codes.shape
            _same(decode(codes, precision, embedder.dim), result.vectors)


EMBEDDER_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_protocol,
    check_form,
    check_empty_list,
    check_refusals,
    check_order,
    check_repeatable,
    check_threads,
    check_similarity,
    check_tokens,
    check_token_offsets,
    check_codes,
)


def _same(left: Vectors, right: Vectors) -> None:
    np.testing.assert_allclose(left, right, atol=ROUNDING, rtol=0)


def _refused(call: Callable[[], object], naming: str) -> None:
    message = None
    try:
        call()
    except InvalidInputError as error:
        message = str(error)
    assert message is not None, f"expected InvalidInputError naming {naming!r}"
    assert naming in message, f"expected {naming!r} in the message: {message}"
