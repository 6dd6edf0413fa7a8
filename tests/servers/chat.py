"""Answers of a chat model: the same for the same messages, seed and settings."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.servers.vectors import TOKEN

_WORDS = re.findall(
    r"\w+",
    "the a this that what how many which people places numbers animals time question asks about "
    "names means answer city country year first most known called made used find kind",
)

End = Literal["complete", "stop", "length"]


@dataclass(frozen=True)
class Settings:
    """What shapes an answer; equal settings give equal answers."""

    seed: int | None = None
    temperature: float = 0.3
    k: int = 0
    p: float = 0.75
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass
class Completion:
    """One answer.

    Attributes
    ----------
    tokens : list of str
        Joined they are the text; each after the first begins with its blank.
    logprobs : list of float
        The natural logarithm of each token's probability, below 0.
    end : {'complete', 'stop', 'length'}
        Why it ends.
    """

    tokens: list[str] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    end: End = "complete"

    @property
    def text(self) -> str:
        return "".join(self.tokens)


def token_id(token: str) -> int:
    """Return the number of a token: the same in every process."""
    return int.from_bytes(
        hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=2).digest(), "little"
    )


def _dice(model: str, messages: Sequence[str], settings: Settings) -> random.Random:
    seed = settings.seed if settings.temperature > 0 else None
    shaped = (model, tuple(messages), seed, settings.temperature, settings.k, settings.p)
    name = repr(shaped).encode("utf-8", "surrogatepass")
    return random.Random(hashlib.blake2b(name, digest_size=8).digest())


def _tokens_of(text: str) -> list[str]:
    """Split a text so that the parts, joined, are the text again."""
    ends = [match.end() for match in TOKEN.finditer(text)]
    if not ends:
        return [text] if text else []
    ends[-1] = len(text)
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _invented(messages: Sequence[str], dice: random.Random) -> str:
    """Return a sentence of common words and words of the last message."""
    own = [word for word in TOKEN.findall(messages[-1].lower()) if word.isalpha()]
    words = [dice.choice(own if own and dice.random() < 0.5 else _WORDS) for _ in range(12)]
    return " ".join(words[: dice.randint(5, 12)]).capitalize() + "."


def _cut(completion: Completion, settings: Settings) -> Completion:
    """Apply the stop sequences, then the limit of tokens."""
    text = completion.text
    found = [place for place in (text.find(stop) for stop in settings.stop) if place >= 0]
    if found:
        kept = _tokens_of(text[: min(found)])
        completion = Completion(kept, completion.logprobs[: len(kept)], "stop")
    limit = settings.max_tokens
    if limit is not None and len(completion.tokens) > limit:
        return Completion(completion.tokens[:limit], completion.logprobs[:limit], "length")
    return completion


def complete(
    model: str, messages: Sequence[str], settings: Settings, answer: str | None = None
) -> Completion:
    """Return the answer to a conversation.

    Parameters
    ----------
    model : str
        The model's name: another model answers otherwise.
    messages : sequence of str
        The text of each message, the last one last.
    settings : Settings
        A temperature of 0 makes the seed count for nothing.
    answer : str, optional
        What to say instead of a sentence made up.
    """
    dice = _dice(model, messages, settings)
    tokens = _tokens_of(_invented(messages, dice) if answer is None else answer)
    logprobs = [-dice.expovariate(2.0) - 1e-4 for _ in tokens]
    return _cut(Completion(tokens, logprobs), settings)
