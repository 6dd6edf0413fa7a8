"""Tokens made visible: many are blanks, line breaks or halves of characters."""

from __future__ import annotations

import re
import unicodedata

_SPELT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
NOTHING = "(nothing)"


def visible(text: str, blank: str = "␣") -> str:
    r"""Return a token so that all of it is seen: ``␣the``, ``\n``, ``\x1b``, ``\u202e``.

    Parameters
    ----------
    blank : str
        Stands for a blank at an end of the token, and for each of a run of them.
    """
    seen = re.sub(r"^ +| +$| {2,}", lambda match: blank * len(match[0]), text)
    if unicodedata.combining(seen[:1] or " "):
        seen = f"◌{seen}"  # else it would sit on what stands before it
    return "".join(map(_spell, seen)) or NOTHING


def _spell(character: str) -> str:
    if character in _SPELT:
        return _SPELT[character]
    if unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
