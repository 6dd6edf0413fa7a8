"""What every reranker shares: its input is checked before the model, its output after it.

An author of a backend writes ``_rerank`` and ``model_id``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedkit.embedders.base import check_unicode
from embedkit.validate import check_query, check_scores, check_texts

if TYPE_CHECKING:
    from embedkit.types import Scores


class BaseReranker(ABC):
    """A reranker whose public method checks, and whose ``_rerank`` computes."""

    @property
    @abstractmethod
    def model_id(self) -> str:
        """Name the model so exactly that equal names mean equal relevance."""

    @abstractmethod
    def _rerank(self, query: str, texts: list[str]) -> Scores:
        """Judge at least one text. One finite number a text, in their order."""

    def rerank(self, query: str, texts: Sequence[str]) -> Scores:
        """Return how relevant each text is to the query.

        Parameters
        ----------
        query : str
            With at least one character that is not blank.
        texts : sequence of str
            Any length; an empty list gives shape (0,).

        Returns
        -------
        float32 array, shape (n,)
            In the order of the texts, larger is better. The scale is the model's own: numbers of
            two models, or of a model and a cosine, do not compare.

        Raises
        ------
        InvalidInputError
            A query that is empty or no text, a bare string in place of the texts, something that
            is not text, or text that is not Unicode.
        WeightsError
            The model's weights cannot be had.
        EmbeddingError, ProviderError
            The model failed, here or at a service.
        """
        asked = check_query(query)
        listed = check_unicode(check_texts(texts))
        if not listed:
            return np.empty(0, np.float32)
        return check_scores(self._rerank(asked, listed), len(listed), self.model_id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model_id}>"
