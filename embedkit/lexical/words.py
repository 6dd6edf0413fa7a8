"""How a text is cut into words, for records and queries alike.

Here a text becomes words with blanks between them; tantivy folds case and accents and takes the
endings of English off. What is more than a word is kept whole beside its parts, so that it is
found by either: codes (``ORA-00942``), identifiers (``getUserName``, ``get_user_name``),
addresses (``joe@example.org``), versions (``2.13.0``) and names such as ``C++`` and ``.NET``.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import tantivy

ANALYSIS = 1
"""Which way of cutting an index was made with; another one is built again."""
LONGEST = 200
"""Bytes of the longest word that is kept; longer ones are data, not words."""
LEAST_MISTYPED = 4
"""Letters of the shortest word that may be meant where another is written."""
COMMON = (
    "a about an and any are as at be been being between but by can could did do does for from had"
    " has have he her his how i if in into is it its may me might must my no not of on or our she"
    " should so such than that the their them then there these they this those to us was we were"
    " what when where which who whom whose why will with would you your"
)
"""English words that a question is put with. In a text they are rarer than in a question, so their
idf is no measure of what they tell; of other languages idf alone decides."""
COMMON_SHARE = 0.1
_REMEMBERED = 100_000

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
)
"""Scripts without blanks between words, and Korean, whose words carry particles."""
_RUN = re.compile(f"[{_UNSPACED}]+")
_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u0652\u0670\u200b-\u200f\u2060\ufeff]+"
)
"""Accents, vowel points and characters without width: words with and without them are one."""
_COMPOUND = re.compile(
    r"""
    (?P<number> (?<![\w.,]) \d{1,3} (?:,\d{3})+ (?![\d,]) )             # 1,000
    | (?P<signed> (?<!\w) [^\W\d_] (?:\+\+|\#) (?![\w+\#]) )              # C++, F#
    | (?P<dotted> (?<![\w.]) \. [^\W\d_] \w* (?: [.-] \w+ )* )             # .NET
    | (?P<joined> \w+ (?: [-'’.&@+] \w+ )+ )                             # AB-1234, a.b, it's, R&D
    | (?P<under> _* [^\W_]+ (?: _+ [^\W_]+ )+ )                         # snake_case
    | (?P<camel> (?: [A-Za-z]* [a-z] [A-Z] | [A-Z]{2,} [a-z]{2} ) [A-Za-z0-9]* )  # camelCase
    | (?P<mixed> [A-Za-z]{2,} \d+ )                                     # AB1234
    """,
    re.VERBOSE,
)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_PIECE = re.compile(r"[^\W_]+")
_QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»')
_KEPT = {ord(c): 0xE000 + i for i, c in enumerate(".&@+#-")}
"""Signs that stay inside a word are out of the way while all others become blanks."""


class _Signs(dict[int, int | str]):
    """What stands for each character once words are cut, found out when it is first met."""

    def __missing__(self, code: int) -> int | str:
        kind = unicodedata.category(chr(code))
        shown: int | str = code if kind[0] in "LNM" else 0x20
        if kind == "So":
            shown = f" {chr(code)} "  # an emoji is a word
        self[code] = shown
        return shown


_SIGNS = _Signs({shown: code for code, shown in _KEPT.items()})


class _Words(dict[str, str]):
    """The words of what stands between two blanks, found out when it is first met."""

    def __missing__(self, text: str) -> str:
        bare = text.strip("\"'([,;:!?)]").rstrip(".")
        if bare.isascii() and bare.isalpha() and (bare[1:].islower() or len(bare) == 1):
            shown = bare  # an ordinary word, as most are: what follows would find nothing else
        else:
            shown = _COMPOUND.sub(_taken_apart, text if text.isascii() else _folded(text))
            shown = shown.translate(_SIGNS)
        if len(text) <= LONGEST:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = shown
        return shown


_WORDS = _Words()


def cut(text: str) -> str:
    """Return the words of a text with blanks between them; case, accents and endings are left."""
    return " ".join(map(_WORDS.__getitem__, text.split()))


def _folded(text: str) -> str:
    # Private characters would be taken for the signs that they stand for here.
    text = "".join(" " if "\ue000" <= c <= "\uf8ff" else c for c in text)
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return _RUN.sub(_characters, unicodedata.normalize("NFKC", bare))


def _characters(match: re.Match[str]) -> str:
    """Return each character of a run, and each two that stand together.

    Source: Nie, Gao, Zhang, Zhou: On the Use of Words and N-grams for Chinese Information
    Retrieval, IRAL 2000.
    """
    run = match[0]
    pairs = [f"{a} {a}{b}" for a, b in pairwise(run)]
    return f" {' '.join([*pairs, run[-1]])} "


def _taken_apart(match: re.Match[str]) -> str:
    """Return what is more than a word as a whole and in its parts."""
    text = match[0]
    kind = match.lastgroup
    if kind == "number":
        return text.replace(",", "")
    if kind == "signed":
        return f" {text.translate(_KEPT)} {text[0]} "
    if kind == "joined" and text[-2:] in ("'s", "’s", "'S", "’S"):
        text = text[:-2]
        if _PIECE.fullmatch(text):
            return _COMPOUND.sub(_taken_apart, text)
    if "@" in text.strip("@"):
        sides = _COMPOUND.sub(_taken_apart, text.replace("@", " "))
        return f" {text.translate(_KEPT)} {sides} "
    pieces = _PIECE.findall(text)
    if len(pieces) > 1 and all(len(piece) == 1 and piece.isalpha() for piece in pieces):
        return f" {''.join(pieces)} "  # U.S.A., i.e.
    parts = _parts(pieces)
    # Signs that people leave out or change are left out of the whole, unless digits would run
    # together: e-mail is email, AB-1234 is ab1234, get_user is getUser, but 1-2 is not 12.
    whole = text.strip("_.") if kind != "dotted" else text
    if not _PIECE.sub("", whole).strip("-'’_") and not whole[:1].isdigit():
        whole = "".join(_PIECE.findall(whole))
    whole = whole.replace("_", "").replace("'", "").replace("’", "").translate(_KEPT)
    return f" {' '.join(dict.fromkeys([whole, *parts]))} "


def _parts(pieces: list[str]) -> list[str]:
    """Return the parts of a compound, those of one character only where they are digits."""
    out: list[str] = []
    for piece in pieces:
        small = _PART.findall(piece) if piece.isascii() and not piece.isdigit() else [piece]
        if len(small) > 1 and (piece[0].isdigit() or min(map(len, small)) < 2):
            # 0x7F and 3D are no camel: cut there, nothing but noise would be left.
            small = [piece]
        out += small
    return [part for part in out if len(part) > 1 or part.isdigit()]


def analyzer() -> tantivy.TextAnalyzer:
    """Return what makes terms of the words that :func:`cut` leaves."""
    import tantivy

    kinds = tantivy.Filter
    steps = (
        kinds.remove_long(LONGEST),
        kinds.lowercase(),
        kinds.ascii_fold(),
        kinds.stemmer("english"),
    )
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    for step in steps:
        builder = builder.filter(step)
    return builder.build()


@dataclass(frozen=True, slots=True)
class Asked:
    """The terms of a query.

    Attributes
    ----------
    terms : dict of str to float
        What each counts: how often it is in the query, and of common words a tenth of that.
    phrases : tuple of tuple of str
        What stands in quotes: terms to be found one after the other.
    alike : dict of str to tuple of str
        For a term that no text holds, terms that are, which it may have been meant to be.
    """

    terms: dict[str, float]
    phrases: tuple[tuple[str, ...], ...] = ()
    alike: dict[str, tuple[str, ...]] = field(default_factory=dict)

    PHRASE: ClassVar[float] = 2.0
    """What a phrase counts, beside its words."""
    ALIKE: ClassVar[float] = 0.5
    """What a term counts that only resembles the one of the query."""


def asked(query: str, analyzer: tantivy.TextAnalyzer) -> Asked:
    """Return what a query asks for. Nothing in it is syntax but quotes around a phrase."""
    terms: dict[str, float] = {}
    for term in analyzer.analyze(cut(query)):
        terms[term] = terms.get(term, 0.0) + (COMMON_SHARE if term in _common() else 1.0)
    phrases = (
        tuple(analyzer.analyze(cut(next(filter(None, match.groups())))))
        for match in _QUOTED.finditer(query)
    )
    return Asked(terms, tuple(phrase for phrase in phrases if len(phrase) > 1))


@functools.cache
def _common() -> frozenset[str]:
    return frozenset(analyzer().analyze(COMMON))


def may_be_mistyped(term: str) -> bool:
    """Whether a term nobody knows is taken for a slip: a word, not a code."""
    return len(term) >= LEAST_MISTYPED and term.isalpha()


def is_alike(a: str, b: str) -> bool:
    """Whether one slip makes one of the other: a letter more, less, another, or two swapped."""
    if a == b or abs(len(a) - len(b)) > 1:
        return a == b
    start = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    a, b = a[start:], b[start:]
    if len(a) != len(b):
        return a[1:] == b if len(a) > len(b) else a == b[1:]
    return a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
