"""What a source holds: its words, numbers and dates, ready to be asked."""

from __future__ import annotations

import difflib
from collections import defaultdict
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise

from embedkit.ranking.claims.dates import MONTHS, WEEKDAYS, Date, dates
from embedkit.ranking.claims.numbers import Number, Value, numbers
from embedkit.ranking.claims.tokens import Token, parts, plain, squeezed, tokens
from embedkit.ranking.languages import FUNCTION_WORDS, Language, has_capitals, language
from embedkit.ranking.words import fold

_MOST_NEAR = 3000
"""Names or numbers that are looked through for the nearest of one."""
_ENDINGS = 3
"""Letters of the longest ending that inflects a name, in languages other than English."""
_STEM = 4
_KNOWN_PAIRS = {
    "us": ("united states", "america"), "usa": ("united states", "america"),
    "uk": ("united kingdom", "britain"), "un": ("united nations",), "eu": ("european union",),
    "ai": ("artificial intelligence",), "ml": ("machine learning",),
    "rl": ("reinforcement learning",), "dl": ("deep learning",), "tv": ("television",),
    "pc": ("personal computer",), "qa": ("question answering",), "mt": ("machine translation",),
    "ny": ("new york",), "la": ("los angeles",), "pm": ("prime minister",),
}  # fmt: skip
"""Abbreviations of two letters are taken for granted for these alone: by chance, the first letters
of two neighbouring words of a page are almost any two."""
_ROMAN = {"ii": 2, "iii": 3, "iv": 4, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "xi": 11, "xii": 12}
_LEAST_ACRONYM = 3
_SKIPPED = frozenset(
    """
    a an the of and for to in on with from by at or de la du des
    """.split()  # noqa: SIM905
)


