"""Text from anywhere, made safe and measured for a terminal."""

from __future__ import annotations

import re
import unicodedata

# Control characters, the overrides and isolates of bidirectional text, lone surrogates: each can
# move the cursor, change colours or reorder the line for whatever is printed after it.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BLANKS = re.compile(r"[\s\x85\u2028\u2029]+")
_ZERO = frozenset(("Mn", "Me", "Cf"))


def clean(text: str) -> str:
    """Return the text on one line, each stretch of blanks as one, control characters spelt out."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return _CONTROL.sub(_spell, _BLANKS.sub(" ", text)).strip(" ")


def harmless(text: str) -> str:
    """Return the text with its lines and tabs, and every other control character spelt out."""
    return _CONTROL_BUT_LINES.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def width(text: str) -> int:
    """Return the columns that the text takes on a terminal.

    East Asian wide characters take two, combining marks and joiners none (Unicode, annex 11).
    """
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.category(character) in _ZERO or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, limit: int) -> str:
    """Return the text in at most ``limit`` columns, ended by ``…`` where something is left out."""
    if width(text) <= limit:
        return text
    taken, used = [], 0
    for character in text:
        used += _columns(character)
        if used > limit - 1:
            break
        taken.append(character)
    return "".join(taken).rstrip() + "…"


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return the text filled up with blanks to a number of columns."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def count(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 row`` or ``2,000 rows``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(number: int) -> str:
    """Return bytes in the unit that reads best: ``812 B``, ``1.2 MB``."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
