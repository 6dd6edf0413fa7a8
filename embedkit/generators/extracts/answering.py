"""Answers made of sentences of passages: those that bear most on the question, few or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.generators.extracts.choosing import Length
    from embedkit.generators.extracts.units import Unit

CLOSE = 0.25
"""How far below the best sentence a second one may be that is told beside it."""


def answers(
    units: Sequence[Unit], bearing: NDArray[np.float64], n: int, length: Length
) -> list[tuple[int, ...]]:
    """Return at most n answers, no two of the same text, as places of sentences.

    The first is the best sentence, with a second one where that is nearly as good; then come
    shorter and longer ones, and those that begin with the next best.

    Parameters
    ----------
    units : sequence of Unit
        The sentences of all passages, in order.
    bearing : float64 array, shape (n_sentences,)
        How much each bears on the question; ``-inf`` for what is no answer.

    Returns
    -------
    list of tuple of int
        In an answer the sentences of its best one's passage come first, each as they stand there.
    """
    order = [int(i) for i in np.argsort(-bearing, kind="stable") if bearing[i] > -np.inf]
    short = [i for i in order if length.words is None or units[i].words <= length.words]
    order = short or order[:1]
    found: dict[str, tuple[int, ...]] = {}
    for chosen in _ways(units, bearing, order):
        if len(chosen) > 1 and not _fits(units, chosen, length):
            continue
        source = units[chosen[0]].source
        places = tuple(sorted(set(chosen), key=lambda i: (units[i].source != source, i)))
        found.setdefault(" ".join(units[i].text for i in places), places)
        if len(found) >= n:
            break
    return list(found.values())


def _ways(
    units: Sequence[Unit], bearing: NDArray[np.float64], order: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """Yield sentences that may make an answer together, the best of them first."""
    for rank, best in enumerate(order):
        others = order[rank + 1 :]
        if not rank:
            close = [i for i in others[:1] if bearing[i] >= bearing[best] - CLOSE]
            yield (best, *close)
        yield (best,)
        if others:
            yield (best, others[0])
        after = best + 1
        if after in others and units[after].source == units[best].source:
            yield (best, after)
        if not rank and len(others) > 1:
            yield (best, *others[:2])


def _fits(units: Sequence[Unit], chosen: Sequence[int], length: Length) -> bool:
    together = sum(units[i].words for i in chosen)
    return len(chosen) <= length.sentences and (length.words is None or together <= length.words)
