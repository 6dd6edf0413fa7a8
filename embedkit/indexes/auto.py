"""Chooses by size: exact search while that is quick, turbovec beyond."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from embedkit import registry
from embedkit.indexes.base import BaseBackend
from embedkit.indexes.flat import FlatBackend

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Vectors

FLAT_ROWS = 20_000
"""Rows up to which exact search answers in about 2 ms (384 dimensions, one thread)."""


class AutoBackend(BaseBackend):
    """Delegates to ``flat`` up to 20,000 rows and to ``turbovec`` above, where it is installed."""

    name: ClassVar[str] = "auto"
    takes_mask: ClassVar[bool] = True
    tail_share: ClassVar[float] = 0.02
    reads_blocks: ClassVar[bool] = True

    def __init__(self) -> None:
        self._delegate: BaseBackend = FlatBackend()

    @property
    def exact(self) -> bool:
        """Whether the choice fell on exact search."""
        return self._delegate.exact

    @property
    def deepest(self) -> int | None:  # type: ignore[override]
        """What the chosen backend says."""
        return self._delegate.deepest

    @property
    def resolved(self) -> str:
        """Name of the backend that was chosen."""
        return self._delegate.name

    def outgrown(self, rows: int) -> bool:
        """Return whether the choice would be another one; shrinking has to halve the size."""
        if self.exact:
            return rows > FLAT_ROWS and _turbovec_is_installed()
        return rows < FLAT_ROWS // 2

    def build(self, vectors: Matrix) -> None:
        """Choose, and build."""
        if self.outgrown(len(vectors)):
            self._delegate = _turbovec()
        self._delegate.build(vectors)

    def candidates(self, queries: Vectors, n: int, mask: Mask | None = None) -> Keys:
        """Propose what the chosen backend proposes."""
        return self._delegate.candidates(queries, n, mask)

    def propose(
        self, queries: Vectors, n: int, mask: Mask | None = None
    ) -> tuple[Keys, Vectors | None]:
        """Propose what the chosen backend proposes."""
        return self._delegate.propose(queries, n, mask)

    def save(self, folder: Path) -> None:
        """Write the chosen backend's name and files."""
        (folder / "choice.txt").write_text(self.resolved, encoding="utf-8")
        self._delegate.save(folder)

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Read the backend that was chosen when the index was built."""
        choice = (folder / "choice.txt").read_text(encoding="utf-8")
        self._delegate = FlatBackend() if choice == FlatBackend.name else _turbovec()
        self._delegate.load(folder, rows=rows, dim=dim)


def _turbovec_is_installed() -> bool:
    return importlib.util.find_spec("turbovec") is not None


def _turbovec() -> BaseBackend:
    backend: BaseBackend = registry.create("index", "turbovec")
    return backend
