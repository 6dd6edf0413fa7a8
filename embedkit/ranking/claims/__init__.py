"""Numbers, names and dates that a text states, and whether its source holds them.

What is the same:

- a number of the same value, however it is written: ``twelve`` and 12, ``1,200`` and
  ``1.2 thousand``, ``5 %`` and ``five percent``, ``half`` and ``50 %``, ``3rd`` and ``third``;
- a rounded number only where the text itself says so (``about 50`` for 49.7) and rounds rightly;
- a date that says no more than one of the source, in any form (``5 March`` and ``2020-03-05``);
- a name each of whose words stands in the source, whatever its case and accents, in the singular
  or plural or possessive; an acronym of three letters or more whose words stand there in their
  order (``CNNs`` and ``convolutional neural network``), but one that the text introduces
  between brackets must stand in the source as it is; a name that spells out an acronym of the
  source with at least half of its words in the source.

What is not: a word at the beginning of a sentence, unless a name follows; words such as ``one`` and
``first``, which are rarely numbers; ``last year``.

Where it is weaker: German writes all nouns with capitals, so only names of two words and more,
acronyms and codes are looked at there, and in languages other than English an ending of up to three
letters does not count (``Москве`` and ``Москва``). A script without capitals has no names that can
be told: only its numbers, and words in Latin letters, are looked at. :func:`limits` says which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embedkit.ranking.claims.dates import dates
from embedkit.ranking.claims.facts import Facts, facts_of, minutes
from embedkit.ranking.claims.names import unheld_names
from embedkit.ranking.claims.numbers import is_code, numbers
from embedkit.ranking.claims.tokens import Token, tokens
from embedkit.sentences import Sentence, sentences

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

_NEAREST = 20
"""Claims of a text for which the nearest in the source is looked for."""
_CITATION = re.compile(r"\[\d{1,3}(?:\s?[,;–-]\s?\d{1,3})*\]")
_ITEM = re.compile(r"^[ \t]{0,8}\(?(\d{1,3})[.)](?=\s)", re.MULTILINE)

__all__ = ["Claim", "limits", "unheld", "unsupported", "unsupported_in"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A number, name or date that a text states.

    Attributes
    ----------
    kind : {"number", "date", "name"}
    text : str
        As it is written: ``whole[start:end]``.
    start, end : int
        Where it stands in the text, in characters.
    missing : str
        What of it the source does not hold: one word of a name, or all of it.
    nearest : str
        What the source holds that is most like it; empty where nothing is.
    """

    kind: Literal["number", "date", "name"]
    text: str
    start: int
    end: int
    missing: str
    nearest: str = ""

    def __str__(self) -> str:
        """Say it in a line: ``the number 48 is not in the source; nearest: 84``."""
        said = " ".join(self.text.split())
        of = f" ({self.missing})" if self.missing not in (said, self.text) else ""
        near = f"; nearest: {self.nearest}" if self.nearest else ""
        return f"the {self.kind} {said}{of} is not in the source{near}"


def unsupported(pool: Pool) -> list[list[Claim]]:
    """Return the claims of each candidate of a pool that its source does not hold.

    Returns
    -------
    list of list of Claim, length n
        In the order of the candidates and of their texts; an empty list where everything is held.
        What an answer repeats of the question counts as held.
    """
    facts = facts_of(pool.source, pool.question)
    return [
        unheld(text, listed, facts, cites=bool(pool.question))
        for text, listed in zip(pool.texts, pool.candidate_sentences, strict=True)
    ]


def unsupported_in(text: str, source: str, question: str = "") -> list[Claim]:
    """Return the claims of one text that a source does not hold, in their order.

    Examples
    --------
    >>> [str(claim) for claim in unsupported_in("It has 48 pages.", "A book of 84 pages.")]
    ['the number 48 is not in the source; nearest: 84']
    """
    return unheld(text, sentences(text), facts_of(source, question), cites=bool(question))


def limits(source: str) -> str:
    """Say what cannot be told for a source; empty where all of it can.

    Examples
    --------
    >>> limits("東京都は日本の首都で、人口は約1400万人である。")
    'names are not checked: their script has no capitals'
    """
    facts = facts_of(source)
    if not facts.has_capitals:
        return "names are not checked: their script has no capitals"
    if facts.language.name == "German":
        return "names of one word are not checked: German writes all nouns with capitals"
    return ""


def unheld(text: str, listed: Sequence[Sentence], facts: Facts, *, cites: bool) -> list[Claim]:
    """Return the claims of a text that facts do not hold, in their order.

    Parameters
    ----------
    listed : sequence of Sentence
        The sentences of the text.
    cites : bool
        Whether numbers in square brackets name sources, and claim nothing.
    """
    found = tokens(text)
    taken = _Taken([*(_citations(text) if cites else []), *_items(text)])
    claims: list[Claim] = []
    for date in dates(text):
        taken.add(date.start, date.end)
        if not facts.holds_date(date):
            claims.append(Claim("date", date.text, date.start, date.end, date.text))
    claims += _numbers(text, found, taken, facts)
    for first, last, word in _names(text, listed, found, taken, facts):
        said = text[first.start : last.end]
        near = facts.nearest_name(word.text) if len(claims) < _NEAREST else ""
        claims.append(Claim("name", said, first.start, last.end, word.text, near))
    return sorted(claims, key=lambda claim: (claim.start, claim.end))


class _Taken:
    """Places of a text that are read already, or claim nothing."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._places: set[int] = set()
        for start, end in spans:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """Take the characters from start to end."""
        self._places.update(range(start, end))

    def __contains__(self, place: object) -> bool:
        return place in self._places


def _numbers(text: str, found: list[Token], taken: _Taken, facts: Facts) -> list[Claim]:
    """Return the numbers and times of day that the facts do not hold."""
    times = [token for token in found if token.kind == "time" and token.start not in taken]
    claims = [
        Claim("number", token.text, token.start, token.end, token.text)
        for token in times
        if not _holds_time(token, facts)
    ]
    codes = _Taken((token.start, token.end) for token in found if is_code(token))
    for number in numbers(text, found, facts.language.name):
        if not number.claimed or number.start in taken or number.start in codes:
            continue
        if not facts.holds_number(number):
            near = facts.nearest_number(number) if len(claims) < _NEAREST else ""
            claims.append(Claim("number", number.text, number.start, number.end, number.text, near))
    return claims


def _holds_time(token: Token, facts: Facts) -> bool:
    hours, minute = token.text.split(":")[:2]
    if int(hours) > 24 or int(minute) > 59 or token.text.count(":") > 1:
        return token.text in facts.text  # a score, a ratio, a duration
    return minutes(token.text) in facts.times


def _names(
    text: str,
    listed: Sequence[Sentence],
    found: list[Token],
    taken: _Taken,
    facts: Facts,
) -> Iterator[tuple[Token, Token, Token]]:
    """Yield the names of all sentences that the facts do not hold."""
    at = 0
    for sentence in listed:
        inside = []
        while at < len(found) and found[at].start < sentence.end:
            inside.append(found[at])
            at += 1
        yield from unheld_names(text, inside, facts, taken)


def _citations(text: str) -> list[tuple[int, int]]:
    """Return where an answer names its sources by their numbers: ``[1]``, ``[2, 3]``."""
    return [match.span() for match in _CITATION.finditer(text)]


def _items(text: str) -> list[tuple[int, int]]:
    """Return where the items of a list are numbered, from 1 on without a gap."""
    found = list(_ITEM.finditer(text))
    counted = [int(match[1]) for match in found] == list(range(1, len(found) + 1))
    return [match.span() for match in found] if counted and len(found) > 1 else []