class Facts:
    """The words, numbers and dates of a text.

    Parameters
    ----------
    source : str
    question : str
        What an answer may repeat without claiming it.
    """

    def __init__(self, source: str, question: str = "") -> None:
        self.source = source
        self.text = f"{source}\n\n{question}" if question else source
        self.language: Language = language(source or question)
        self.has_capitals = has_capitals(self.text) or not any(map(str.isalpha, self.text))
        script, name = self.language
        self.inflects = script != "Latin" or name not in ("", "English")
        self.tokens = tokens(self.text)
        self._collect()

    def _collect(self) -> None:
        """Collect the words: whole, in parts, and with their neighbours."""
        words: set[str] = set()
        joined: set[str] = set()
        before = ""
        for token in self.tokens:
            words.update(parts(token.text))
            words.add(plain(token.text))
            one = squeezed(token.text)
            joined.add(one)
            joined.add(before + one)
            before = one
        self.words = frozenset(words)
        self.joined = frozenset(joined)

    @cached_property
    def lower(self) -> frozenset[str]:
        """The folded words that stand in small letters somewhere."""
        return frozenset(
            part
            for token in self.tokens
            if token.kind == "word" and token.text[0].islower()
            for part in parts(token.text)
        )

    @cached_property
    def numbers(self) -> list[Number]:
        """All numbers, in order."""
        return numbers(self.text, self.tokens, self.language.name)

    @cached_property
    def values(self) -> dict[Value, str]:
        """Each value that stands in the text, with how it is first written."""
        found: dict[Value, str] = {}
        for number in self.numbers:
            for value in number.values:
                found.setdefault(value, number.text)
            if number.percent:
                for value in number.values:
                    self._percents.setdefault(Fraction(value) / 100, number.text)
        for date in self.dates:
            for year, _, day in date.readings:
                for told in (year, day):
                    if told is not None:
                        found.setdefault(told, date.text)
        self._add_ranges(found)
        return found

    @cached_property
    def _percents(self) -> dict[Fraction, str]:
        return {}

    def _add_ranges(self, found: dict[Value, str]) -> None:
        """Add the year that the second part of ``1939-45`` is."""
        listed = self.numbers
        for first, second in pairwise(listed):
            between = self.text[first.end : second.start]
            if between not in ("-", "–", "/", " - ") or len(second.text) != 2:
                continue
            if len(first.text) == 4 and first.text.isdigit() and second.text.isdigit():
                found.setdefault(int(first.text[:2] + second.text), second.text)

    @cached_property
    def dates(self) -> list[Date]:
        """All dates, in order."""
        return dates(self.text)

    @cached_property
    def times(self) -> frozenset[int]:
        """The times of day, in minutes after midnight or noon; whole hours from any number."""
        told = (minutes(token.text) for token in self.tokens if token.kind == "time")
        hours = (value for value in self.values if value in range(25))
        return frozenset(told) | frozenset(60 * (int(value) % 12) for value in hours)

    @cached_property
    def pairs(self) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """What follows a name within a name, and what comes before it, both folded."""
        after: dict[str, set[str]] = defaultdict(set)
        before: dict[str, set[str]] = defaultdict(set)
        for left, right in pairwise(self.tokens):
            if right.start - left.end != 1 or self.text[left.end] not in " \u00a0\n":
                continue
            if left.text[0].isupper() and right.text[0].isupper():
                after[plain(left.text)].add(plain(right.text))
                before[plain(right.text)].add(plain(left.text))
        return dict(after), dict(before)

    @cached_property
    def initials(self) -> str:
        """The first letters of the words in their order, small words left out.

        A blank stands where a sentence or a part of it ends: no acronym reaches across.
        """
        found = []
        last = 0
        for token in self.tokens:
            if self.text[last : token.start].strip(" -\u00a0\n") or token.kind != "word":
                found.append(" ")
            last = token.end
            if token.kind == "word":
                found.extend(part[0] for part in parts(token.text) if part not in _SKIPPED)
        return "".join(found)

    @cached_property
    def acronyms(self) -> frozenset[str]:
        """The words that are written in capitals, without the s of a plural, folded."""
        return frozenset(
            squeezed(token.text).rstrip("s")
            for token in self.tokens
            if token.kind == "word" and is_acronym(token.text)
        )

    @cached_property
    def _stems(self) -> frozenset[str]:
        return frozenset(
            word[:length]
            for word in self.words
            for length in range(max(_STEM, len(word) - _ENDINGS), len(word) + 1)
        )

    def holds_word(self, word: str, coined: bool = False) -> bool:
        """Whether a name of one word stands in the text, as it is, in parts or as a plural.

        An abbreviation that is coined must stand there as it is; else its words may, too.
        """
        name = plain(word)
        if name in self.words or squeezed(word) in self.joined:
            return True
        if coined:
            return False
        if any(form in self.words or form in self.joined for form in _forms(name)):
            return True
        if self.inflects and self._shares_stem(name):
            return True
        cut = parts(word)
        code = any(map(str.isdigit, word))  # GPT-3 is not held by GPT and 3
        if not code and len(cut) > 1 and all(p in self.words or p in _SKIPPED for p in cut):
            return True
        return self._holds_otherwise(word, name)

    def _shares_stem(self, name: str) -> bool:
        """Whether a word of the text differs in its ending alone, as names do in many languages."""
        shortest = max(_STEM, len(name) - _ENDINGS)
        return any(name[:length] in self._stems for length in range(len(name), shortest - 1, -1))

    def _holds_otherwise(self, word: str, name: str) -> bool:
        """Whether a month, a Roman number or an acronym stands in the text in another form."""
        month, day = MONTHS.get(name), WEEKDAYS.get(name)
        if month is not None and any(r[1] == month for date in self.dates for r in date.readings):
            return True
        if (month or day is not None) and any(
            same in self.words
            for table in (MONTHS, WEEKDAYS)
            for same, place in table.items()
            if name in table and place == table[name]
        ):
            return True
        if name in _ROMAN and _ROMAN[name] in self.values:
            return True
        return is_acronym(word) and self._spells_out(squeezed(word).removesuffix("s"))

    def _spells_out(self, acronym: str) -> bool:
        """Whether words of the text begin with the letters of an acronym, one after the other."""
        known = _KNOWN_PAIRS.get(acronym)
        if known:
            return any(fold(phrase) in self._folded for phrase in known)
        return len(acronym) >= _LEAST_ACRONYM and acronym in self.initials

    @cached_property
    def _folded(self) -> str:
        return " ".join(plain(token.text) for token in self.tokens)

    def holds_number(self, number: Number) -> bool:
        """Whether the text has a number of the same value, or the same code."""
        if squeezed(number.text) in self.joined:
            return True
        if any(value in self.values for value in number.values):
            return True
        if number.percent and any(Fraction(v) / 100 in self.values for v in number.values):
            return True
        if any(Fraction(value) in self._percents for value in number.values):
            return True
        if number.rounded:
            return any(_rounds(value, number) for value in self.values)
        return not number.values and self._holds_code(number.text)

    def _holds_code(self, code: str) -> bool:
        """Whether a number that is a name stands in the text: 3D may be three-dimensional."""
        if code[-1] == "D" and code[:-1].isdigit() and "dimensional" in self.words:
            return int(code[:-1]) in self.values
        return fold(code) in self._folded

    def holds_date(self, date: Date) -> bool:
        """Whether a date of the text says at least as much, and nothing else."""
        return any(
            self._agrees(said, held)
            for said in date.readings
            for other in self.dates
            for held in other.readings
        )

    def _agrees(
        self, said: tuple[int | None, int, int | None], held: tuple[int | None, int, int | None]
    ) -> bool:
        year, month, day = said
        if month != held[1] or (day is not None and day != held[2]):
            return False
        return year is None or year == held[0] or (held[0] is None and year in self.values)

    def nearest_number(self, number: Number) -> str:
        """Return the number of the text that was most likely meant; empty without any."""
        if not number.values:
            return ""
        wanted = number.values[0]
        held = list(self.values.items())[:_MOST_NEAR]
        if not held:
            return ""
        return min(held, key=lambda item: (not _swapped(wanted, item[0]), _gap(wanted, item[0])))[1]

    def nearest_name(self, name: str) -> str:
        """Return the name of the text that is spelled most like one; empty without any."""
        near = difflib.get_close_matches(plain(name), list(self.names)[:_MOST_NEAR], 1, 0.6)
        return self.names[near[0]] if near else ""

    @cached_property
    def names(self) -> dict[str, str]:
        """Words that stand with a capital, folded, with how they are written."""
        small = FUNCTION_WORDS["English"] | FUNCTION_WORDS.get(self.language.name, frozenset())
        found: dict[str, str] = {}
        for token in self.tokens:
            if token.kind == "word" and not token.text.islower():
                key = plain(token.text)
                if key not in small and key not in self.lower:
                    found.setdefault(key, token.text)
        return found


