"""Where a text may be cut: between paragraphs, sentences, lines, words, or after a sign.

A border is the position of the first character of what follows, so that the blanks between two
parts belong to the first. Everything here is one pass over the text, whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedkit.types import Keys

_WORD, _LINE, _SENTENCE, _PARAGRAPH = range(4)

_BLANKS = re.compile(r"\s+")
_ENDS = ".!?…。！？｡．؟۔।॥։።។"
_CLOSERS = "'\"”’»)]}）」』】〉》*_"
_FULL_STOP = re.compile(rf"[。！？｡।॥።។]+[{re.escape(_CLOSERS)}]*")
"""Ends a sentence without a blank after it."""
_MARKER = re.compile(r"(?:[-*+•‣◦–—·]|\(?(?:\d{1,3}|[A-Za-z])[.)]|#{1,6}|>)\s")
"""Begins an item of a list, a heading or a quotation."""
IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BETWEEN = re.compile(
    rf"(?<=[{IDEOGRAPH}、，])(?=[^\s、，。！？｡」』）】〉》ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ])"
    rf"|(?<=[^\s「『（【〈《])(?=[{IDEOGRAPH}])(?![ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ])"
)
"""Scripts without blanks between words: a border between any two characters that may be parted."""
_HAS_IDEOGRAPH = re.compile(f"[{IDEOGRAPH}]")
_AFTER_SIGN = re.compile(r"(?<=[^\w\s])(?=[\w])")

_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof rev hon st sr jr messrs gen col capt lt sgt gov sen rep pres vs etc al cf eg
    ie viz ca approx est fig figs eq eqs sec secs ch chap vol vols no nos pp pg ed eds trans dept
    univ inst inc ltd co corp bros ave blvd rd mt ft jan feb mar apr jun jul aug sep sept oct nov
    dec mon tue wed thu fri sat sun hr hrs min max art arts op cit ibid resp incl excl ref refs
    bzw usw vgl zb dh ua sog evtl ggf inkl nr str hrsg mme mlle av env sra srta dra ud uds pág núm
    e.g i.e u.s u.k u.n a.m p.m ph.d b.c a.d z.b d.h u.a
    """.split()  # noqa: SIM905
)
_LAST_WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*$")
_LOOK_BACK = 24
"""Characters before a full stop that are looked at for an abbreviation."""


@dataclass(frozen=True, slots=True)
class Borders:
    """Positions in ascending order, int64; each kind includes those before it."""

    paragraphs: Keys
    sentences: Keys
    lines: Keys
    words: Keys
    signs: Keys


def find_borders(text: str) -> Borders:
    """Return where a text may be cut; neither its beginning nor its end is a border."""
    found: list[tuple[int, int]] = []
    for match in _BLANKS.finditer(text):
        start, stop = match.span()
        if start and stop < len(text):
            found.append((stop, _level(text, start, stop)))
    places = np.fromiter((place for place, _ in found), np.int64, len(found))
    levels = np.fromiter((level for _, level in found), np.int8, len(found))
    paragraphs = places[levels >= _PARAGRAPH]
    stops = [m.end() for m in _FULL_STOP.finditer(text) if m.end() < len(text)]
    sentences = _united(places[levels >= _SENTENCE], [s for s in stops if not text[s].isspace()])
    lines = _united(places[levels >= _LINE], sentences)
    between: list[int] = []
    if _HAS_IDEOGRAPH.search(text):
        between = [m.start() for m in _BETWEEN.finditer(text)]
    words = _united(_united(places, sentences), between)
    signs = _united(words, [m.start() for m in _AFTER_SIGN.finditer(text)])
    return Borders(paragraphs, sentences, lines, words, signs)


def _united(places: Keys, others: Keys | list[int]) -> Keys:
    return np.union1d(places, np.asarray(others, np.int64)) if len(others) else places


def _level(text: str, start: int, stop: int) -> int:
    """Return what kind of border the blanks text[start:stop] are."""
    if stop - start == 1 and text[start] == " ":
        return _SENTENCE if _ends_sentence(text, start, stop) else _WORD
    breaks = _line_breaks(text[start:stop])
    if breaks > 1:
        return _PARAGRAPH
    if _ends_sentence(text, start, stop):
        return _SENTENCE
    if not breaks:
        return _WORD
    return _SENTENCE if _MARKER.match(text, stop) else _LINE


def _line_breaks(blanks: str) -> int:
    """Return how many lines end within blanks; the end of a page counts as an empty line."""
    plain = blanks.replace("\r\n", "\n")
    ends = sum(map(plain.count, "\n\r\x0b\x85\u2028"))
    return ends + 2 * sum(map(plain.count, "\x0c\x1c\x1d\u2029"))


def _ends_sentence(text: str, start: int, stop: int) -> bool:
    """Whether a sentence ends before the blanks text[start:stop]."""
    last = start - 1
    while last > start - 8 and last >= 0 and text[last] in _CLOSERS:
        last -= 1
    if last < 0 or text[last] not in _ENDS:
        return False
    if text[last] != ".":
        return True
    if last and text[last - 1] in _ENDS:
        return not text[stop].islower()
    return not text[stop].islower() and not _abbreviates(text, last)


def _abbreviates(text: str, stop: int) -> bool:
    """Whether the full stop at a position belongs to an abbreviation, an initial or a number."""
    first = max(0, stop - _LOOK_BACK)
    match = _LAST_WORD.search(text[first:stop])
    if match is None:
        return False
    word, before = match[0], first + match.start()
    if len(word) == 1 and word.isalpha():
        return word.isupper() or before == 0 or text[before - 1] in "\n\r("
    if word.isdigit():  # the number of an item, at the beginning of its line
        return len(word) <= 3 and (before == 0 or text[before - 1] in "\n\r")
    return word.lower() in _ABBREVIATIONS
