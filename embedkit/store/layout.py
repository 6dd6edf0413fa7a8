"""Where everything of a collection lies in its folder, and what the name of one may be."""

from __future__ import annotations

import contextlib
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from embedkit.errors import InvalidInputError
from embedkit.types import Precision

ENDINGS: dict[Precision, str] = {"float32": "f32", "int8": "i8", "binary": "bit"}
_NAME = re.compile(r"[^\W_][\w.-]{0,99}", re.UNICODE)


def is_name(name: object) -> bool:
    """Whether a collection may be called so."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and not name.endswith(".")


def check_name(name: str) -> str:
    """Return the name of a collection, or refuse one that could not be a folder's."""
    if not is_name(name):
        raise InvalidInputError(
            f"expected a collection's name of letters, digits, '-', '_' and '.', got {name!r}"
        )
    return name


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a collection's folder."""

    root: Path

    @property
    def work(self) -> Path:
        """The writer's own database."""
        return self.root / "work.duckdb"

    @property
    def commits(self) -> Path:
        """How many transactions the writer's database has committed."""
        return self.root / "work.commits"

    @property
    def manifest(self) -> Path:
        """The published generation."""
        return self.root / "manifest.json"

    @property
    def previous(self) -> Path:
        """The generation before it: the way back."""
        return self.root / "manifest-previous.json"

    @property
    def calibration(self) -> Path:
        """What judgements told of its similarities, where there were any."""
        return self.root / "calibration.json"

    @property
    def lock(self) -> Path:
        """Held by the one writer."""
        return self.root / "lock"

    @property
    def temporary(self) -> Path:
        """What a run may leave behind and the next one clears."""
        return self.root / "tmp"

    def vectors(self, number: int, precision: Precision) -> tuple[Path, Path]:
        """Return the files of a set of vectors; the first set has number 0, which its names omit.

        Returns
        -------
        rows : Path
            The vectors; the ending says how their numbers are kept.
        keys : Path
            For each row: what it is the vector of, and checksums.
        """
        stem = f"vectors-{number}" if number else "vectors"
        return self.root / f"{stem}.{ENDINGS[precision]}", self.root / f"{stem}.keys"

    def records(self, generation: int) -> Path:
        """Return the path of a snapshot of the records, read-only once published."""
        return self.root / f"records-{generation}.duckdb"

    def delta(self, snapshot: int) -> Path:
        """Return the path of what later generations changed in a snapshot of the records."""
        return self.root / f"records-{snapshot}.delta"

    def index(self, generation: int) -> Path:
        """Return the folder of an index that was built for a generation."""
        return self.root / f"index-{generation}"

    def lexical(self, generation: int) -> Path:
        """Return the folder of an index of words that was built for a generation."""
        return self.root / f"lexical-{generation}"

    def clear(self) -> None:
        """Delete what a process that died left half-written. The lock must be held."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        for path in self.root.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()

    def size(self) -> int:
        """Return the bytes that the folder takes."""
        total = 0
        for path in self.root.rglob("*"):
            with contextlib.suppress(OSError):  # a writer may take it away meanwhile
                status = path.stat()
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
        return total
