"""What every generator behind a remote service shares: candidates at a time, seeds, checks."""

from __future__ import annotations

import hashlib
import math
import random
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from embedkit.errors import UnsupportedOperationError
from embedkit.generators.base import BaseGenerator, Sampling
from embedkit.managed.dispatch import Dispatcher, make_batches
from embedkit.managed.endpoint import Endpoint
from embedkit.managed.service import BadAnswerError
from embedkit.managed.tokens import estimate_tokens
from embedkit.types import Candidate, Message, Token

_EXPECTED = 256
"""Tokens that a candidate is taken to have, for limits by tokens, where nothing limits it."""


class ManagedGenerator(BaseGenerator):
    """A generator whose model runs elsewhere and costs money.

    Several candidates are asked for at once, each with a seed of its own, as many at a time as the
    rate limit takes.

    Parameters
    ----------
    model : str
    endpoint : Endpoint
        Where prompts are sent.
    """

    def __init__(self, model: str, endpoint: Endpoint[Any]) -> None:
        self.model = model
        self._endpoint = endpoint

    @abstractmethod
    def _one(self, messages: list[Message], sampling: Sampling, seed: int | None) -> Candidate:
        """Ask for one candidate, once. Raises what the classifier knows, or BadAnswerError."""

    def check_access(self) -> None:
        """Refuse a missing key, and one that the service refuses, before any work is done.

        Raises
        ------
        CredentialsError
        """
        self._endpoint.account.check_key(self.model)

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        return self._each(messages, sampling, candidate_seeds(sampling))

    def _each(
        self, messages: list[Message], sampling: Sampling, seeds: Sequence[int | None]
    ) -> list[Candidate]:
        """Ask for one candidate a seed, several at a time; return them in the order of seeds."""
        tokens = [expected_tokens(messages, sampling)] * len(seeds)
        batches = make_batches(tokens, most=1, most_tokens=max(tokens))

        def send(places: Sequence[int]) -> Candidate:
            return self._one(messages, sampling, seeds[places[0]])

        dispatcher: Dispatcher[Candidate] = Dispatcher(
            self._endpoint.service, send, lambda candidate: None
        )
        found: dict[int, Candidate] = {}
        for outcome in dispatcher.run(batches):
            if outcome.answer is None:
                assert outcome.error is not None
                raise outcome.error
            found[outcome.batch.places[0]] = outcome.answer
        return [found[i] for i in range(len(seeds))]


def candidate_seeds(sampling: Sampling) -> list[int | None]:
    """Return a seed for each candidate: the first has the one given, the others follow from it.

    Without a seed each gets one by chance, since a service may give equal answers to equal
    requests; a single one needs none.
    """
    if sampling.n == 1:
        return [sampling.seed]
    seed = random.SystemRandom().getrandbits(31) if sampling.seed is None else sampling.seed
    return [seed, *(derived_seed(seed, number) for number in range(1, sampling.n))]


def derived_seed(seed: int, number: int) -> int:
    """Return the seed of the candidate of that number; seed + 1 would share all but one."""
    name = f"{seed} {number}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=4).digest(), "little") >> 1


def expected_tokens(messages: Sequence[Message], sampling: Sampling) -> int:
    """Return about how many tokens one candidate costs, the prompt included."""
    read = sum(estimate_tokens(message.content) for message in messages)
    return read + (sampling.max_tokens or _EXPECTED)


def check_tokens(tokens: Sequence[Token] | None, text: str, model_id: str) -> tuple[Token, ...]:
    """Return the tokens of a text, or say that they are not those that were asked for.

    Raises
    ------
    UnsupportedOperationError
        There are none: asking again would cost the same and bring the same.
    BadAnswerError
    """
    if not tokens and text:
        raise UnsupportedOperationError(
            f"{model_id} answered without log-probabilities", do="ask without logprobs"
        )
    listed = tuple(tokens or ())
    if not all(isinstance(t.logprob, (int, float)) and math.isfinite(t.logprob) for t in listed):
        raise BadAnswerError("a log-probability in its answer is not a finite number")
    joined = "".join(token.text for token in listed)
    # What a service joins may differ from its pieces, by half characters or blanks at the ends;
    # but pieces that are the text's beginning and no more lack the rest.
    if len(joined) < len(text.rstrip()) and text.startswith(joined):
        raise BadAnswerError("its answer holds log-probabilities for a part of the text only")
    return listed
