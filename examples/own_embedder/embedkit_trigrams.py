"""An embedder from outside embedkit: counts of letter trigrams, so that typos still match.

Inherit from ``BaseEmbedder``, say ``model_id`` and ``dim``, and write ``_embed``, which returns
vectors of length 1. The base checks what goes in and what comes out. Keyword-only parameters of the
constructor are the options of the spec: ``trigrams?dim=512``.
"""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from embedkit.embedders.base import BaseEmbedder
from embedkit.types import Embeddings, InputType


class TrigramEmbedder(BaseEmbedder):
    """Hashed counts of the three-letter pieces of each word; nothing to train or download."""

    def __init__(self, *, dim: int = 1024) -> None:
        self._dim = dim

    @property
    def model_id(self) -> str:
        """Change this whenever the vectors change: a collection refuses another model's."""
        return f"trigrams-v1-{self._dim}"

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self._dim

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        # Its rows have length 1 (norm="l2" is the default).
        counts = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=self._dim)
        return Embeddings(counts.transform(texts).toarray().astype(np.float32))
