"""A text as words, codes and numbers with their places: what claims are read from.

Words are those of scripts with capitals, since they alone tell names from other words; numbers are
read in every script.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from embedkit.ranking.words import fold

_LETTER = (
    "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0370-\u0373\u0376\u0377"
    "\u037b-\u037d\u0386-\u0481\u048a-\u0587\u1e00-\u1fbc\u1fc2-\u1fcc\u1fd0-\u1fdb\u1fe0-\u1fec"
    "\u1ff2-\u1ffc\u2c60-\u2c7f\ua722-\ua787"
)
"""Letters of scripts that tell capitals from small letters: Latin, Greek, Cyrillic, Armenian."""
_PART = rf"[{_LETTER}\d\u0300-\u036f]"
_TOKEN = re.compile(
    rf"""
    (?P<dotted> (?:[{_LETTER}]\.){{2,8}} (?![{_LETTER}]{{2}}) [{_LETTER}]? (?!{_PART}) )  # U.S.
    | (?P<word> [{_LETTER}] {_PART}* (?: [-‐‑'’&] {_PART}+ )* )
    | (?P<time> (?<![\d:.]) \d{{1,2}} : \d\d (?: : \d\d )? (?![\d:]) )
    | (?P<number>
        (?: \d{{1,3}} (?: [,'’\u00a0\u202f\u2009] \d{{3}} )+ (?!\d) (?: \.\d+ )?   # 1,200.5
          | \d{{1,3}} (?: \.\d{{3}} )+ (?![\d.]) ,\d+                             # 1.200,5
          | \d+ (?: [.,]\d+ )*
          | (?<![\d.]) \.\d+ )
        (?: [eE] [-+−]? \d{{1,3}} (?!{_PART}) )?
        [½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞]?
        (?P<tail> [{_LETTER}\u0300-\u036f]* )
      | [½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞] (?P<vulgar>) )
    """,
    re.VERBOSE,
)
_APOSTROPHES = re.compile("['’]s?$")
_SPLIT = re.compile("[-‐‑'’&.]")

Kind = Literal["word", "number", "time"]


class Token(NamedTuple):
    """A word, a code or a number: ``text == whole[start:end]``."""

    text: str
    start: int
    end: int
    kind: Kind
    tail: str = ""
    """Letters that stand behind the digits of a number, such as ``k`` or ``th``."""


def tokens(text: str) -> list[Token]:
    """Return the words of scripts with capitals and all numbers of a text, in order."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind in ("word", "dotted"):
            found.append(Token(match[0], match.start(), match.end(), "word"))
        elif kind == "time":
            found.append(Token(match[0], match.start(), match.end(), "time"))
        else:
            tail = match["tail"] or ""
            found.append(Token(match[0], match.start(), match.end(), "number", tail))
    return found


@lru_cache(maxsize=65536)
def plain(word: str) -> str:
    """Return a word folded, without the ending of a possessive."""
    return fold(_APOSTROPHES.sub("", word))


@lru_cache(maxsize=65536)
def squeezed(word: str) -> str:
    """Return a word folded, without what joins its parts: ``GPT-2`` and ``U.S.`` as one word."""
    return _SPLIT.sub("", plain(word))


@lru_cache(maxsize=65536)
def parts(word: str) -> tuple[str, ...]:
    """Return the folded parts of a compound; a word that is none is its own only part."""
    return tuple(part for part in _SPLIT.split(plain(word)) if part)
