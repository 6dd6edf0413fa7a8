"""What every filter shares: candidates one by one, empty ones left to the filter ``empty``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

_SHOWN = 60
"""Characters of a candidate that a reason quotes."""


class BaseFilter(ABC):
    """A filter that looks at one candidate at a time.

    An author of a filter writes ``name`` and ``_reason``.
    """

    name: ClassVar[str]
    extracts: ClassVar[bool] = True
    """Whether it also looks at candidates made of the source's own sentences on purpose."""

    @abstractmethod
    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        """Say what is wrong with a candidate, whose text holds more than blanks."""

    def reject(self, pool: Pool) -> list[str | None]:
        """Return, for each candidate, why it is not to be shown; None where nothing is wrong.

        Returns
        -------
        list of str or None, length n
            In the order of the candidates; a reason is one line.
        """
        return [self._reject(pool, place, text) for place, text in enumerate(pool.texts)]

    def _reject(self, pool: Pool, place: int, text: str) -> str | None:
        if not text or (place in pool.extracts and not self.extracts):
            return None
        return self._reason(pool, place, text)

    def __repr__(self) -> str:
        return f"<filter {self.name}>"


def quoted(text: str, most: int = _SHOWN) -> str:
    """Return a text between quotation marks on one line, shortened in the middle."""
    line = " ".join(text.split())
    if len(line) > most:
        half = (most - 3) // 2
        line = f"{line[:half].rstrip()} … {line[-half:].lstrip()}"
    return '"' + "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) + '"'


def check_share(value: float, option: str, name: str) -> float:
    """Return an option that is a share, from 0 to 1."""
    if not 0 <= value <= 1:
        raise InvalidInputError(f"{name}: expected {option} from 0 to 1, got {value}")
    return value


def check_count(value: int, option: str, name: str) -> int:
    """Return an option that counts something, at least 1."""
    if value < 1:
        raise InvalidInputError(f"{name}: expected {option} of at least 1, got {value}")
    return value
