"""Which rows to label next: those a classifier is unsure of, and of those no two alike.

Rows unlike all labelled ones come first, since no probability is worth much there: of each group of
them the one that most others are near. Then, again and again, the row that is unsure and far from
all labelled and chosen ones.

Source
------
Uncertainty by the margin of the two most probable labels: Scheffer et al., "Active Hidden Markov
Models for Information Extraction" (IDA 2001). Diversity by the farthest-first traversal: Sener and
Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach" (ICLR 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.audit.nearest import nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask, Scores, Vectors

POOL = 50_000
"""Unlabelled rows that are looked at; a random sample where there are more."""
FAR = 0.01
"""Share of labelled rows that are as far from all others as a row called out of scope."""
OUTSIDE = 0.25
"""Of the rows that are chosen, how many are out of scope at most."""
UNSURE = 20
"""Rows that are chosen among, for each that is to be chosen: the ones of least margin."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows to label.

    Attributes
    ----------
    places : int64 array, shape (k,)
        In the order of use.
    outside : bool array, shape (k,)
        Which are unlike all labelled rows.
    """

    places: Keys
    outside: Mask


def choose_next(
    probabilities: NDArray[np.float64],
    vectors: Vectors,
    near: Scores,
    far: float,
    k: int,
) -> Chosen:
    """Choose rows.

    Parameters
    ----------
    probabilities : float64 array, shape (n, n_classes)
    vectors : float32 array, shape (n, dim)
        Unit vectors.
    near : float32 array, shape (n,)
        Cosine of each with the nearest labelled row.
    far : float
        A row with a smaller one is out of scope.
    k : int
        How many; fewer where there are not so many rows.
    """
    outside = np.flatnonzero(near < far)
    first = _typical(vectors[outside], round(OUTSIDE * k))
    chosen = outside[first]
    # Others far from everything are noise more often than news: only the quarter is taken.
    inside = np.setdiff1d(np.arange(len(vectors)), outside)
    margins = margin(probabilities)
    unsure = inside[np.argsort(margins[inside], kind="stable")[: UNSURE * k]]
    distance = 1 - near[unsure]
    if len(chosen):
        distance = np.minimum(distance, 1 - (vectors[unsure] @ vectors[chosen].T).max(axis=1))
    rest = _farthest(vectors[unsure], 1 - margins[unsure], distance, k - len(chosen))
    places = np.concatenate((chosen, unsure[rest]))
    if len(places) < k:
        more = np.setdiff1d(outside, places)
        places = np.concatenate((places, more[np.argsort(-near[more])][: k - len(places)]))
    return Chosen(places, near[places] < far)


def margin(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much the most probable label leads, shape (n,)."""
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def far_from_all(vectors: Vectors, groups: Keys, *, seed: int = 0) -> float:
    """Return the cosine with the nearest other that all but a few labelled rows exceed."""
    some = np.random.default_rng(seed).permutation(len(vectors))[:5000]
    _, cosines = nearest(vectors[some], vectors, 1, groups=(groups[some], groups))
    return float(np.quantile(cosines[:, 0], FAR)) if cosines.size else -1.0


def _typical(vectors: Vectors, k: int) -> Keys:
    """Return the rows that stand for most others, one of each group."""
    if not len(vectors) or not k:
        return np.empty(0, np.int64)
    # Beyond some thousands a sample tells the groups as well.
    similar = np.maximum(vectors @ vectors[:4000].T, 0)
    covered = np.zeros(similar.shape[1], np.float32)
    chosen: list[int] = []
    for _ in range(min(k, len(vectors))):
        gain = np.maximum(similar, covered).sum(axis=1) - covered.sum()
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        covered = np.maximum(covered, similar[best])
    return np.array(chosen, np.int64)


def _farthest(vectors: Vectors, unsure: NDArray[np.float64], distance: Scores, k: int) -> Keys:
    """Return the rows of greatest doubt times distance, one after the other."""
    left = distance.astype(np.float64)
    chosen: list[int] = []
    for _ in range(min(max(k, 0), len(vectors))):
        worth = unsure * np.maximum(left, 1e-9)
        worth[chosen] = -1
        best = int(worth.argmax())
        chosen.append(best)
        left = np.minimum(left, 1 - vectors @ vectors[best])
    return np.array(chosen, np.int64)


def distinct(texts: Sequence[str], labelled: Sequence[str]) -> Keys:
    """Return the first of each text that no labelled row has, shape (m,), ascending."""
    from embedkit.classification.audit.folding import fold

    known = {fold(text) for text in labelled}
    kept = []
    for place, text in enumerate(texts):
        folded = fold(text)
        if folded not in known:
            known.add(folded)
            kept.append(place)
    return np.array(kept, np.int64)
