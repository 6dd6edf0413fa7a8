"""The names of a candidate that its source does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from embedkit.ranking.claims.facts import Facts, is_acronym
from embedkit.ranking.claims.numbers import is_code
from embedkit.ranking.claims.tokens import Token, parts, plain
from embedkit.ranking.languages import FUNCTION_WORDS

_TITLES = frozenset(
    """
    mr mrs ms miss dr prof professor sir madam lord lady herr frau monsieur madame
    senor senora signor signora mme mlle president minister king queen pope
    """.split()  # noqa: SIM905
)
"""Ways to address somebody: no part of the name."""
_OPENS = re.compile(r"[:;\"“„«‘(\[•*#>|–—-]\s*$|(?:^|\s)['’]$|[.!?…]['\"”’)\]]*\s+$|\n\s*$")
"""What stands before a word that may have its capital from its place."""
_TITLED = 0.7
"""Share of words with capitals from which on a sentence is a title, whose capitals say nothing."""
_LEAST_TITLED = 4
_ORDINARY = re.compile(
    r"(?:ing|ings|tion|tions|sion|sions|ment|ments|ness|ity|ities|ive|ively|ous|able|ible|ful|less"
    r"|ally|ly|ism|ized|ised|izing|ed|ence|ance|ences|ances|ure|ures|ology|ologies|ical|ial"
    r"|ional|ary|ent|ant|ers|er|ors|or|age|ship|work|works)$"
)
"""Endings of words that are hardly names."""


def unheld_names(
    text: str, sentence: Sequence[Token], facts: Facts, taken: Sequence[tuple[int, int]]
) -> Iterator[tuple[Token, Token, Token]]:
    """Yield the names of a sentence that the facts do not hold.

    Parameters
    ----------
    text : str
        The whole candidate.
    sentence : sequence of Token
        The tokens of the sentence.
    taken : sequence of (start, end)
        Places that are part of a date.

    Yields
    ------
    (first, last, word)
        The first and the last word of the name, and the first word that is not held.
    """
    german = facts.language.name == "German"
    small = FUNCTION_WORDS["English"] | FUNCTION_WORDS.get(facts.language.name, frozenset())
    titled = not german and _is_titled(sentence, small)
    for run in _runs(text, sentence, small, taken):
        missing = [
            token
            for place, token in enumerate(run)
            if _is_claimed(text, run, place, facts, titled, german)
            and not facts.holds_word(token.text)
        ]
        if missing and _expands_acronym(run, facts):
            continue
        if missing:
            yield run[0], run[-1], missing[0]
        elif not titled and not german:
            mixed = _mixed(run, facts)
            if mixed is not None:
                yield run[0], run[-1], mixed


def _runs(
    text: str,
    sentence: Sequence[Token],
    small: frozenset[str],
    taken: Sequence[tuple[int, int]],
) -> list[list[Token]]:
    """Return the words with capitals, those that follow each other together."""
    found: list[list[Token]] = []
    last: Token | None = None
    for token in sentence:
        inside = any(start <= token.start < end for start, end in taken)
        if token.kind != "word" or inside or not _is_name(token, small):
            last = None
            continue
        if last is not None and text[last.end : token.start] in (" ", "\u00a0", ". "):
            found[-1].append(token)
        else:
            found.append([token])
        last = token
    return found


def _is_name(token: Token, small: frozenset[str]) -> bool:
    """Whether a word is written like a name: with a capital anywhere, or as a code."""
    word = token.text
    if len(word.rstrip(".")) < 2 or (word.islower() and not is_code(token)):
        return False
    name = plain(word)
    if name in _TITLES or name.rstrip(".") in _TITLES:
        return False
    if name in small and not (is_acronym(word) and len(word) > 1):
        return False
    return parts(word)[:1] != ("i",) or is_acronym(word)


def _is_titled(sentence: Sequence[Token], small: frozenset[str]) -> bool:
    """Whether a sentence is a title, in which words begin with capitals for no other reason."""
    told = [
        token.text
        for token in sentence[1:]
        if token.kind == "word" and plain(token.text) not in small and not is_code(token)
    ]
    plain_capitals = sum(word[0].isupper() and word[1:].islower() for word in told)
    return len(told) >= _LEAST_TITLED and plain_capitals >= _TITLED * len(told)


def _is_claimed(
    text: str, run: Sequence[Token], place: int, facts: Facts, titled: bool, german: bool
) -> bool:
    """Whether a capital says that a word is a name, and not where it stands."""
    token = run[place]
    word = token.text
    if is_code(token) or not (word[0].isupper() and word[1:].islower()):
        return True  # SmolLM, BERT, iPhone
    if german and len(run) == 1:
        return False
    if titled:
        return not _ORDINARY.search(plain(word))
    if place or not _OPENS.search(text[max(0, token.start - 4) : token.start] or "\n"):
        return True
    if len(run) == 1:
        return False
    # The first word of a sentence before a name: part of it where the source, too, has a word
    # with a capital before that name, as in "Barack Obama".
    _, before = facts.pairs
    follows = plain(run[1].text)
    return follows in before and follows not in facts.lower and not _ORDINARY.search(plain(word))


def _expands_acronym(run: Sequence[Token], facts: Facts) -> bool:
    """Whether a name spells out an acronym of the source, half of it in the source's own words."""
    letters = "".join(part[0] for token in run for part in parts(token.text))
    held = sum(facts.holds_word(token.text) for token in run)
    return len(run) > 2 and letters in facts.acronyms and 2 * held >= len(run)


def _mixed(run: Sequence[Token], facts: Facts) -> Token | None:
    """Return a word of a name that the source only has in other names than this one."""
    after, before = facts.pairs
    for left, right in pairwise(run):
        first, second = plain(left.text), plain(right.text)
        if first in facts.lower or second in facts.lower or is_acronym(left.text):
            continue
        if (
            first in after
            and second in before
            and second not in after[first]
            and first not in before[second]
            and _always(first, facts)
            and second not in after
        ):
            return right
    return None


def _always(name: str, facts: Facts) -> bool:
    """Whether a word stands before another word of a name wherever it stands in the source."""
    places = [i for i, token in enumerate(facts.tokens) if plain(token.text) == name]
    return all(
        i + 1 < len(facts.tokens)
        and facts.tokens[i + 1].text[0].isupper()
        and facts.tokens[i + 1].start - facts.tokens[i].end == 1
        for i in places
    )
