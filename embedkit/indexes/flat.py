"""Exact search over all vectors: the reference, and the best choice for small collections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from embedkit.indexes.base import BaseBackend

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask, Vectors


class FlatBackend(BaseBackend):
    """Nothing to build, to propose or to save: the caller scans the vectors themselves."""

    name: ClassVar[str] = "flat"

    @property
    def exact(self) -> bool:
        """Always true."""
        return True

    def build(self, vectors: Vectors) -> None:
        """Do nothing: the vectors are the index."""

    def candidates(self, queries: Vectors, n: int, mask: Mask | None = None) -> Keys:
        """Never called: an exact backend proposes nothing."""
        raise NotImplementedError("flat proposes no candidates: scan the rows")

    def save(self, folder: Path) -> None:
        """Write nothing."""

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Read nothing."""
