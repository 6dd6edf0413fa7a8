"""Characters in place of words."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import BaseFilter, check_share, quoted

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

_LONGEST = 45
"""Characters of the longest word that is taken for one; addresses are told by their signs."""
_LONG = re.compile(rf"[^\W\d_]{{{_LONGEST + 1},}}")
_MOJIBAKE = re.compile("[ÃÂ][\u0080-\u00bf]|â€[\u0080-\u00bf™œ˜“”]|ï»¿")
"""UTF-8 that was read as Latin-1 or Windows-1252."""
_SHORT = 20


class GarbledFilter(BaseFilter):
    """Rejects a text that holds broken characters, or is mostly signs.

    Parameters
    ----------
    least : float, from 0 to 1
        Share of letters, marks and digits among the characters that are not blank.
    """

    name: ClassVar[str] = "garbled"

    def __init__(self, *, least: float = 0.6) -> None:
        self.least = check_share(least, "least", self.name)

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        for c in dict.fromkeys(text):
            if _broken(c) and c not in pool.source:
                return f"it holds a broken character, {_named(c)}"
        found = _MOJIBAKE.search(text)
        if found and found[0] not in pool.source:
            return f"it holds characters of a wrong encoding, {quoted(found[0])}"
        for word in _LONG.findall(text):
            if word not in pool.source and word.isascii():
                return f"it holds a word of {len(word)} letters, {quoted(word, 30)}"
        shown = [c for c in text if not c.isspace()]
        told = sum(unicodedata.category(c)[0] in "LMN" for c in shown)
        if len(shown) >= _SHORT and told < self.least * len(shown):
            return f"only {told} of its {len(shown)} characters are letters or digits"
        return None


def _broken(c: str) -> bool:
    kind = unicodedata.category(c)
    return (
        c == "\ufffd" or kind in ("Cs", "Co", "Cn") or (kind == "Cc" and c not in "\n\t\r\x0b\x0c")
    )


def _named(c: str) -> str:
    return f"U+{ord(c):04X}"