@lru_cache(maxsize=8)
def facts_of(source: str, question: str = "") -> Facts:
    """Return the facts of a source, read once for all that ask for them."""
    return Facts(source, question)


def minutes(clock: str) -> int:
    """Return the minutes of a time such as ``15:30`` after midnight or noon."""
    hours, minute = clock.split(":")[:2]
    return 60 * (int(hours) % 12) + int(minute)


def is_acronym(word: str) -> bool:
    """Whether a word is written in capitals, but for the s of a plural: ``CNNs``, ``U.S.``."""
    letters = [c for c in word.removesuffix("s") if c.isalpha()]
    return len(letters) > 1 and all(map(str.isupper, letters))


def _forms(name: str) -> list[str]:
    """Return the plural or the singular of a folded name."""
    forms = [name + "s", name + "es"]
    if name.endswith("ies"):
        forms.append(name[:-3] + "y")
    if name.endswith("y"):
        forms.append(name[:-1] + "ies")
    if name.endswith("es"):
        forms.append(name[:-2])
    if name.endswith("s"):
        forms.append(name[:-1])
    return [form for form in forms if len(form) > 1]


def _rounds(value: Value, number: Number) -> bool:
    """Whether a number is a value, rounded to as many digits as the number shows."""
    for said in number.values:
        if said <= 0 or value <= 0:
            continue
        step = _step(said)
        if said != value and abs(Fraction(value) - said) * 2 <= step:
            return True
    return False


def _step(value: Value) -> Fraction:
    """Return what the last digit of a value counts that is not zero: 10 for 50, 1/10 for 2.5."""
    step = Fraction(1)
    if Fraction(value).denominator != 1:
        while (value / step) % 1 and step > Fraction(1, 10**12):
            step /= 10
        return step
    while value % (step * 10) == 0:
        step *= 10
    return step


def _swapped(wanted: Value, held: Value) -> bool:
    """Whether two different whole numbers have the same digits."""
    return sorted(str(wanted)) == sorted(str(held))


def _gap(wanted: Value, held: Value) -> float:
    small, large = sorted((abs(Fraction(wanted)), abs(Fraction(held))))
    return 1.0 if not large else 1 - float(small / large)


__all__ = ["Facts", "Token", "facts_of", "is_acronym", "minutes"]
