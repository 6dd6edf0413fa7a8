"""The numbers of a text by their values, however they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

from embedkit.ranking.claims.number_words import (
    ABOUT,
    ATTACHED,
    LOOSE,
    NOT_CLAIMED,
    ORDINALS,
    PARTS,
    SCALES,
    SMALL,
    SPELLED,
    TENS,
    foreign,
)
from embedkit.ranking.claims.tokens import Token, plain

Value: TypeAlias = int | Fraction

_DIGITS = 30
"""Digits of the longest number that has a value; a longer one is a code."""
_SEPARATORS = re.compile("[,'’\u00a0\u202f\u2009]")
_VULGAR = {
    sign: Fraction(int(over), int(under))
    for sign, over, _, under in (
        "½1/2", "⅓1/3", "⅔2/3", "¼1/4", "¾3/4", "⅕1/5", "⅖2/5", "⅗3/5", "⅘4/5", "⅙1/6", "⅚5/6",
        "⅛1/8", "⅜3/8", "⅝5/8", "⅞7/8",
    )
}  # fmt: skip
_EAST = {"万": 10**4, "萬": 10**4, "만": 10**4, "亿": 10**8, "億": 10**8, "억": 10**8,
         "千": 10**3, "百": 100}  # fmt: skip
_PERCENT = re.compile(
    r"\s?(?:[%％٪]|(?:percent|per\scent|pct|prozent|procent|pour\scent|por\sciento|per\scento)\b)",
    re.IGNORECASE,
)
_MARK = re.compile(r"[~≈∼]\s?$")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in a text.

    Attributes
    ----------
    values : tuple of int or Fraction
        What it may mean; empty for a code such as ``1.2.3`` or a number of forty digits.
    claimed : bool
        False where the word is a number and more often something else, such as ``one``.
    rounded : bool
        Whether the text itself says so, as in ``about 50``.
    percent : bool
    """

    text: str
    start: int
    end: int
    values: tuple[Value, ...]
    claimed: bool = True
    rounded: bool = False
    percent: bool = False


def numbers(text: str, found: Sequence[Token], language: str = "") -> list[Number]:
    """Return the numbers of a text in order.

    Parameters
    ----------
    found : sequence of Token
        The tokens of the text.
    language : str
        Of the text; decides what ``1.200`` may mean, and which words are numbers. English words
        are read in English, and where the language is not known.
    """
    english = language in ("", "English")
    others = foreign(language)
    listed: list[Number] = []
    i = 0
    while i < len(found):
        token = found[i]
        if token.kind == "time":
            i += 1
        elif token.kind == "number":
            i = _written(text, found, i, english, listed)
        elif any(c.isdigit() for c in token.text):
            listed += _inside(token, english)
            i += 1
        else:
            i = _spelled(text, found, i, english, others, listed)
    return listed


def _written(text: str, found: Sequence[Token], i: int, english: bool, listed: list[Number]) -> int:
    """Read a number in digits and what follows it; return where to go on."""
    token = found[i]
    digits = token.text[: len(token.text) - len(token.tail)]
    end, after = token.end, i + 1
    rounded = _says_about(text, found, i)
    split = _listed(digits)
    if split:
        at = token.start
        for part in split:
            listed.append(Number(part, at, at + len(part), read(part, english)))
            at += len(part) + 1
        return after
    values = read(digits, english)
    if token.tail in ATTACHED:
        values = _times(values, ATTACHED[token.tail])
    elif token.tail.isupper():
        values = ()  # a name, such as 3D, that no 3 alone supports
    elif not token.tail:
        following = _next_word(text, found, i)
        if following in SPELLED:
            values = _times(values, SPELLED[following])
            end, after = found[i + 1].end, i + 2
        elif text[end : end + 1] in _EAST:
            values = _times(values, (_EAST[text[end]],))
            end += 1
        else:
            values, end, after = _fraction(text, found, i, values)
    percent = _PERCENT.match(text, end)
    listed.append(
        Number(text[token.start : end], token.start, end, values, True, rounded, bool(percent))
    )
    return after


def _fraction(
    text: str, found: Sequence[Token], i: int, values: tuple[Value, ...]
) -> tuple[tuple[Value, ...], int, int]:
    """Read ``1/2`` as a fraction that has the value of either number alone, too."""
    end = found[i].end
    if i + 1 < len(found) and text[end : end + 1] == "/" and found[i + 1].start == end + 1:
        under = found[i + 1]
        if under.kind == "number" and under.text.isdigit() and found[i].text.isdigit():
            below = read(under.text, english=True)
            if values and below and below[0] and text[under.end : under.end + 1] != "/":
                return (Fraction(values[0]) / below[0],), under.end, i + 2
    return values, end, i + 1


