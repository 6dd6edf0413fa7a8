"""Words that stand in texts of like meaning count as alike.

A word that is rare among the labelled texts has hardly a weight of its own. But the vectors of the
texts it stands in say what kind of word it is, and words of that kind have weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.heads.words import TextFeatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Vectors

    Matrix = NDArray[np.float32]

LEAST = 3
"""Texts that a word must stand in for its vector to mean something."""
SHARPNESS = 3.0
"""How quickly likeness falls with the cosine: of 0.5 there is left 0.18 at 3."""


class WordLikeness:
    """A kernel between texts: how alike the words of one are to the words of the other.

    The vector of a word is the mean of the vectors of the texts it stands in, drawn to the mean of
    all by as much as three texts weigh. Two words of cosine c are alike by (e^bc - 1) / (e^b - 1),
    which is a kernel because its power series has no negative term. The kernel of two texts is the
    sum over all pairs of their words, times the TF-IDF weights of both, and 1 on average for a text
    and itself.
    """

    def __init__(self) -> None:
        self.features = TextFeatures("singles", least=LEAST, unknown=True)
        self._alike: Matrix = np.empty((0, 0), np.float32)
        self._rows: Any = None
        self._spread: Matrix = np.empty((0, 0), np.float32)

    def fit(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Learn from texts and their vectors; ``gram`` and ``weights`` are of these."""
        rows = self._rows = self.features.fit(texts)
        stands = rows.copy()
        stands.data = np.ones_like(stands.data)
        counts = np.asarray(stands.sum(axis=0)).ravel()
        means = (stands.T @ (vectors - vectors.mean(axis=0))) / (counts + LEAST)[:, None]
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        unit = (means / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        alike = unit @ unit.T
        alike *= SHARPNESS
        np.expm1(alike, out=alike)
        alike /= np.expm1(SHARPNESS)
        self._spread = np.asarray(rows @ alike)
        own = (
            float(np.mean(np.asarray(rows.multiply(self._spread).sum(axis=1)))) if len(texts) else 0
        )
        self._alike = alike / own if own > 0 else alike * 0
        self._spread *= 1 / own if own > 0 else 0

    def gram(self, start: int, stop: int) -> Matrix:
        """Return the kernel of some texts with those from them on, (stop - start, n - start)."""
        return np.asarray((self._rows[start:] @ self._spread[start:stop].T).T)

    def weights(self, alpha: NDArray[np.float32]) -> Matrix:
        """Return what each word adds, shape (n_words, n_classes), for coefficients of the texts.

        ``features.transform(texts) @ weights`` then equals the kernel between those texts and the
        ones learned from, times ``alpha``.
        """
        return np.asarray(self._alike @ (self._rows.T @ alpha), np.float32)
