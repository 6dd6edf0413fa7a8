"""Several extracts of the same sentences, each by a setting of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from embedkit.generators.extracts.centrality import earliness, lexrank, stretch
from embedkit.generators.extracts.choosing import Length, by_cover, by_relevance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.generators.extracts.units import Unit
    from embedkit.types import Keys, Vectors

DIVERSITY = 0.3
PAIRED = 40
"""Of so many of the best sentences pairs are made, where more candidates are wanted than settings
give."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to make an extract.

    Attributes
    ----------
    early : float
        What standing first is worth, where being the most central is worth 1.
    diversity : float or None
        None for what the generator was told.
    share : float
        Of the length that was asked for.
    choice : {"relevance", "cover"}
        Maximal marginal relevance, or facility location.
    """

    early: float = 0.0
    diversity: float | None = None
    share: float = 1.0
    choice: Literal["relevance", "cover"] = "relevance"


SETTINGS = (
    Setting(early=1.0),  # the best guess: central, and rather early than late
    Setting(),  # central, wherever it stands: LexRank
    Setting(early=1.0, share=0.5),
    Setting(choice="cover"),
    Setting(early=4.0, diversity=0.0),  # the lead
    Setting(share=0.5),
    Setting(diversity=0.7),
    Setting(early=0.5, share=0.75),
    Setting(choice="cover", share=0.5),
    Setting(diversity=0.0),
)
"""The settings of the candidates, in their order; the first is the default."""


@dataclass(frozen=True)
class Sentences:
    """Sentences with what is known of them.

    Attributes
    ----------
    units : sequence of Unit, length n
    vectors : float32 array, shape (n, dim)
        Unit vectors.
    central : float64 array, shape (n,), from 0 to 1
    early : float64 array, shape (n,), from 1 for the first of a source to 0 for the last
    """

    units: Sequence[Unit]
    vectors: Vectors
    central: NDArray[np.float64]
    early: NDArray[np.float64]

    @classmethod
    def of(cls, units: Sequence[Unit], vectors: Vectors) -> Sentences:
        """Weigh sentences by their vectors and places."""
        return cls(units, vectors, stretch(lexrank(vectors)), earliness(_places(units)))

    @property
    def words(self) -> Keys:
        """Words of each sentence."""
        return np.fromiter((unit.words for unit in self.units), np.int64, len(self.units))

    def chosen(self, setting: Setting, length: Length, diversity: float) -> tuple[int, ...]:
        """Return the places of the sentences that a setting takes, ascending."""
        relevance = stretch(self.central + setting.early * self.early)
        asked = _part(length, setting.share, min((unit.words for unit in self.units), default=1))
        if setting.choice == "cover":
            return tuple(sorted(by_cover(relevance, self.vectors, self.words, asked)))
        told = diversity if setting.diversity is None else setting.diversity
        return tuple(sorted(by_relevance(relevance, self.vectors, self.words, asked, told)))


def extracts(
    sentences: Sentences, n: int, length: Length, diversity: float = DIVERSITY
) -> list[tuple[int, ...]]:
    """Return at most n extracts, no two of the same text, as ascending places of sentences.

    The settings come in their order; where they give fewer, single sentences follow, the best of
    the default setting first, and then pairs of them that fit the length.
    """
    found: dict[str, tuple[int, ...]] = {}
    for places in _ways(sentences, length, diversity):
        found.setdefault(" ".join(sentences.units[i].text for i in places), places)
        if len(found) >= n:
            break
    return list(found.values())


def _ways(sentences: Sentences, length: Length, diversity: float) -> Iterator[tuple[int, ...]]:
    if not len(sentences.units):
        return
    for setting in SETTINGS:
        yield sentences.chosen(setting, length, diversity)
    relevance = sentences.central + SETTINGS[0].early * sentences.early
    order = [int(i) for i in np.argsort(-relevance, kind="stable")]
    words = sentences.words
    fits = [i for i in order if length.words is None or words[i] <= length.words]
    yield from ((i,) for i in fits)
    if length.sentences > 1:
        for pair in combinations(fits[:PAIRED], 2):
            if length.words is None or words[list(pair)].sum() <= length.words:
                yield (min(pair), max(pair))


def _part(length: Length, share: float, shortest: int) -> Length:
    """Return a share of a length: a sentence at least, and words for the shortest at least."""
    words = None if length.words is None else round(length.words * share)
    if words is not None and words < shortest:
        words = length.words
    return Length(max(1, round(length.sentences * share)), words)


def _places(units: Sequence[Unit]) -> NDArray[np.float64]:
    """Return where each sentence stands in its source, from 0 to 1."""
    sources = np.fromiter((unit.source for unit in units), np.int64, len(units))
    found = np.zeros(len(units))
    for source in np.unique(sources):
        rows = np.flatnonzero(sources == source)
        found[rows] = np.arange(len(rows)) / max(1, len(rows) - 1)
    return found
