"""The names of a candidate that its source does not hold."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
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
_LINE = re.compile(r"\n[\s\-•*#>|–—\d.)]*['\"“„«‘(\[*]*$")
_COLON = re.compile(r":\s*['\"“„«‘(\[*]*$")
"""What stands before a word that may have its capital from its place."""
_BEFORE = 12
"""Characters before a word that are looked at."""
_TITLED = 0.7
"""Share of words with capitals from which on a sentence is a title, whose capitals say nothing."""
_LEAST_TITLED = 4
_ORDINARY = re.compile(
    r"(?:ing|ings|tion|tions|sion|sions|ment|ments|ness|ity|ities|ive|ively|ous|able|ible|ful|less"
    r"|ally|ly|ism|ized|ised|izing|ed|ence|ance|ences|ances|ure|ures|ology|ologies|ical|ial"
    r"|ional|ary|ent|ant|ers|er|ors|or|age|ship|work|works|al|als|ic|ics|ist|ists|ward|wards|wise"
    r"|ysis|yses|ility|ization|isation)$"
)
"""Endings of words that are hardly names."""
_IN_TITLES = frozenset(
    """
    new old big small high low long short good bad best worst great large full free fast slow deep
    wide early late first last next local global general generic special simple complex exact
    approximate linear smart strong weak hard soft real true false open closed public private hot
    cold dark light black white red green blue young main major minor single double joint cross self
    multi super hyper micro macro approach approaches method methods model models system systems
    data design designs study studies test tests task tasks case cases class classes type types
    form forms way ways role roles rule rules test field fields group groups set sets space spaces
    state states status scheme schemes tool tools theory theories graph graphs tree trees path
    paths loss losses cost costs price prices rate rates risk risks gain gains growth change changes
    effect effects limit limits bound bounds problem problems question questions answer answers
    result results review survey note notes guide report news world people man men woman women child
    children family home house city town country war peace law court police school team game games
    life death day days week year years time times night money market markets bank trade tax jobs
    plan plans deal talks vote power energy water fire air land sea food health care drug drugs
    image images video text texts speech language word words code query queries search map maps
    line lines point points shape shapes wave waves tail head heart hand eye brain mind body cell
    cells gene genes light sound heat mass force motion flow flows noise signal signals sample
    samples feature features label labels layer layers weight weights step steps rank score scores
    using use uses used via toward towards based beyond among across along amid inside outside
    against about how why what who where when whether make makes made take takes get gets give
    gives find finds show shows see sees say says set sets let lets help helps need needs keep
    keeps hit hits win wins lose loses rise rises fall falls cut cuts stop stops start starts end
    ends begin begins build builds call calls ask asks tell tells know think learn teach exchange
    search attack attacks defense defence black-box technique techniques trick tricks hope fear
    love hate fight fights search check checks look looks view views idea ideas fact facts story
    part parts piece pieces pair pairs whole half top bottom side sides edge edges core base field
    """.split()  # noqa: SIM905
)
"""Words that titles are made of, which their capitals do not make names."""


def unheld_names(
    text: str, sentence: Sequence[Token], facts: Facts, taken: Container[int]
) -> Iterator[tuple[Token, Token, Token]]:
    """Yield the names of a sentence that the facts do not hold.

    Parameters
    ----------
    text : str
        The whole candidate.
    sentence : sequence of Token
        The tokens of the sentence.
    taken : container of int
        Places that are part of a date, or claim nothing.

    Yields
    ------
    (first, last, word)
        The first and the last word of the name, and the first word that is not held.
    """
    reader = _Reader(text, sentence, facts)
    for run in reader.runs(taken):
        missing = reader.missing(run)
        if missing is not None:
            yield run[0], run[-1], missing


class _Reader:
    """Reads the names of a sentence, and asks the facts for them."""

    def __init__(self, text: str, sentence: Sequence[Token], facts: Facts) -> None:
        self.text = text
        self.sentence = sentence
        self.facts = facts
        self.german = facts.language.name == "German"
        self.small = small_words(facts.language.name)
        self.titled = not self.german and self._is_titled()

    def runs(self, taken: Container[int]) -> list[list[Token]]:
        """Return the words written like names, those that follow each other together."""
        found: list[list[Token]] = []
        last: Token | None = None
        for token in self.sentence:
            if token.kind != "word" or token.start in taken or not self._is_name(token):
                last = None
                continue
            if last is not None and self.text[last.end : token.start] in (" ", "\u00a0", ". "):
                found[-1].append(token)
            else:
                found.append([token])
            last = token
        return found

    def missing(self, run: Sequence[Token]) -> Token | None:
        """Return the first word of a name that the facts do not hold, None if they hold it all."""
        for place, token in enumerate(run):
            coined = self._is_coined(token)
            if self._is_claimed(run, place) and not self.facts.holds_word(token.text, coined):
                return None if _expands_acronym(run, self.facts) else token
        return None if self.titled or self.german else _mixed(run, self.facts)

    def _is_name(self, token: Token) -> bool:
        """Whether a word is written like a name: with a capital anywhere, or as a code."""
        word = token.text
        if len(word.rstrip(".")) < 2 or (word.islower() and not is_code(token)):
            return False
        name = plain(word)
        if name in _TITLES or name.rstrip(".") in _TITLES:
            return False
        if is_acronym(word):
            return True
        return name not in self.small and parts(word)[:1] != ("i",)

    def _is_coined(self, token: Token) -> bool:
        """Whether an abbreviation is introduced: ``multi-task learning (MTL)``."""
        around = self.text[token.start - 1 : token.start] + self.text[token.end : token.end + 1]
        return around == "()" and is_acronym(token.text)

    def _is_titled(self) -> bool:
        """Whether it is a title, in which words begin with capitals for no other reason."""
        told = [
            token.text
            for token in self.sentence[1:]
            if token.kind == "word" and plain(token.text) not in self.small and not is_code(token)
        ]
        capitals = sum(word[0].isupper() and word[1:].islower() for word in told)
        return len(told) >= _LEAST_TITLED and capitals >= _TITLED * len(told)

    def _is_claimed(self, run: Sequence[Token], place: int) -> bool:
        """Whether a capital says that a word is a name, and not where it stands."""
        token = run[place]
        word = token.text
        if is_code(token) or not (word[0].isupper() and word[1:].islower()):
            return True  # SmolLM, BERT, iPhone
        if self.german and len(run) == 1:
            return False
        before = self.text[max(0, token.start - _BEFORE) : token.start]
        if self.titled or _COLON.search(before):
            return not _is_ordinary(word)
        if place or not (token.start == self.sentence[0].start or _LINE.search(before)):
            return True
        return len(run) > 1 and self._belongs(word, run[1].text)

    def _belongs(self, first: str, second: str) -> bool:
        """Whether the first word of a sentence is part of the name behind it.

        It is where the source, too, has a word with a capital before that name: the source says
        Barack Obama, the sentence begins with Michelle Obama.
        """
        _, before = self.facts.pairs
        follows = plain(second)
        if follows not in before or follows in self.facts.lower:
            return False
        return not _is_ordinary(first)


def _is_ordinary(word: str) -> bool:
    """Whether a word is hardly a name, where its capital does not tell."""
    return all(part in _IN_TITLES or _ORDINARY.search(part) for part in parts(word))


@lru_cache(maxsize=16)
def small_words(language: str) -> frozenset[str]:
    """Return the small words of English and of a language."""
    return FUNCTION_WORDS["English"] | FUNCTION_WORDS.get(language, frozenset())


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
        if not (first.isalpha() and second.isalpha()) or is_acronym(left.text):
            continue
        if first in facts.lower or second in facts.lower:
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
