"""The one way from texts to vectors that are to be kept: in parts, each to be committed at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embedkit.ingest.embed import halved
from embedkit.protocols import Embedder, StreamingEmbedder
from embedkit.types import Delivery, Embeddings


def deliver(embedder: Embedder, texts: Sequence[str]) -> Iterator[Delivery]:
    """Yield what became of the texts, each exactly once.

    A model that streams hands over what it has as it arrives; of any other, where a batch fails it
    is halved until the bad texts stand alone.

    Raises
    ------
    CredentialsError
        No text could do better. Whatever else is not about the texts is raised too.
    """
    if isinstance(embedder, StreamingEmbedder):
        yield from embedder.embed_stream(texts, input_type="document")
        return
    for first, result in halved(embedder, texts, 0):
        if isinstance(result, Embeddings):
            n = len(result.vectors)
            yield Delivery(range(first, first + n), result, sent=n)
        else:
            yield Delivery([first], failure=result, sent=1)