def _inside(token: Token, english: bool) -> list[Number]:
    """Return the numbers of a compound whose other parts are no names: ``top-5``, ``mid-1990s``."""
    listed = []
    for match in re.finditer(r"(?<![^\W_])(\d[\d.,]*)([a-z]*)(?![^\W_])", token.text):
        at = token.start + match.start()
        listed.append(Number(match[0], at, at + len(match[0]), read(match[1], english)))
    return listed


def is_code(token: Token) -> bool:
    """Whether a token with letters and digits names something: ``GPT-2``, ``H1N1``, ``Person1``.

    ``top-5`` and ``mid-1990s`` name nothing: their letters are small, and stand apart.
    """
    if token.kind != "word" or not any(map(str.isdigit, token.text)):
        return False
    return any(
        not part.isdigit() and (not part.islower() or (part[0].isalpha() and part[-1].isdigit()))
        for part in re.split("[-‐‑'’&]", token.text)
    )


@lru_cache(maxsize=65536)
def read(digits: str, english: bool) -> tuple[Value, ...]:
    """Return what a number in digits may mean: no value, one, or two.

    ``1,200`` is 1200 in English; elsewhere it may be 1.2 as well, and ``1.200`` also 1200.
    """
    over = _VULGAR.get(digits[-1:])
    if over is not None:
        whole = read(digits[:-1], english) if len(digits) > 1 else (0,)
        return tuple(value + over for value in whole)
    body, _, exponent = digits.lower().replace("−", "-").partition("e")
    if sum(map(str.isdigit, body)) > _DIGITS:
        return ()
    values = dict.fromkeys(value for value in _readings(body, english) if value is not None)
    if not exponent:
        return tuple(values)
    power = int(exponent)
    return tuple(_whole(value * Fraction(10) ** power) for value in values)


def _readings(body: str, english: bool) -> list[Value | None]:
    grouped = re.fullmatch(r"\d{1,3}(?:[,'’\u00a0\u202f\u2009]\d{3})+(?:\.\d+)?", body)
    dotted = re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", body)
    found: list[Value | None] = []
    if grouped:
        found.append(_value(_SEPARATORS.sub("", body)))
    if re.fullmatch(r"\d*\.?\d+", body):
        found.append(_value(body))
    if dotted and (not english or body.count(".") > 1 or "," in body):
        found.append(_value(body.replace(".", "").replace(",", ".")))
    if re.fullmatch(r"\d+,\d+", body) and (not english or not grouped):
        found.append(_value(body.replace(",", ".")))
    return found


def _value(plain_digits: str) -> Value:
    whole, _, behind = plain_digits.partition(".")
    if not behind.strip("0"):
        return int(whole or "0")
    return Fraction(int((whole or "0") + behind), 10 ** len(behind))


def _whole(value: Value) -> Value:
    return int(value) if value == int(value) else value


def _listed(digits: str) -> list[str]:
    """Return the parts of ``1,2,3``; empty where it is one number."""
    pieces = digits.split(",")
    if len(pieces) < 2 or read(digits, english=False):
        return []
    return pieces


def _times(values: Sequence[Value], scales: Sequence[int]) -> tuple[Value, ...]:
    return tuple(dict.fromkeys(_whole(value * scale) for value in values for scale in scales))


def _next_word(text: str, found: Sequence[Token], i: int) -> str:
    """Return the next word, folded, where only a blank or a hyphen stands between."""
    if i + 1 == len(found) or found[i + 1].kind != "word":
        return ""
    between = text[found[i].end : found[i + 1].start]
    return plain(found[i + 1].text) if between in (" ", "-", "\u00a0", "\u202f") else ""


def _says_about(text: str, found: Sequence[Token], i: int) -> bool:
    start = found[i].start
    if _MARK.search(text[max(0, start - 3) : start]):
        return True
    if not i or found[i - 1].kind != "word" or start - found[i - 1].end > 2:
        return False
    return plain(found[i - 1].text) in ABOUT


def _spelled(
    text: str,
    found: Sequence[Token],
    i: int,
    english: bool,
    others: dict[str, Value],
    listed: list[Number],
) -> int:
    """Read a number in words that begins at a token, if one does; return where to go on."""
    token = found[i]
    word = plain(token.text)
    if not english:
        if word in others:
            values: tuple[Value, ...] = (others[word],)
            following = _next_word(text, found, i)
            if following in SPELLED:
                scaled = _times(values, SPELLED[following])
                end = found[i + 1].end
                listed.append(Number(text[token.start : end], token.start, end, scaled))
                return i + 2
            listed.append(Number(token.text, token.start, token.end, values))
        return i + 1
    if not _begins(word):
        return i + 1
    return _english(text, found, i, listed)


def _begins(word: str) -> bool:
    first = word.partition("-")[0]
    return first in _FIRST


_FIRST = frozenset({*SMALL, *TENS, *ORDINALS, *PARTS, *LOOSE, *SCALES, "a"})
_PIECE = re.compile("[-‐‑]")


