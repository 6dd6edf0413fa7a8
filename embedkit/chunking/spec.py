"""How a collection cuts its texts, as written in a string: ``tokens=200,overlap=40``."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import Any

from embedkit.errors import InvalidInputError

EXAMPLE = "tokens=200,overlap=40"


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """How long a passage may be, and how much of it the next one repeats.

    Attributes
    ----------
    tokens : int, >= 1
        What a passage may have at most, the tokens included that a model puts around every text.
    overlap : int, >= 0
        What the next passage repeats at most, less than ``tokens``.
    """

    tokens: int
    overlap: int = 0

    @classmethod
    def parse(cls, given: Any) -> ChunkSpec:
        """Read ``tokens=N[,overlap=N]``; one that is read already is returned.

        Raises
        ------
        InvalidInputError
            An unknown or missing key (the nearest is offered), a value that is no whole number,
            or an overlap that leaves nothing new in the next passage.
        """
        if isinstance(given, cls):
            return given
        if not isinstance(given, str):
            raise InvalidInputError(
                f"expected chunks such as {EXAMPLE!r}, got {type(given).__name__}"
            )
        values: dict[str, int] = {}
        for pair in given.split(","):
            name, equals, value = (part.strip() for part in pair.partition("="))
            if not equals:
                raise InvalidInputError(f"expected chunks such as {EXAMPLE!r}, got {given!r}")
            if name in values:
                raise InvalidInputError(f"expected {name} once in the chunks {given!r}")
            values[_known(name)] = _whole(name, value)
        if "tokens" not in values:
            raise InvalidInputError(f"expected tokens in the chunks, as in {EXAMPLE!r}")
        return cls(**values)._checked()

    def _checked(self) -> ChunkSpec:
        if self.tokens < 1:
            raise InvalidInputError("expected at least one token a chunk, got tokens=0")
        if self.overlap >= self.tokens:
            raise InvalidInputError(
                f"expected an overlap of less than the {self.tokens} tokens of a chunk, got "
                f"overlap={self.overlap}",
                do=f"a fifth is usual: tokens={self.tokens},overlap={self.tokens // 5}",
            )
        return self

    def __str__(self) -> str:
        return f"tokens={self.tokens},overlap={self.overlap}"


def _known(name: str) -> str:
    names = [field.name for field in fields(ChunkSpec)]
    if name in names:
        return name
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    raise InvalidInputError(
        f"chunks have no option {name!r}",
        do=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}",
    )


def _whole(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 9:
        raise InvalidInputError(f"expected a whole number for {name} of the chunks, got {value!r}")
    return int(value)
