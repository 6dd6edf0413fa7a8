"""What every generator shares: what it is asked is checked before the model, its answer after it.

An author of a backend writes ``_generate``, ``model_id`` and which parameters it honours; one whose
parameters have other bounds than :data:`RANGES` names those too, and one that goes on from a text
as it stands sets ``completes`` and writes ``_complete``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from embedkit.errors import EmbeddingError, InvalidInputError, UnsupportedOperationError
from embedkit.types import Candidate, Message

PARAMETERS = ("temperature", "top_k", "top_p", "max_tokens", "stop", "seed", "logprobs")
"""The sampling parameters, of which a generator honours some."""
RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, math.inf),
    "top_k": (0, math.inf),
    "top_p": (0, 1),
    "max_tokens": (1, math.inf),
    "seed": (0, 2**63 - 1),
}
"""The least and the most of each number, both allowed."""
_WHOLE = ("top_k", "max_tokens", "seed")
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generator has come with the candidates of one prompt.

    Attributes
    ----------
    n : int
        Candidates asked for.
    finished : int
        Candidates that are whole.
    written : int or None
        Tokens written so far, of all candidates; None where the backend does not tell.
    read, to_read : int or None
        Tokens of the prompt read so far, and all of them; None where the backend does not tell.
    """

    n: int
    finished: int
    written: int | None = None
    read: int | None = None
    to_read: int | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How candidates are to be drawn; None leaves a parameter to the model's own default."""

    n: int = 1
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool = False
    progress: Callable[[Progress], None] | None = field(default=None, compare=False)
    """Told now and then how far it is; no parameter of the model."""

    def asked(self) -> dict[str, Any]:
        """Return the parameters that are not left to the model."""
        values = {name: getattr(self, name) for name in PARAMETERS}
        return {
            name: v for name, v in values.items() if v is not None and v is not False and v != ()
        }


class BaseGenerator(ABC):
    """A generator whose public method checks, and whose ``_generate`` writes."""

    supports: ClassVar[frozenset[str]] = frozenset()
    """Which of :data:`PARAMETERS` it honours; the others are refused."""
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = RANGES
    """Bounds of the numbers, where they differ."""
    most_stops: ClassVar[int | None] = None
    """How many stop sequences it takes; None for any number."""
    reports: bool = True
    """Whether ``generate`` takes ``progress``."""
    completes: bool = False
    """Whether a text is gone on from as it stands, rather than taken as what a user says."""
    chats: bool = False
    """Of one that completes: whether it was trained to answer messages too."""

    @property
    @abstractmethod
    def model_id(self) -> str:
        """Name the model."""

    @property
    def answers_as(self) -> str:
        """Name the model and what else an answer depends on beside the prompt and the parameters.

        What was answered by one generator may be given for another only where these are equal.
        """
        return self.model_id

    @abstractmethod
    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        """Return ``sampling.n`` candidates for a conversation whose last turn is the user's."""

    def _complete(self, text: str, sampling: Sampling) -> list[Candidate]:
        """Return ``sampling.n`` candidates for what comes after a text, where it ``completes``."""
        return self._generate([Message("user", text)], sampling)

    def generate(
        self,
        prompt: str | Sequence[Message],
        *,
        n: int = 1,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
        logprobs: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> list[Candidate]:
        """Return candidates for what comes after a prompt.

        Parameters
        ----------
        prompt : str or sequence of Message
            What a user says, or a conversation that ends with it; a text is gone on from as it
            stands where the generator ``completes``.
        n : int
            How many candidates, at least 1.
        temperature, top_k, top_p : float, int, float or None
            How daring the choice of tokens is: 0 is the likeliest ones only.
        max_tokens : int or None
            Tokens of one candidate, at most.
        stop : sequence of str
            Where one of them would come, a candidate ends before it.
        seed : int or None
            The same seed gives the same candidates as far as the model can be held to it; None
            draws anew each time.
        logprobs : bool
            Whether candidates come with the log-probabilities of their tokens.
        progress : callable or None
            Told now and then how far it is, in the thread that called.

        Returns
        -------
        list of Candidate
            Exactly n.

        Raises
        ------
        InvalidInputError
            An empty prompt, what is no message, a number out of its bounds.
        UnsupportedOperationError
            A parameter that the backend does not honour. Nothing was generated.
        ProviderError
            A service failed.
        """
        messages = check_prompt(prompt)
        sampling = Sampling(
            n,
            temperature,
            top_k,
            top_p,
            max_tokens,
            check_stop(stop),
            seed,
            bool(logprobs),
            progress,
        )
        self._check_sampling(sampling)
        if self.completes and isinstance(prompt, str):
            return self._checked(self._complete(prompt, sampling), sampling)
        return self._checked(self._generate(messages, sampling), sampling)

    def _check_sampling(self, sampling: Sampling) -> None:
        asked = sampling.asked()
        refused = [name for name in asked if name not in self.supports]
        if refused:
            honoured = ", ".join(name for name in PARAMETERS if name in self.supports) or "none"
            raise UnsupportedOperationError(
                f"{self.model_id} does not know {', '.join(refused)}",
                do=f"leave it out; it honours: {honoured}",
            )
        _check_number("n", sampling.n, 1, math.inf, whole=True)
        for name, (least, most) in {**RANGES, **self.ranges}.items():
            if name in asked:
                _check_number(name, asked[name], least, most, whole=name in _WHOLE)
        if self.most_stops is not None and len(sampling.stop) > self.most_stops:
            raise InvalidInputError(
                f"expected at most {self.most_stops} stop sequences for {self.model_id}, "
                f"got {len(sampling.stop)}"
            )

    def _checked(self, candidates: list[Candidate], sampling: Sampling) -> list[Candidate]:
        if len(candidates) != sampling.n:
            raise EmbeddingError(
                f"expected {sampling.n} candidates from {self.model_id}, got {len(candidates)}"
            )
        for candidate in candidates:
            numbers = [token.logprob for token in candidate.tokens or ()]
            if not all(math.isfinite(number) for number in numbers):
                raise EmbeddingError(f"a log-probability from {self.model_id} is not finite")
        if sampling.logprobs:
            return candidates
        return [dataclasses.replace(candidate, tokens=None) for candidate in candidates]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model_id}>"


