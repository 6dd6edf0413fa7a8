"""Which candidates say nearly the same.

Two texts are taken for one where they have the same words, or nearly: most words and most pairs of
neighbouring words in common, nearly the same vector, and nothing between them that turns what is
said: the same numbers, the same names, the same negations, none of two opposites.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from embedkit.ranking.claims.facts import Facts
from embedkit.ranking.telling import OPPOSITES, negates, small_words
from embedkit.ranking.words import words

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

COSINE = 0.9
"""Least likeness of two vectors that are taken for the same."""
WORDS = 0.8
"""Least share of content words in common (Dice)."""
NEIGHBOURS = 0.6
"""Least share of pairs of neighbouring content words in common: ``dog bites man`` has none."""

_STEM = 5
"""Letters of a word that tell it from others, its endings aside."""


def merge(pool: Pool) -> list[int | None]:
    """Return, for each candidate, the earlier one that says nearly the same.

    Candidates are compared with those that stand for themselves, first to last, so that what comes
    first is kept (the ranking passes the best first), and a chain of small changes does not
    swallow what is different at its end.

    Returns
    -------
    list of int or None, length n
        The place of the candidate that stands for it; None where it stands for itself. An empty
        candidate merges into an earlier empty one alone.
    """
    said = [_Said(text) for text in pool.texts]
    exact: dict[tuple[str, ...], int] = {}
    kept: list[int] = []
    found: list[int | None] = []
    for place, text in enumerate(said):
        same = exact.get(text.key)
        if same is None:
            same = next((other for other in kept if _near(pool, said, place, other)), None)
        if same is None:
            kept.append(place)
        exact.setdefault(text.key, place if same is None else same)
        found.append(same)
    return found


@dataclass(frozen=True)
class _Said:
    """A candidate as it is compared."""

    text: str

    @cached_property
    def words(self) -> list[str]:
        return words(self.text)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Its words, or all of it where it has none."""
        return tuple(self.words) or (self.text,)

    @cached_property
    def content(self) -> list[str]:
        """Its words without the small ones and without endings."""
        small = small_words()
        return [word[:_STEM] for word in self.words if word not in small]

    @cached_property
    def pairs(self) -> Counter[tuple[str, str]]:
        return Counter(pairwise(self.content))

    @cached_property
    def facts(self) -> Facts:
        """Its numbers, dates and names."""
        return Facts(self.text)

    @cached_property
    def turns(self) -> tuple[frozenset[object], ...]:
        """What must be the same in both: negations, opposites, numbers and dates."""
        telling = Counter(
            "not" if negates(word) else word
            for word in self.words
            if negates(word) or word in OPPOSITES
        )
        return (
            frozenset(telling.items()),
            frozenset(value for value in self.facts.values if value not in (0, 1)),
            frozenset(reading[1:] for date in self.facts.dates for reading in date.readings),
        )

    def names_stand_in(self, other: _Said) -> bool:
        """Whether each of its names stands in another text."""
        return all(other.facts.holds_word(name) for name in self.facts.names.values())


def _near(pool: Pool, said: Sequence[_Said], place: int, other: int) -> bool:
    """Whether two candidates with different words say nearly the same."""
    one, two = said[place], said[other]
    if _dice(Counter(one.content), Counter(two.content)) < WORDS:
        return False
    if len(one.content) > 1 and _dice(one.pairs, two.pairs) < NEIGHBOURS:
        return False
    if one.turns != two.turns or not (one.names_stand_in(two) and two.names_stand_in(one)):
        return False
    return float(pool.vectors[place] @ pool.vectors[other]) >= COSINE


def _dice(one: Counter[Any], two: Counter[Any]) -> float:
    """Return twice what two bags have in common over what they have together; 0 without any."""
    together = one.total() + two.total()
    return 2 * (one & two).total() / together if together else 0.0
