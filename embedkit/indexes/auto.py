"""Chooses for the user: exact search while that is quick, the quickest index beyond.

Alone it takes turbovec. Where a contract on recall is to be kept (:mod:`embedkit.indexes.contract`)
all that are installed are measured on the user's own vectors, but for those whose build would take
out of proportion long.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from embedkit import registry
from embedkit.indexes.base import BaseBackend
from embedkit.indexes.flat import FlatBackend

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Vectors

FLAT_ROWS = 20_000
"""Rows up to which exact search answers in about 2 ms (384 dimensions, one thread)."""
DEFAULT = "turbovec"
COSTS: dict[str, tuple[float, float]] = {
    "turbovec": (0, 6e-6),
    "annoy": (0, 6e-5),
    "usearch": (0, 1.8e-4),
    "pynndescent": (45, 2.4e-4),
}
"""Seconds that a build takes: at once (to compile) and for each row, of 384 dimensions."""
COST_DIM = 384
LEAST_SECONDS, ROW_SECONDS = 2.0, 2e-5
"""What a build may take by default: a row takes a hundred times as long to embed."""


class AutoBackend(BaseBackend):
    """Delegates to ``flat`` up to 20,000 rows and to another above, if any is installed.

    Parameters
    ----------
    build_seconds : float or None
        What building an index may take by estimate, for it to be considered. By default 20
        microseconds a row, two seconds at least.
    """

    name: ClassVar[str] = "auto"

    def __init__(self, *, build_seconds: float | None = None) -> None:
        self._check_at_least("build_seconds", build_seconds or 0, 0)
        self.build_seconds = build_seconds
        self._take(FlatBackend.name)

    @classmethod
    def of(cls, spec: str) -> AutoBackend:
        """Return one that has chosen already."""
        backend = cls()
        backend._take(spec)
        return backend

    @classmethod
    def of_spec(cls, spec: str) -> AutoBackend:
        """Return one with the options of a spec."""
        backend: AutoBackend = registry.create("index", spec)
        return backend

    def _take(self, spec: str) -> None:
        self._choice = spec
        self._delegate: BaseBackend = registry.create("index", spec)
        self.takes_mask = self._delegate.takes_mask
        self.deepest = self._delegate.deepest
        self.tail_share = self._delegate.tail_share
        self.reads_blocks = self._delegate.reads_blocks
        self.knob = self._delegate.knob
        self.steps = self._delegate.steps

    @property
    def exact(self) -> bool:
        """Whether the choice fell on exact search."""
        return self._delegate.exact

    @property
    def resolved(self) -> str:
        """The backend that was chosen."""
        return self._choice

    @property
    def setting(self) -> dict[str, float]:
        """What the chosen backend is tuned to."""
        return self._delegate.setting

    def tune(self, setting: Mapping[str, float]) -> None:
        """Tune the chosen backend."""
        self._delegate.tune(setting)

    def apart(self) -> Self:
        """Return one whose chosen backend can be tuned without this one's changing."""
        twin = super().apart()
        twin._delegate = self._delegate.apart()
        return twin

    def outgrown(self, rows: int) -> bool:
        """Return whether the choice would be another one; shrinking has to halve the size."""
        if self.exact:
            return rows > FLAT_ROWS and any(map(is_installed, COSTS))
        return rows < FLAT_ROWS // 2

    def candidates_for(self, rows: int, dim: int) -> tuple[list[str], dict[str, str]]:
        """Return the backends worth building, the cheapest first, and why not the others."""
        allowed = self.build_seconds
        if allowed is None:
            allowed = max(LEAST_SECONDS, ROW_SECONDS * rows)
        considered, left_out = [], {}
        for name, (start, each) in COSTS.items():
            seconds = start + each * rows * max(1, dim / COST_DIM)
            if not is_installed(name):
                left_out[name] = "not installed"
            elif seconds > allowed:
                left_out[name] = (
                    f"not built: about {seconds:.0f} s, allowed are {allowed:.0f} "
                    f"(auto?build_seconds={-(-seconds // 10) * 10:.0f})"
                )
            else:
                considered.append(name)
        return considered, left_out

    def build(self, vectors: Matrix) -> None:
        """Choose where nothing was chosen yet, and build."""
        if self.exact and self.outgrown(len(vectors)) and is_installed(DEFAULT):
            self._take(DEFAULT)
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
        """Write the chosen backend's spec and files."""
        (folder / "choice.txt").write_text(self.resolved, encoding="utf-8")
        self._delegate.save(folder)

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Read the backend that was chosen when the index was built."""
        self._take((folder / "choice.txt").read_text(encoding="utf-8"))
        self._delegate.load(folder, rows=rows, dim=dim)


def is_installed(name: str) -> bool:
    """Whether the library of a backend is there; nothing is imported."""
    row: Any = next(row for row in registry.rows("index") if row.name == name)
    return all(importlib.util.find_spec(module) is not None for module in row.requires)
