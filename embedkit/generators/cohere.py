"""Cohere's chat models, through its SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from embedkit.generators.base import RANGES, Sampling
from embedkit.generators.managed import ManagedGenerator, check_tokens
from embedkit.managed.cohere import CohereAccount, reading
from embedkit.managed.endpoint import Endpoint
from embedkit.managed.limits import given_limits
from embedkit.managed.service import BadAnswerError
from embedkit.types import Candidate, Message, Token

if TYPE_CHECKING:
    import cohere

NAMES: Mapping[str, str] = {
    "temperature": "temperature",
    "top_k": "k",
    "top_p": "p",
    "max_tokens": "max_tokens",
    "stop": "stop_sequences",
    "logprobs": "logprobs",
}
"""What the API calls the parameters."""
REASONS: Mapping[str, str] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
}


class CohereGenerator(ManagedGenerator):
    """A Cohere chat model. The key comes from the variable ``CO_API_KEY``.

    The API gives one answer a request: n candidates are n requests with seeds of their own.

    Parameters
    ----------
    model : str
        Such as ``command-a-03-2025``.
    base_url : str or None
        Else the variable ``CO_API_URL``, else the public service.
    plan : {"trial", "production"} or None
        Preset of the rate limits.
    requests_per_minute, tokens_per_minute, concurrency : int or None
        In place of the preset's.
    timeout : float or None
        Seconds to wait for an answer.
    """

    supports = frozenset({*NAMES, "seed"})
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **RANGES,
        "temperature": (0, 1),
        "top_k": (0, 500),
        "top_p": (0.01, 0.99),
    }
    most_stops = 5

    def __init__(
        self,
        model: str = "command-a-03-2025",
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
        self._endpoint: Endpoint[cohere.ClientV2] = Endpoint(
            lambda: CohereAccount(base_url), "chat", plan, given
        )
        super().__init__(model, self._endpoint)

    @property
    def model_id(self) -> str:
        """The model's name."""
        return f"cohere:{self.model}"

    def _one(self, messages: list[Message], sampling: Sampling, seed: int | None) -> Candidate:
        asked = sampling.asked()
        options: dict[str, Any] = {NAMES[name]: asked[name] for name in NAMES if name in asked}
        if "stop_sequences" in options:
            options["stop_sequences"] = list(sampling.stop)
        if seed is not None:
            options["seed"] = seed
        turns: Any = [{"role": turn.role, "content": turn.content} for turn in messages]
        client = self._endpoint.client
        with reading():
            answer = client.chat(model=self.model, messages=turns, **options)
        tokens = getattr(getattr(answer, "usage", None), "tokens", None)
        written = _count(getattr(tokens, "output_tokens", None))
        reason = str(getattr(answer, "finish_reason", None) or "")
        if not reason:
            raise BadAnswerError("its answer does not say why it ends")
        text = _text(answer, reason)
        return Candidate(
            text,
            REASONS.get(reason.upper(), reason.lower()),
            _count(getattr(tokens, "input_tokens", None)),
            written,
            self._tokens(getattr(answer, "logprobs", None), text) if sampling.logprobs else None,
        )

    def _tokens(self, items: Sequence[Any] | None, text: str) -> tuple[Token, ...]:
        """Return the pieces of the text; one of several tokens has the sum of theirs."""
        pieces: list[Token] = []
        for item in items or ():
            numbers = getattr(item, "logprobs", None)
            if not numbers or not all(isinstance(number, (int, float)) for number in numbers):
                raise BadAnswerError("a token in its answer has no log-probability")
            pieces.append(Token(str(getattr(item, "text", None) or ""), float(sum(numbers))))
        return check_tokens(pieces, text, self.model_id)


def _text(answer: Any, reason: str) -> str:
    """Return what the model says, without what it thinks."""
    parts = getattr(getattr(answer, "message", None), "content", None) or []
    texts = [getattr(part, "text", None) for part in parts if getattr(part, "type", "") == "text"]
    if len(texts) == 1 and isinstance(texts[0], str):
        return texts[0]
    if not texts and (parts or reason.upper() not in REASONS):
        return ""  # it came no further than to think, or something else stopped it
    raise BadAnswerError(f"its answer holds {len(texts)} texts, not one")


def _count(number: float | None) -> int | None:
    return None if number is None else int(number)
