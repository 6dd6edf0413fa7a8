"""What asking a collection may be told, besides the question; checked here, in one place."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypedDict

from embedkit.errors import InvalidInputError
from embedkit.types import MODES, Mode
from embedkit.validate import check_k

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedkit.protocols import Generator

NEIGHBORS = 2
CHUNK_TOKENS = 64
"""Both as in the retrieval-enhanced transformer (Borgeaud et al., 2022)."""
RECORDS = 5
"""Records that are looked through for neighbours."""
CANDIDATES = 5
LEAST = 0.5
"""How probable it must be that what was found bears on the question."""


class FindOptions(TypedDict, total=False):
    """Options of :meth:`embedkit.Collection.passages_for`, which says what they mean."""

    neighbors: int
    chunk_tokens: int | None
    records: int
    where: str | None
    mode: Mode


class AskOptions(FindOptions, total=False):
    """Options of :meth:`embedkit.Collection.ask`, which says what they mean."""

    generator: str | Generator | None
    n: int
    least: float
    most_words: int | None
    context: int | None
    temperature: float | None
    seed: int | None
    score: str | Mapping[str, float]
    filters: Any
    progress: Any


@dataclass(frozen=True, slots=True)
class Finding:
    """How to find, checked; None for ``chunk_tokens`` is the collection's own passages, or 64."""

    neighbors: int = NEIGHBORS
    chunk_tokens: int | None = None
    records: int = RECORDS
    where: str | None = None
    mode: Mode = "hybrid"

    def __post_init__(self) -> None:
        check_k(self.neighbors, "neighbors")
        check_k(self.records, "records")
        if self.chunk_tokens is not None:
            check_k(self.chunk_tokens, "chunk_tokens")
        if self.mode not in MODES:
            raise InvalidInputError(
                f"expected mode to be one of {', '.join(MODES)}, got {self.mode!r}"
            )


@dataclass(frozen=True, slots=True)
class Asking:
    """How to answer, checked."""

    generator: str | Generator | None = None
    n: int = CANDIDATES
    least: float = LEAST
    most_words: int | None = None
    context: int | None = None
    temperature: float | None = None
    seed: int | None = None
    score: Any = None
    filters: Any = "default"
    progress: Any = None

    def __post_init__(self) -> None:
        check_k(self.n, "n")
        for name in ("most_words", "context"):
            if getattr(self, name) is not None:
                check_k(getattr(self, name), name)
        number = isinstance(self.least, (int, float)) and not isinstance(self.least, bool)
        if not number or not 0 <= self.least <= 1:
            raise InvalidInputError(f"expected least to be from 0 to 1, got {self.least!r}")


def check_options(options: Mapping[str, Any]) -> tuple[Finding, Asking]:
    """Return the options, or refuse them.

    Raises
    ------
    InvalidInputError
        A value that cannot be meant.
    TypeError
        There is no such option; the nearest is offered.
    """
    finding = [field.name for field in fields(Finding)]
    asking = [field.name for field in fields(Asking)]
    for name in options:
        if name not in finding + asking:
            near = difflib.get_close_matches(name, finding + asking, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {finding + asking}"
            raise TypeError(f"asking has no option {name!r}; {hint}")
    return (
        Finding(**{name: options[name] for name in finding if name in options}),
        Asking(**{name: options[name] for name in asking if name in options}),
    )


def check_question(question: Any) -> str:
    """Return the question, or refuse what is none.

    Raises
    ------
    InvalidInputError
    """
    if not isinstance(question, str):
        raise InvalidInputError(f"expected a text as question, got {type(question).__name__}")
    if not question.strip():
        raise InvalidInputError("expected a question with words, got an empty one")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"expected Unicode text, got a lone surrogate at character {error.start} of the "
            "question"
        ) from error
    return question.strip()
