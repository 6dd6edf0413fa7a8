"""What a head sees of the texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import DimensionMismatchError

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors


@dataclass(frozen=True, slots=True)
class Inputs:
    """Texts and their vectors.

    Attributes
    ----------
    texts : sequence of str, length n
    vectors : float32 array, shape (n, dim)
        Of length 1, in the order of the texts; shape (n, 0) where no head reads them.
    references : float32 array, shape (m, dim), or None
        Vectors of :func:`embedkit.classification.references.reference_texts`, for heads that learn
        from few labels; the same whichever rows are taken.
    names : tuple of str, or None
        The labels in the order of their classes, for heads that read them; only to learn from.
    """

    texts: Sequence[str]
    vectors: Vectors
    references: Vectors | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.texts):
            raise DimensionMismatchError(
                f"expected a vector for each of {len(self.texts)} texts, "
                f"got shape {self.vectors.shape}"
            )

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Inputs:
        """Return texts without vectors."""
        return cls(texts, np.empty((len(texts), 0), np.float32))

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self.vectors.shape[1])

    def take(self, rows: Keys) -> Inputs:
        """Return some of the rows, in the order given."""
        return Inputs(
            [self.texts[i] for i in rows.tolist()], self.vectors[rows], self.references, self.names
        )

    def __len__(self) -> int:
        return len(self.texts)
