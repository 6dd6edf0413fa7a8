"""What every generator must do: plain functions that raise AssertionError, for any test framework.

An author of a backend writes ``check_generator(lambda: MyGenerator())``; the tests of embedkit run
the same checks over every generator in its registry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from embedkit.errors import EmbedkitError, InvalidInputError, UnsupportedOperationError
from embedkit.generators.base import PARAMETERS
from embedkit.protocols import DecodingGenerator, Generator
from embedkit.types import Candidate, Message

Factory: TypeAlias = Callable[[], Generator]

PROMPT = "Say in one sentence where a river begins, and where it ends."
CONVERSATION = [
    Message("system", "You answer in one sentence."),
    Message("user", "Where does a river begin?"),
    Message("assistant", "At its source."),
    Message("user", "And where does it end?"),
]
ODD = [
    "Où est la bibliothèque ? Straße, Ελλάδα, 東京都, שלום עולם, مرحبا",
    "Smile 😀, a family 👩‍👩‍👧 and a flag 🇳🇱",
    "a\0b",
    "?!",
    "word " * 700,
]
SAMPLE: dict[str, Any] = {
    "temperature": 0.5,
    "top_k": 5,
    "top_p": 0.5,
    "max_tokens": 5,
    "stop": ["river"],
    "seed": 3,
    "logprobs": True,
}
"""A value of each parameter that no generator refuses for itself."""


def check_generator(factory: Factory) -> None:
    """Run every check of a generator.

    Parameters
    ----------
    factory : callable
        Builds the generator; called more than once.

    Raises
    ------
    AssertionError
        On the first thing that a generator must do and this one does not.
    """
    for check in GENERATOR_CHECKS:
        check(factory)


def check_protocol(factory: Factory) -> None:
    """It offers what callers type against, under a name, and says what it honours."""
    generator = factory()
    assert isinstance(generator, Generator)
    assert isinstance(generator.model_id, str)
    assert generator.model_id.strip()
    assert generator.supports <= set(PARAMETERS), f"unknown: {generator.supports - set(PARAMETERS)}"


def check_form(factory: Factory) -> None:
    """Candidates are as many as were asked for, each a text that says why it ends."""
    generator = factory()
    for n in (1, 2, 5):
        _ensure_candidates(generator.generate(PROMPT, n=n), n)
    for prompt in ODD:
        _ensure_candidates(generator.generate(prompt), 1)


def check_conversation(factory: Factory) -> None:
    """A text is the same as one message of a user but to one that completes; more are taken."""
    generator = factory()
    _ensure_candidates(generator.generate(CONVERSATION), 1)
    _ensure_candidates(generator.generate(tuple(CONVERSATION[1:]), n=2), 2)
    if "seed" in generator.supports and not generator.completes:
        alone = generator.generate([Message("user", PROMPT)], seed=3)
        assert alone == generator.generate(PROMPT, seed=3)


def check_refusals(factory: Factory) -> None:
    """What is no prompt, no number of candidates, or out of bounds is refused."""
    generator = factory()
    half, nothing = chr(0xD83D), None
    wrong: Any = Message("teacher", "Hello")  # type: ignore[arg-type]
    _refused(lambda: generator.generate(" \n"), "empty")
    _refused(lambda: generator.generate([]), "no messages")
    _refused(lambda: generator.generate(f"ab{half}"), "surrogate")
    _refused(lambda: generator.generate(nothing), "NoneType")  # type: ignore[arg-type]
    _refused(lambda: generator.generate(["text"]), "str")  # type: ignore[list-item]
    _refused(lambda: generator.generate([wrong]), "teacher")
    _refused(lambda: generator.generate(CONVERSATION[:3]), "assistant")
    for n in (0, -1, 1.5, True, None):
        _refused(lambda n=n: generator.generate(PROMPT, n=n), "n to be")  # type: ignore[misc]
    bad: dict[str, list[Any]] = {
        "temperature": [-0.1, math.nan, "hot"],
        "top_k": [-1, 2.5],
        "top_p": [-0.5, 1.5],
        "max_tokens": [0, 1.5],
        "stop": ["river", [""], [3]],
        "seed": [-1, 0.5],
    }
    for name, values in bad.items():
        for value in values if name in generator.supports else ():
            _refused(lambda n=name, v=value: generator.generate(PROMPT, **{n: v}), name)  # type: ignore[misc]


def check_supports(factory: Factory) -> None:
    """Each parameter is honoured as it says, or refused with the names of those that are."""
    generator = factory()
    for name in PARAMETERS:
        if name in generator.supports:
            _ensure_candidates(generator.generate(PROMPT, **{name: SAMPLE[name]}), 1)
            continue
        _refused(
            lambda name=name: generator.generate(PROMPT, **{name: SAMPLE[name]}),  # type: ignore[misc]
            name,
            *generator.supports,
            error=UnsupportedOperationError,
        )


def check_seed(factory: Factory) -> None:
    """The same seed gives the same candidates, of which no two are the same; another, others."""
    generator = factory()
    if "seed" not in generator.supports:
        return
    first = generator.generate(PROMPT, n=3, seed=3)
    assert first == factory().generate(PROMPT, n=3, seed=3)
    assert len({candidate.text for candidate in first}) > 1, "candidates of a seed are all equal"
    other = generator.generate(PROMPT, n=3, seed=4)
    assert [candidate.text for candidate in other] != [candidate.text for candidate in first]


def check_limit(factory: Factory) -> None:
    """A limit of tokens cuts a candidate, which says so."""
    generator = factory()
    if "max_tokens" not in generator.supports:
        return
    seeded: dict[str, Any] = {"seed": 3} if "seed" in generator.supports else {}
    for candidate in generator.generate(PROMPT, n=2, max_tokens=1, **seeded):
        assert candidate.finish_reason == "length"
        assert candidate.text
        assert candidate.completion_tokens is None or candidate.completion_tokens <= 2


def check_stop(factory: Factory) -> None:
    """Nothing of a stop sequence stands in a candidate; it ends where the first one came."""
    generator = factory()
    if not {"stop", "seed"} <= generator.supports:
        return
    whole = generator.generate(PROMPT, seed=3)[0]
    stop = whole.text[len(whole.text) // 2 :][:3]
    cut = generator.generate(PROMPT, seed=3, stop=["~~", stop])[0]
    assert whole.text.startswith(cut.text)
    assert len(cut.text) < len(whole.text)
    assert stop not in cut.text
    assert cut.finish_reason == "stop"


def check_logprobs(factory: Factory) -> None:
    """Tokens come when they are asked for, add up to the text, and have probabilities up to 1."""
    generator = factory()
    assert all(candidate.tokens is None for candidate in generator.generate(PROMPT, n=2))
    if "logprobs" not in generator.supports:
        return
    for candidate in generator.generate(PROMPT, n=2, logprobs=True):
        assert candidate.tokens is not None
        assert "".join(token.text for token in candidate.tokens).strip() == candidate.text.strip()
        assert all(-math.inf < token.logprob <= 1e-6 for token in candidate.tokens)


def check_decoding(factory: Factory) -> None:
    """One that shows its decoding shows what it generates, and shares that add up."""
    generator = factory()
    if not isinstance(generator, DecodingGenerator):
        return
    asked = {"seed": 3, "max_tokens": 5, "stop": ["~~"]}
    options: dict[str, Any] = {k: v for k, v in asked.items() if k in generator.supports}
    found = generator.decode(PROMPT, shown=3, **options)
    if "seed" in generator.supports:
        candidate = generator.generate(PROMPT, **options)[0]
        assert (found.text, found.finish_reason) == (candidate.text, candidate.finish_reason)
    assert found.steps
    assert "".join(step.drawn.text for step in found.steps).startswith(found.text)
    for step in found.steps:
        assert sum(choice.drawn for choice in step.choices) == 1
        assert 1 <= len(step.choices) <= 4, "three, and the one that was drawn"
        assert not step.drawn.cut
        for name in ("probability", "tempered", "left"):
            shares = [getattr(choice, name) for choice in step.choices]
            others = getattr(step, f"others_{name}")
            assert all(-1e-9 <= share <= 1 + 1e-9 for share in (*shares, others))
            assert abs(sum(shares) + others - 1) < 1e-6, f"{name} does not add up to 1"
        assert all((choice.left == 0) == bool(choice.cut) for choice in step.choices)
        likely = [choice.probability for choice in step.choices[:3]]
        assert likely == sorted(likely, reverse=True)


def check_threads(factory: Factory) -> None:
    """Several threads, the first to use the model among them, are answered."""
    generator = factory()
    options: dict[str, Any] = {"seed": 3} if "seed" in generator.supports else {}
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: generator.generate(PROMPT, n=2, **options), range(4)))
    for result in results:
        _ensure_candidates(result, 2)
        assert not options or result == results[0]


GENERATOR_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_protocol,
    check_form,
    check_conversation,
    check_refusals,
    check_supports,
    check_seed,
    check_limit,
    check_stop,
    check_logprobs,
    check_decoding,
    check_threads,
)


def _ensure_candidates(candidates: list[Candidate], n: int) -> None:
    assert len(candidates) == n
    for candidate in candidates:
        assert isinstance(candidate, Candidate)
        assert isinstance(candidate.text, str)
        assert candidate.finish_reason == candidate.finish_reason.lower() != ""
        for count in (candidate.prompt_tokens, candidate.completion_tokens):
            assert count is None or count >= 0


def _refused(
    call: Callable[[], object], *naming: str, error: type[EmbedkitError] = InvalidInputError
) -> None:
    message = None
    try:
        call()
    except error as refusal:
        message = str(refusal)
    assert message is not None, f"expected {error.__name__} naming {', '.join(naming)}"
    for name in naming:
        assert name in message, f"expected {name!r} in the message: {message}"
