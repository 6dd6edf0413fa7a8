"""Have texts embedded, whatever the embedder, so that a bad text costs only itself."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.embedders.base import BaseEmbedder, checked_codes
from embedkit.embedders.halving import halved
from embedkit.errors import DimensionMismatchError, RejectedError
from embedkit.protocols import Embedder
from embedkit.store.ledger import Batch
from embedkit.types import Delivery, Embeddings
from embedkit.validate import check_vectors

if TYPE_CHECKING:
    from embedkit.managed.budget import Meter
    from embedkit.types import Vectors

STREAMED = 2048
"""Texts handed at once to an embedder that hands over by itself what it has."""
_FIRST = 256
_LEAST = 16
_MOST = 16_384
_SECONDS = 2.0
"""How much work a crash may undo: batches grow or shrink towards this many seconds."""


def streams(embedder: Embedder) -> bool:
    """Whether an embedder hands over what it has as it arrives."""
    # Asking whether it is a StreamingEmbedder would ask for its width, which may load a model.
    return hasattr(embedder, "embed_stream")


def deliver(
    embedder: Embedder, texts: Sequence[str], meter: Meter | None = None
) -> Iterator[Delivery]:
    """Yield what became of texts embedded as documents, in any order, each text exactly once.

    An embedder that answers for a batch as a whole is asked for halves of one that fails, until the
    bad texts stand alone.

    Parameters
    ----------
    meter : Meter or None
        What may be spent.

    Raises
    ------
    CredentialsError, ProviderError
        No text could do better; what was done before was yielded.
    BudgetReached
        The meter allows no more.
    """
    if streams(embedder):
        streaming: Any = embedder
        for delivery in streaming.embed_stream(texts, input_type="document", meter=meter):
            if delivery.embeddings is not None:
                _check(embedder, delivery.embeddings, len(delivery.places))
            yield delivery
    else:
        yield from halved(embedder, texts, "document", functools.partial(_check, embedder))


def embed_queries(embedder: Embedder, texts: Sequence[str], meter: Meter | None = None) -> Vectors:
    """Return the vectors of queries, shape (n, dim), in the order of the texts.

    Raises
    ------
    RejectedError, ProviderError
        A query that the model does not take, or what no query could do better.
    BudgetReached
        The meter allows no more.
    """
    if not streams(embedder):
        return embedder.embed(texts, input_type="query")
    streaming: Any = embedder
    vectors: Vectors = np.empty((len(texts), embedder.dim), np.float32)
    for delivery in streaming.embed_stream(texts, input_type="query", meter=meter):
        if delivery.embeddings is None:
            raise RejectedError(f"query {delivery.places[0] + 1}: {delivery.failure}")
        vectors[np.asarray(delivery.places)] = delivery.embeddings.vectors
    return vectors


def _check(embedder: Embedder, result: Embeddings, n: int) -> None:
    """Refuse what is not one sound vector a text: no base class vouches for the others."""
    if isinstance(embedder, BaseEmbedder):
        return
    vectors = check_vectors(result.vectors, embedder.dim, what=f"vectors from {embedder.model_id}")
    if len(vectors) != n:
        raise DimensionMismatchError(
            f"expected {n} vectors from {embedder.model_id}, one a text, got {len(vectors)}"
        )
    checked_codes(embedder, result, n, "document")


def count_tokens(embeddings: Embeddings) -> tuple[int, int, int]:
    """Return tokens, texts longer than the model reads, and their tokens that were cut off."""
    if embeddings.tokens is None:
        return 0, 0, 0
    tokens = np.maximum(embeddings.tokens, 0)
    if embeddings.max_tokens is None:
        return int(tokens.sum()), 0, 0
    beyond = np.maximum(tokens - embeddings.max_tokens, 0)
    return int(tokens.sum()), int((beyond > 0).sum()), int(beyond.sum())


def ledger_entry(delivery: Delivery, first_row: int) -> Batch:
    """Return what the ledger keeps of vectors that were delivered, stored from a row on."""
    assert delivery.embeddings is not None
    count = len(delivery.places)
    tokens, truncated, cut = count_tokens(delivery.embeddings)
    return Batch(
        texts=count,
        first_row=first_row,
        vector_rows=count,
        tokens=tokens,
        truncated=truncated,
        tokens_cut=cut,
        billed_tokens=delivery.billed_tokens,
        cached=0 if delivery.sent else count,
    )


class BatchSize:
    """How many texts to ask for at once, learned from how long the last batch took."""

    def __init__(self) -> None:
        self.texts = _FIRST

    def learn(self, texts: int, seconds: float) -> None:
        """Take in how long a batch took."""
        # At most four times as much or as little as before: one slow batch is no trend.
        factor = min(4.0, max(0.25, _SECONDS / max(seconds, 1e-3)))
        self.texts = int(min(max(texts * factor, _LEAST), _MOST))
