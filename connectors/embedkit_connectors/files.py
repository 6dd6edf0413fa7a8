"""What all sources that read a file, or standard input, have in common."""

from __future__ import annotations

from pathlib import Path

from embedkit.errors import InvalidInputError
from embedkit_connectors.inputs import Input
from embedkit_connectors.lines import LineReader


class FileSource:
    """Base of the sources that read one file."""

    typed = True

    def __init__(self, path: str | Path | Input, *, encoding: str | None = None) -> None:
        if not str(path):
            raise InvalidInputError("expected the path of a file, got an empty one")
        self.input = path if isinstance(path, Input) else Input(path)
        self.encoding = encoding
        self._reader: LineReader | None = None

    @property
    def name(self) -> str:
        """Absolute path, or ``-``."""
        return self.input.name

    @property
    def label(self) -> str:
        """The path as it was given."""
        return self.input.label

    @property
    def stem(self) -> str:
        """The file's name without the suffixes that say its format."""
        return self.input.stem

    @property
    def notes(self) -> tuple[str, ...]:
        """After reading: what a user should know about how the file was read."""
        return tuple(self._reader.notes) if self._reader else ()

    def reader(self) -> LineReader:
        """Return the lines of the file, from the beginning."""
        self._reader = LineReader(self.input, self.encoding)
        return self._reader

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r})"