def _english(text: str, found: Sequence[Token], i: int, listed: list[Number]) -> int:
    """Read an English number in words, as long as its grammar goes on."""
    said, ends, takes = _words_of(text, found, i)
    if said[0] in ("a", *LOOSE) and not (said[0] == "a" and len(said) > 1):
        if said[0] in LOOSE:
            token = found[i]
            loose = (LOOSE[said[0]],)
            listed.append(Number(token.text, token.start, token.end, loose, claimed=False))
        return i + 1
    used, values = _parse(said)
    if not used:
        return i + 1
    end = ends[used - 1]
    start = found[i].start
    words = said[:used]
    claimed = not (used == 1 and words[0] in NOT_CLAIMED)
    percent = bool(_PERCENT.match(text, end))
    listed.append(
        Number(text[start:end], start, end, values, claimed, _says_about(text, found, i), percent)
    )
    return takes[used - 1] + 1


def _words_of(text: str, found: Sequence[Token], i: int) -> tuple[list[str], list[int], list[int]]:
    """Return the words from a token on that may belong to one number: with ends and tokens."""
    said: list[str] = []
    ends: list[int] = []
    takes: list[int] = []
    for k in range(i, min(i + 12, len(found))):
        token = found[k]
        if token.kind != "word":
            break
        if k > i and text[found[k - 1].end : token.start] not in (" ", "-", "\n", "\u00a0"):
            break
        at = token.start
        for piece in _PIECE.split(token.text):
            word = plain(piece)
            if word not in _GRAMMAR:
                return (said, ends, takes) if said else ([word], [token.end], [k])
            said.append(word)
            at += len(piece)
            ends.append(at)
            takes.append(k)
            at += 1
    return said, ends, takes


_GRAMMAR = frozenset({*_FIRST, "and", *(f"{word}s" for word in SCALES)})


def _parse(said: Sequence[str]) -> tuple[int, tuple[Value, ...]]:
    """Return how many words the number takes that the words begin with, and its values."""
    if said[0] == "half":
        return _half(said)
    used, value, shape = _cardinal(said)
    rest = said[used:]
    if rest and rest[0] in PARTS and used and value and value < 20:
        share = Fraction(value, PARTS[rest[0]])
        also = (ORDINALS[rest[0]],) if rest[0] in ORDINALS and said[0] == "a" else ()
        return used + 1, (_whole(share), *also)
    if len(rest) >= 3 and used and rest[0] == "and" and rest[1] == "a" and rest[2] == "half":
        value = value + Fraction(1, 2)
        used += 3
        if said[used : used + 1] and said[used].rstrip("s") in SCALES:
            value *= SCALES[said[used].rstrip("s")]
            used += 1
        return used, (_whole(value),)
    if rest and rest[0] in ORDINALS and (not used or shape == "tens"):
        return used + 1, (value + ORDINALS[rest[0]],)
    if used and said[0] == "a" and used == 1:
        return 0, ()
    return used, (value,) if used else ()


def _half(said: Sequence[str]) -> tuple[int, tuple[Value, ...]]:
    if len(said) > 2 and said[1] == "a" and said[2] in SCALES:
        return 3, (_whole(Fraction(SCALES[said[2]], 2)),)
    return 1, (Fraction(1, 2),)


def _cardinal(said: Sequence[str]) -> tuple[int, Value, str]:
    """Read a cardinal number; return its words, its value and what it ends with."""
    total: Value = 0
    group: Value = 0
    shape = ""  # what was read last: "small", "tens", "scale"
    used = 0
    for i, word in enumerate(said):
        if word in SMALL:
            if shape == "small" or (shape == "tens" and not 0 < SMALL[word] < 10):
                if total == 0 and 10 < group <= 20 and SMALL[word] >= 10:  # nineteen eighteen
                    return i + 1, group * 100 + SMALL[word], "small"
                break
            group += SMALL[word]
            shape = "small"
        elif word in TENS:
            if shape in ("small", "tens"):
                if total == 0 and 10 <= group <= 20:  # nineteen ninety-nine
                    ones = SMALL.get(said[i + 1], 0) if i + 1 < len(said) else 0
                    ones = ones if ones < 10 else 0
                    year = group * 100 + TENS[word] + ones
                    return i + 1 + bool(ones), year, "small"
                break
            group += TENS[word]
            shape = "tens"
        elif word in SCALES or (used and word[:-1] in SCALES):
            if not shape and word != "dozen":
                break
            scale = SCALES.get(word) or SCALES[word[:-1]]
            if scale <= 100:
                group = (group or 1) * scale
            else:
                total += (group or 1) * scale
                group = 0
            shape = "scale"
        elif word == "a" and not used and len(said) > 1 and (said[1] in SCALES or said[1] in PARTS):
            group, shape = 1, "a"
        elif (
            word == "and"
            and shape == "scale"
            and i + 1 < len(said)
            and (said[i + 1] in SMALL or said[i + 1] in TENS)
        ):
            continue
        else:
            break
        used = i + 1
    return used, total + group, shape