def derived_seed(seed: int, number: int) -> int:
    """Return the seed of the candidate of that number; seed + 1 would share all but one."""
    name = f"{seed} {number}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=4).digest(), "little") >> 1


def candidate_seeds(sampling: Sampling) -> list[int | None]:
    """Return a seed for each candidate: the first has the one given, the others follow from it.

    Without a seed each gets one by chance, since a service may give equal answers to equal
    requests; a single one needs none.
    """
    if sampling.n == 1:
        return [sampling.seed]
    seed = random.SystemRandom().getrandbits(31) if sampling.seed is None else sampling.seed
    return [seed, *(derived_seed(seed, number) for number in range(1, sampling.n))]


def check_prompt(prompt: str | Sequence[Message]) -> list[Message]:
    """Return a prompt as messages, the last one a user's, or refuse it."""
    messages = [Message("user", prompt)] if isinstance(prompt, str) else _listed(prompt)
    if not messages:
        raise InvalidInputError("expected a prompt, got no messages")
    for i, message in enumerate(messages):
        _check_message(message, i)
    if messages[-1].role != "user":
        raise InvalidInputError(
            f"expected the last message to be the user's, got one of the {messages[-1].role}"
        )
    if not messages[-1].content.strip():
        raise InvalidInputError("expected a prompt with words, got an empty one")
    return messages


def _listed(prompt: Any) -> list[Message]:
    try:
        return list(prompt)
    except TypeError:
        raise InvalidInputError(
            f"expected a text or a list of messages as prompt, got {type(prompt).__name__}"
        ) from None


def _check_message(message: Any, place: int) -> None:
    if not isinstance(message, Message) or not isinstance(message.content, str):
        raise InvalidInputError(
            f"expected messages, got {type(message).__name__} at position {place}",
            do='write Message("user", text)',
        )
    if message.role not in ROLES:
        raise InvalidInputError(
            f"expected the role of a message to be {', '.join(ROLES)}, got {message.role!r}"
        )
    try:
        message.content.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"expected Unicode text, got a lone surrogate at character {error.start} of the prompt"
        ) from error


def check_stop(stop: Any) -> tuple[str, ...]:
    """Return stop sequences, or refuse them."""
    if isinstance(stop, str):
        raise InvalidInputError("expected a list of stop sequences, got one", do="write [text]")
    listed = tuple(stop)
    if not all(isinstance(text, str) and text for text in listed):
        raise InvalidInputError(f"expected stop sequences of at least a character, got {stop!r}")
    return listed


def _check_number(name: str, value: Any, least: float, most: float, *, whole: bool) -> None:
    right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if right and least <= value <= most and math.isfinite(value):
        return
    kind = "a whole number" if whole else "a number"
    bounds = f">= {least:g}" if most in (math.inf, 2**63 - 1) else f"from {least:g} to {most:g}"
    raise InvalidInputError(f"expected {name} to be {kind} {bounds}, got {value!r}")
