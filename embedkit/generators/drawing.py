"""Several candidates for a prompt, where one that fails does not cost the others."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from embedkit.errors import (
    CredentialsError,
    EmbeddingError,
    EmbedkitError,
    ProviderError,
    QuotaError,
    UnsupportedOperationError,
)
from embedkit.generators.base import Progress, Sampling, candidate_seeds
from embedkit.protocols import Generator
from embedkit.types import Candidate, Message

_TELL_NONE: weakref.WeakSet[Any] = weakref.WeakSet()
"""Generators whose server was found to give no log-probabilities."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of a prompt.

    Attributes
    ----------
    candidates : tuple of Candidate
        Those that came, at least one, in the order of their seeds.
    failures : tuple of str
        Why each of the others did not.
    notes : tuple of str
        What was asked for and is not to be had.
    """

    candidates: tuple[Candidate, ...]
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def draw(
    generator: Generator,
    prompt: str | Sequence[Message],
    n: int = 5,
    *,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    stop: Sequence[str] = (),
    seed: int | None = None,
    logprobs: bool | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Drawn:
    """Return up to n candidates for what comes after a prompt, and why others did not come.

    Nothing runs for ever: a service is given the time that its limits say, and a local model
    writes no more than ``max_tokens``, or its own limit where that is None. An empty candidate is
    one that came.

    Parameters
    ----------
    generator : Generator
    prompt, n, temperature, top_k, top_p, max_tokens, stop, seed
        As :meth:`embedkit.generators.base.BaseGenerator.generate` takes them.
    logprobs : bool or None
        None takes the log-probabilities of tokens where the generator has them.
    progress : callable or None
        Told now and then how far it is, by generators that tell.

    Raises
    ------
    InvalidInputError, UnsupportedOperationError
        What no candidate can be drawn with.
    CredentialsError, QuotaError
        The service answers no more.
    EmbedkitError
        No candidate came: why the first did not.
    """
    wanted = logprobs or (
        logprobs is None and "logprobs" in generator.supports and generator not in _TELL_NONE
    )
    sampling = Sampling(
        n, temperature, top_k, top_p, max_tokens, tuple(stop), seed, wanted, progress
    )
    notes: list[str] = []
    try:
        outcomes = _outcomes(generator, prompt, sampling)
    except UnsupportedOperationError as error:
        if logprobs is not None or not wanted:
            raise
        # A server may know the parameter and have nothing to give for it.
        notes.append(error.message)
        _TELL_NONE.add(generator)  # so that it is not asked for them, and paid, in vain again
        outcomes = _outcomes(generator, prompt, dataclasses.replace(sampling, logprobs=False))
    errors = [outcome for outcome in outcomes if not isinstance(outcome, Candidate)]
    candidates = tuple(outcome for outcome in outcomes if isinstance(outcome, Candidate))
    if not candidates:
        raise errors[0]
    return Drawn(candidates, tuple(map(str, errors)), tuple(notes))


def is_single(error: EmbedkitError) -> bool:
    """Whether another candidate may do better."""
    if isinstance(error, (CredentialsError, QuotaError)):
        return False
    return isinstance(error, (ProviderError, EmbeddingError))


def _outcomes(
    generator: Generator, prompt: str | Sequence[Message], sampling: Sampling
) -> list[Candidate | EmbedkitError]:
    each_by_itself: Any = getattr(generator, "outcomes", None)
    if each_by_itself is not None:
        found: list[Candidate | EmbedkitError] = each_by_itself(prompt, sampling)
        return found
    try:
        return list(_generate(generator, prompt, sampling))
    except EmbedkitError as error:
        if not is_single(error):
            raise
        if sampling.n == 1:
            return [error]
    return list(_one_by_one(generator, prompt, sampling))


def _one_by_one(
    generator: Generator, prompt: str | Sequence[Message], sampling: Sampling
) -> Iterator[Candidate | EmbedkitError]:
    """Ask for each candidate alone, since together they failed."""
    seeds = candidate_seeds(sampling) if "seed" in generator.supports else [None] * sampling.n
    for done, seed in enumerate(seeds, start=1):
        one = dataclasses.replace(sampling, n=1, seed=seed, progress=None)
        try:
            yield from _generate(generator, prompt, one)
        except EmbedkitError as error:
            if not is_single(error):
                raise
            yield error
        if sampling.progress is not None:
            sampling.progress(Progress(sampling.n, done))


def _generate(
    generator: Generator, prompt: str | Sequence[Message], sampling: Sampling
) -> list[Candidate]:
    options: dict[str, Any] = dict(sampling.asked())
    if sampling.progress is not None and getattr(generator, "reports", False):
        options["progress"] = sampling.progress
    try:
        found: Any = generator.generate(prompt, n=sampling.n, **options)
    except EmbedkitError:
        raise
    except Exception as error:  # of somebody else's generator: the others may serve
        kind = type(error).__name__
        raise EmbeddingError(f"{generator.model_id} failed: {kind}: {error}") from error
    right = isinstance(found, Sequence) and all(
        isinstance(each, Candidate) and isinstance(each.text, str) for each in found
    )
    if not right or len(found) != sampling.n:
        raise EmbeddingError(
            f"expected {sampling.n} candidates from {generator.model_id}, got {_told(found)}"
        )
    return list(found)


def _told(found: Any) -> str:
    """Name what a generator gave in place of candidates."""
    if isinstance(found, Sequence) and not isinstance(found, str):
        wrong = [each for each in found if not isinstance(each, Candidate)]
        if wrong:
            return f"a list with {type(wrong[0]).__name__}"
        texts = [each for each in found if not isinstance(each.text, str)]
        return "a candidate without text" if texts else str(len(found))
    return type(found).__name__
