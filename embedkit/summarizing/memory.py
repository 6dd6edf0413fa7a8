"""An embedder that remembers: the sentences of a text are asked for by extracts and by rankers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedkit.types import Embeddings, InputType

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.types import Vectors

MOST = 50_000
"""Texts whose vectors are kept: 77 MB of 384 numbers each. Past that all are forgotten."""


class Remembering:
    """Asks an embedder for each text once.

    Parameters
    ----------
    embedder : Embedder
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[tuple[str, str], Vectors] = {}

    @property
    def model_id(self) -> str:
        """That of the embedder."""
        return self._embedder.model_id

    @property
    def dim(self) -> int:
        """That of the embedder."""
        return self._embedder.dim

    def embed(self, texts: Sequence[str], *, input_type: InputType = "document") -> Vectors:
        """Return vectors, shape (n, dim), as the embedder does."""
        asked = [(input_type, text) for text in texts]
        if len(self._known) > MOST:
            self._known.clear()
        new = list(dict.fromkeys(key for key in asked if key not in self._known))
        if new:
            vectors = self._embedder.embed([text for _, text in new], input_type=input_type)
            self._known.update(zip(new, vectors, strict=True))
        if not asked:
            return np.zeros((0, self.dim), np.float32)
        return np.stack([self._known[key] for key in asked])

    def embed_batch(
        self, texts: Sequence[str], *, input_type: InputType = "document"
    ) -> Embeddings:
        """Return the vectors alone."""
        return Embeddings(self.embed(texts, input_type=input_type))
