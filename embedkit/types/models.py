"""What models return: vectors, deliveries, candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from embedkit.types.words import Codes, Keys, Vectors


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What an embedder returns for a batch of texts.

    Attributes
    ----------
    vectors : float32 array, shape (n, dim)
        L2-normalised, rows in the order of the texts.
    tokens : int64 array, shape (n,), or None
        Tokens of each text before anything was cut; None where the model does not tell.
    max_tokens : int or None
        What the model reads of one text, in tokens; the rest of a longer text was cut.
    codes : int8 array, shape (n, dim), or uint8 array, shape (n, dim / 8), or None
        What was delivered, where the embedder's ``precision`` is not float32; ``vectors`` are
        decoded from them, and a store keeps them in place of the vectors. Packed bits have the
        first component in the highest bit; 1 stands for +1, 0 for -1.
    """

    vectors: Vectors
    tokens: Keys | None = None
    max_tokens: int | None = None
    codes: Codes | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of some of the texts given to :meth:`StreamingEmbedder.embed_stream`.

    Either ``embeddings`` hold a vector for each of the places, or ``failure`` says why the text at
    the places, one and the same, has none.

    Attributes
    ----------
    places : sequence of int
        Which texts, by their position in what was given; ``embeddings`` are in this order.
    sent : int
        How many texts went to the model for it; 0 where all came from a cache.
    billed_tokens : int or None
        What the service says it bills; None where it does not say, or nothing was sent.
    final : bool
        Of a failure: whether the same text would fail again.
    """

    places: Sequence[int]
    embeddings: Embeddings | None = None
    failure: str | None = None
    sent: int = 0
    billed_tokens: int | None = None
    final: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a generator."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token and its natural log-probability."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One generation for a prompt.

    Attributes
    ----------
    finish_reason : str
        ``stop`` (it ended by itself or met a stop sequence), ``length`` (cut at ``max_tokens``),
        or what else the backend says.
    prompt_tokens, completion_tokens : int or None
        As the backend counts them; None where it does not tell.
    tokens : tuple of Token or None
        The generated tokens with log-probabilities; None where there are none.
    """

    text: str
    finish_reason: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens: tuple[Token, ...] | None = None
