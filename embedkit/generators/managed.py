"""What every generator behind a remote service shares: candidates at a time, seeds, checks."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from embedkit.errors import (
    CredentialsError,
    EmbedkitError,
    ProviderError,
    QuotaError,
    UnavailableError,
    UnsupportedOperationError,
)
from embedkit.generators.base import (
    BaseGenerator,
    Progress,
    Sampling,
    candidate_seeds,
    check_prompt,
)
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

    @property
    def at_once(self) -> int:
        """How many requests its limits allow at a time."""
        return self._endpoint.service.limits.concurrency

    @property
    def answers_as(self) -> str:
        """With the address: two servers may call different models by one name."""
        return f"{self.model_id} at {self._endpoint.account.base_url}"

    def check_access(self) -> None:
        """Refuse a missing key, and one that the service refuses, before any work is done.

        Raises
        ------
        CredentialsError
        """
        self._endpoint.account.check_key(self.model)

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        return self._each(messages, sampling, candidate_seeds(sampling))

    def outcomes(
        self, prompt: str | Sequence[Message], sampling: Sampling
    ) -> list[Candidate | EmbedkitError]:
        """Return for each of n candidates what came of it: itself, or why it did not come.

        Raises
        ------
        InvalidInputError, UnsupportedOperationError
            As ``generate`` does.
        CredentialsError, QuotaError
            The service answers no more, whatever it answered before.
        """
        messages = check_prompt(prompt)
        self._check_sampling(sampling)
        return [
            self._checked([found], dataclasses.replace(sampling, n=1))[0]
            if isinstance(found, Candidate)
            else found
            for found in self._outcomes(messages, sampling)
        ]

    def _outcomes(
        self, messages: list[Message], sampling: Sampling
    ) -> list[Candidate | EmbedkitError]:
        return self._each_outcome(messages, sampling, candidate_seeds(sampling))

    def _each(
        self, messages: list[Message], sampling: Sampling, seeds: Sequence[int | None]
    ) -> list[Candidate]:
        """Ask for one candidate a seed, several at a time; return them in the order of seeds."""
        found: dict[int, Candidate] = {}
        for place, outcome in self._arrivals(messages, sampling, seeds):
            if not isinstance(outcome, Candidate):
                raise outcome
            found[place] = outcome
        return [found[i] for i in range(len(seeds))]

    def _each_outcome(
        self, messages: list[Message], sampling: Sampling, seeds: Sequence[int | None]
    ) -> list[Candidate | EmbedkitError]:
        """Ask as ``_each`` does; one that fails does not cost the others."""
        found: dict[int, Candidate | EmbedkitError] = {}
        missing: EmbedkitError | None = None
        try:
            for place, outcome in self._arrivals(messages, sampling, seeds):
                if not isinstance(outcome, (Candidate, ProviderError)):
                    raise outcome
                found[place] = outcome
        except (CredentialsError, QuotaError):
            raise
        except ProviderError as error:  # it ended the work: what had not come comes no more
            missing = error
        return [found.get(i) or missing or _lost(self.model_id) for i in range(len(seeds))]

    def _arrivals(
        self, messages: list[Message], sampling: Sampling, seeds: Sequence[int | None]
    ) -> Iterator[tuple[int, Candidate | BaseException]]:
        """Ask for one candidate a seed, several at a time; yield what comes, as it comes."""
        tokens = [expected_tokens(messages, sampling)] * len(seeds)
        batches = make_batches(tokens, most=1, most_tokens=max(tokens))

        def send(places: Sequence[int]) -> Candidate:
            return self._one(messages, sampling, seeds[places[0]])

        dispatcher: Dispatcher[Candidate] = Dispatcher(
            self._endpoint.service, send, lambda candidate: None
        )
        came = sampling.n - len(seeds)
        for outcome in dispatcher.run(batches):
            answer = outcome.answer or outcome.error
            assert answer is not None
            came += 1
            if sampling.progress is not None:
                sampling.progress(Progress(sampling.n, came))
            yield outcome.batch.places[0], answer


def _lost(model_id: str) -> EmbedkitError:
    return UnavailableError(f"{model_id} did not answer")


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
