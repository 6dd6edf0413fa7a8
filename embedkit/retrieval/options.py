"""What a search may be asked for, besides its query; checked here, in one place."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from embedkit.errors import InvalidInputError
from embedkit.types import MODES, Mode
from embedkit.validate import MOST, check_k

if TYPE_CHECKING:
    from embedkit.protocols import Reranker

CANDIDATES = 100
"""Records that a reranker reads, or that a diverse choice is made from."""


class SearchOptions(TypedDict, total=False):
    """Options of every search; see :meth:`embedkit.Collection.search` for what they mean."""

    offset: int
    where: str | None
    mode: Mode
    fusion: str | None
    rerank: str | Reranker | None
    candidates: int
    diversity: float | None
    min_score: float | None
    min_confidence: float | None
    explain: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of a search, checked."""

    k: int
    offset: int = 0
    where: str | None = None
    mode: Mode = "dense"
    fusion: str | None = None
    rerank: str | Reranker | None = None
    candidates: int = CANDIDATES
    diversity: float | None = None
    min_score: float | None = None
    min_confidence: float | None = None
    explain: bool = False

    @property
    def end(self) -> int:
        """How many of the best are passed over or returned."""
        return self.offset + self.k

    @property
    def chooses(self) -> bool:
        """Whether hits are chosen among more candidates than are wanted."""
        return self.rerank is not None or self.diversity is not None

    @property
    def depth(self) -> int:
        """How many records are needed to choose from."""
        return max(self.end, self.candidates) if self.chooses else self.end

    @property
    def asks_model(self) -> bool:
        """Whether the query is to be embedded."""
        return self.mode != "lexical" or self.min_confidence is not None

    def by_vector(self) -> Wanted:
        """Return the options, unless one of them needs the query's text.

        Raises
        ------
        InvalidInputError
        """
        if self.mode != "dense" or self.rerank is not None:
            named = "rerank" if self.rerank is not None else f"mode {self.mode!r}"
            raise InvalidInputError(
                f"expected options for a query without a text, got {named}",
                do="search by a text, or leave it out",
            )
        return self


def check_options(k: Any, options: SearchOptions) -> Wanted:
    """Return the options of a search, or refuse them.

    Raises
    ------
    InvalidInputError
        A value that cannot be meant.
    TypeError
        There is no such option; the nearest is offered.
    """
    known = SearchOptions.__annotations__
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise TypeError(f"a search has no option {name!r}; {hint}")
    wanted = Wanted(check_k(k), **options)
    _check_offset(wanted.offset)
    check_k(wanted.candidates, "candidates")
    _check_page(wanted)
    _check_mode(wanted)
    _check_range("diversity", wanted.diversity)
    _check_range("min_confidence", wanted.min_confidence)
    if wanted.min_score is not None:
        _check_number("min_score", wanted.min_score)
    return wanted


def _check_offset(offset: Any) -> None:
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset <= MOST:
        raise InvalidInputError(
            f"expected offset to be a whole number from 0 to {MOST:,}, got {offset!r}"
        )


def _check_page(wanted: Wanted) -> None:
    """Refuse a page that reaches beyond what is chosen from: others would be chosen on it."""
    if wanted.offset and wanted.chooses and wanted.end > wanted.candidates:
        raise InvalidInputError(
            f"expected offset + k up to {wanted.candidates:,}, the candidates that rerank or "
            f"diversity chooses from, got {wanted.end:,}",
            do="ask for more candidates, the same number on every page",
        )


def _check_mode(wanted: Wanted) -> None:
    if wanted.mode not in MODES:
        raise InvalidInputError(
            f"expected mode to be one of {', '.join(MODES)}, got {wanted.mode!r}"
        )
    if wanted.fusion is not None and wanted.mode != "hybrid":
        raise InvalidInputError(
            f"expected fusion with mode 'hybrid', got mode {wanted.mode!r}",
            do="a single list has nothing to be fused with",
        )


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise InvalidInputError(f"expected {name} to be a number, got {value!r}")


def _check_range(name: str, value: Any) -> None:
    if value is not None:
        _check_number(name, value)
        if not 0 <= value <= 1:
            raise InvalidInputError(f"expected {name} from 0 to 1, got {value}")
