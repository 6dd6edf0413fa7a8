"""Embed a batch of texts so that a bad one costs only itself, in batches of a bearable size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.embedders.base import BaseEmbedder, checked_codes
from embedkit.errors import (
    CredentialsError,
    DimensionMismatchError,
    EmbeddingError,
    InvalidInputError,
    ProviderError,
)
from embedkit.protocols import Embedder
from embedkit.types import Embeddings
from embedkit.validate import check_vectors

if TYPE_CHECKING:
    from embedkit.types import Codes, Vectors

_FIRST = 256
_LEAST = 16
_MOST = 16_384
_SECONDS = 2.0
"""How much work a crash may undo: batches grow or shrink towards this many seconds."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of embedding a batch.

    Attributes
    ----------
    places : list of int
        Which texts of the batch were embedded, in the order of the vectors.
    vectors : float32 array, shape (len(places), dim)
    codes : int8 or uint8 array, len(places) rows, or None
        What a store keeps in place of the vectors, where the embedder's precision is not float32.
    failed : list of (int, str)
        Which were not, and why.
    tokens, truncated, tokens_cut : int
        Tokens of the embedded texts; texts longer than the model reads; their tokens cut off.
    """

    places: list[int]
    vectors: Vectors
    failed: list[tuple[int, str]]
    tokens: int
    truncated: int
    tokens_cut: int
    codes: Codes | None = None


def embed_apart(embedder: Embedder, texts: Sequence[str]) -> Attempt:
    """Embed texts; where that fails, halve them until the bad ones stand alone.

    Raises
    ------
    CredentialsError
        No text could do better. Whatever else is not about the texts is raised too.
    """
    places: list[int] = []
    done: list[Embeddings] = []
    failed: list[tuple[int, str]] = []
    for first, result in halved(embedder, texts, 0):
        if isinstance(result, Embeddings):
            places += range(first, first + len(result.vectors))
            done.append(result)
        else:
            failed.append((first, result))
    if len(done) == 1:
        vectors, codes = done[0].vectors, done[0].codes
    else:
        empty = np.empty((0, embedder.dim), np.float32)
        vectors = np.concatenate([empty, *(embeddings.vectors for embeddings in done)])
        listed: list[Any] = [part.codes for part in done if part.codes is not None]
        codes = np.concatenate(listed) if listed else None
    counts = np.array([count_tokens(embeddings) for embeddings in done], np.int64).reshape(-1, 3)
    tokens, truncated, cut = counts.sum(axis=0).tolist()
    return Attempt(places, vectors, failed, tokens, truncated, cut, codes)


def halved(
    embedder: Embedder, texts: Sequence[str], first: int
) -> Iterator[tuple[int, Embeddings | str]]:
    """Yield where each part begins and what came of it: its embeddings, or why its text failed."""
    try:
        yield first, _checked(embedder, texts)
        return
    except CredentialsError:
        raise  # no text could do better
    except (InvalidInputError, EmbeddingError, ProviderError) as error:
        if len(texts) == 1:
            yield first, str(error)
            return
    half = len(texts) // 2
    yield from halved(embedder, texts[:half], first)
    yield from halved(embedder, texts[half:], first + half)


def _checked(embedder: Embedder, texts: Sequence[str]) -> Embeddings:
    """Embed, and refuse what is not one sound vector a text: no base class vouches for others."""
    result = embedder.embed_batch(texts, input_type="document")
    if isinstance(embedder, BaseEmbedder):
        return result
    vectors = check_vectors(result.vectors, embedder.dim, what=f"vectors from {embedder.model_id}")
    if len(vectors) != len(texts):
        raise DimensionMismatchError(
            f"expected {len(texts)} vectors from {embedder.model_id}, one a text, "
            f"got {len(vectors)}"
        )
    codes = checked_codes(embedder, result, len(texts), "document")
    return Embeddings(vectors, result.tokens, result.max_tokens, codes)


def count_tokens(embeddings: Embeddings) -> tuple[int, int, int]:
    """Return the tokens, how many texts had more than the model reads, and how many more."""
    if embeddings.tokens is None:
        return 0, 0, 0
    tokens = np.maximum(embeddings.tokens, 0)
    if embeddings.max_tokens is None:
        return int(tokens.sum()), 0, 0
    beyond = np.maximum(tokens - embeddings.max_tokens, 0)
    return int(tokens.sum()), int((beyond > 0).sum()), int(beyond.sum())


class BatchSize:
    """How many texts to commit at once, learned from how long the last batch took."""

    def __init__(self) -> None:
        self.texts = _FIRST

    def learn(self, texts: int, seconds: float) -> None:
        """Take in how long a batch took."""
        # At most four times as much or as little as before: one slow batch is no trend.
        factor = min(4.0, max(0.25, _SECONDS / max(seconds, 1e-3)))
        self.texts = int(min(max(texts * factor, _LEAST), _MOST))
