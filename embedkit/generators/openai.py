"""Chat models of any service or local server that speaks OpenAI's protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from embedkit.errors import (
    CredentialsError,
    EmbedkitError,
    ProviderError,
    QuotaError,
    RejectedError,
)
from embedkit.generators.base import RANGES, Progress, Sampling, candidate_seeds
from embedkit.generators.managed import (
    ManagedGenerator,
    check_tokens,
    expected_tokens,
)
from embedkit.managed.endpoint import Endpoint
from embedkit.managed.limits import given_limits
from embedkit.managed.openai import OpenAIAccount, post, refused_field
from embedkit.managed.service import BadAnswerError
from embedkit.types import Candidate, Message, Token

if TYPE_CHECKING:
    import httpx

_NEWER = "max_completion_tokens"
"""What newer models want to be told in place of ``max_tokens``, which older servers know."""


class OpenAIGenerator(ManagedGenerator):
    """A chat model behind OpenAI's protocol. The key comes from ``OPENAI_API_KEY``.

    Several candidates are asked for in one request, so that the prompt is billed once; from a
    server that answers with fewer, the rest is asked for one by one. The protocol has no ``top_k``.

    Parameters
    ----------
    model : str
        Such as ``gpt-4o-mini``; what a local server calls its model.
    base_url : str or None
        Where the API is, up to and with ``/v1``; else the variable ``OPENAI_BASE_URL``, else the
        public service.
    plan : str or None
        Preset of the rate limits.
    requests_per_minute, tokens_per_minute, concurrency : int or None
        In place of the preset's.
    timeout : float or None
        Seconds to wait for an answer.
    """

    supports = frozenset({"temperature", "top_p", "max_tokens", "stop", "seed", "logprobs"})
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {**RANGES, "temperature": (0, 2)}

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        plan: str | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        concurrency: int | None = None,
        timeout: float | None = None,
    ) -> None:
        given = given_limits(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            concurrency=concurrency,
            timeout=timeout,
        )
        self._endpoint: Endpoint[httpx.Client] = Endpoint(
            lambda: OpenAIAccount(base_url), "chat", plan, given
        )
        super().__init__(model, self._endpoint)
        self._several = True  # whether the server gives several candidates, as far as known
        self._limit = "max_tokens"

    @property
    def model_id(self) -> str:
        """The model's name."""
        return f"openai:{self.model}"

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        found = self._together(messages, sampling)
        rest = candidate_seeds(sampling)[len(found) :]
        return found + self._each(messages, sampling, rest) if rest else found

    def _together(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        """Ask for all candidates at once, where the server is not known to give but one."""
        if not self._several or sampling.n == 1:
            return []
        found = self._endpoint.service.call(
            lambda: self._ask(messages, sampling, sampling.seed),
            tokens=sampling.n * expected_tokens(messages, sampling),
        )
        self._several = len(found) > 1
        if sampling.progress is not None:
            sampling.progress(Progress(sampling.n, len(found)))
        return found

    def _outcomes(
        self, messages: list[Message], sampling: Sampling
    ) -> list[Candidate | EmbedkitError]:
        found: list[Candidate] = []
        try:
            found = self._together(messages, sampling)
        except (CredentialsError, QuotaError):
            raise
        except ProviderError as error:
            if sampling.n == 1 or not isinstance(error, RejectedError):
                return [error] * sampling.n  # after all patience: one by one would be no better
        rest = candidate_seeds(sampling)[len(found) :]
        return [*found, *self._each_outcome(messages, sampling, rest)] if rest else [*found]

    def _one(self, messages: list[Message], sampling: Sampling, seed: int | None) -> Candidate:
        return self._ask(messages, dataclasses.replace(sampling, n=1), seed)[0]

    def _ask(
        self, messages: list[Message], sampling: Sampling, seed: int | None
    ) -> list[Candidate]:
        """Ask once for ``sampling.n`` candidates; return as many, or fewer but at least one."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in messages],
        }
        if sampling.n > 1:
            body["n"] = sampling.n
        if seed is not None:
            body["seed"] = seed
        for name in ("temperature", "top_p", "stop", "logprobs"):
            if name in sampling.asked():
                body[name] = getattr(sampling, name)
        answer = self._post(body, sampling.max_tokens)
        choices = _choices(answer.get("choices"), sampling.n)
        usage = answer.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        read, written = _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens"))
        single = len(choices) == 1  # what is written is told for all choices together
        return [
            self._candidate(choice, sampling, read, written if single else None)
            for choice in choices
        ]

    def _post(self, body: dict[str, Any], limit: int | None) -> dict[str, Any]:
        client = self._endpoint.client
        if limit is None:
            return post(client, "chat/completions", body)
        try:
            return post(client, "chat/completions", {**body, self._limit: limit})
        except Exception as error:
            if self._limit == _NEWER or not refused_field(error, _NEWER):
                raise
        answer = post(client, "chat/completions", {**body, _NEWER: limit})
        self._limit = _NEWER
        return answer

    def _candidate(
        self, choice: dict[str, Any], sampling: Sampling, read: int | None, written: int | None
    ) -> Candidate:
        message, reason = choice.get("message"), choice.get("finish_reason")
        text = message.get("content") if isinstance(message, dict) else None
        if text is None and reason not in (None, "stop"):
            text = ""  # a filter or a limit came before the first word
        if not isinstance(text, str):
            raise BadAnswerError("its answer holds no text")
        tokens = _tokens(choice.get("logprobs")) if sampling.logprobs else None
        return Candidate(
            text,
            str(reason or "stop").lower(),
            read,
            written,
            check_tokens(tokens, text, self.model_id) if sampling.logprobs else None,
        )


def _choices(items: Any, n: int) -> list[dict[str, Any]]:
    """Return the choices of an answer in their order."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadAnswerError("its answer holds no choices")
    numbers = [item.get("index", place) for place, item in enumerate(items)]
    if not 1 <= len(items) <= n or len(set(map(str, numbers))) != len(items):
        raise BadAnswerError(f"its answer holds {len(items)} choices for {n}, or one twice")
    return sorted(items, key=lambda item: str(item.get("index", "")).zfill(9))


def _tokens(told: Any) -> list[Token]:
    items = (told.get("content") if isinstance(told, dict) else None) or ()
    if not isinstance(items, (list, tuple)):
        raise BadAnswerError("the log-probabilities in its answer are no list")
    tokens: list[Token] = []
    for item in items:
        logprob = item.get("logprob") if isinstance(item, dict) else None
        if not isinstance(logprob, (int, float)):
            raise BadAnswerError("a token in its answer has no log-probability")
        tokens.append(Token(str(item.get("token", "")), float(logprob)))
    return tokens


def _count(number: Any) -> int | None:
    return number if isinstance(number, int) else None
