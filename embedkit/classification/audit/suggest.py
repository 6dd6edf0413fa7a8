"""Which rows to label next: those that most doubtful rows are like, and no labelled one is.

A choice of rows is worth the sum, over all unlabelled rows, of doubt times how near the nearest
labelled or chosen row is. What adds most to it is chosen, one row after the other. So a row is
chosen because many are near it (not an oddity), because a classifier is unsure of those, and
because no labelled or chosen one is near; whole groups out of the classifier's scope come first by
themselves.

Source
------
Wei, Iyer and Bilmes, "Submodularity in Data Subset Selection and Active Learning" (ICML 2015):
facility location over unsure rows; the margin of the two most probable labels as doubt is of
Scheffer et al. (IDA 2001). Minoux, "Accelerated greedy algorithms" (1978), for choosing without
weighing every row again. ``benchmarks/audit.py --next`` compares it with the margin alone and with
chance.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.audit.evidence import Evidence
from embedkit.classification.audit.folding import fold
from embedkit.classification.audit.nearest import nearest
from embedkit.classification.audit.rows import PlainRows
from embedkit.classification.inputs import Inputs
from embedkit.protocols import Head
from embedkit.types.audit import Suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Scores, Vectors

POOL = 5000
"""Unlabelled rows that are compared with each other: 100 MiB. Of more, a random sample."""
UNSURE = 0.5
"""Margin of two labels below which a classifier is called uncertain."""
FAR = 0.01
"""Share of labelled rows that are as far from all others as a row called out of scope."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows to label.

    Attributes
    ----------
    places : int64 array, shape (k,)
        The most useful first.
    stand_for : int64 array, shape (k,)
        How many rows each is nearest to, of all that are labelled or chosen; itself included.
    """

    places: Keys
    stand_for: Keys


def choose_next(doubt: NDArray[np.float64], vectors: Vectors, near: Scores, k: int) -> Chosen:
    """Choose rows.

    Parameters
    ----------
    doubt : float64 array, shape (n,)
        In [0, 1]: one less the margin.
    vectors : float32 array, shape (n, dim)
        Unit vectors, POOL at most.
    near : float32 array, shape (n,)
        Cosine of each with the nearest labelled row.
    k : int
        How many; fewer where there are not so many rows.
    """
    similar = np.maximum(vectors @ vectors.T, 0)
    covered = np.maximum(near, 0).astype(np.float32)
    weights = np.asarray(doubt, np.float32)
    owner = np.full(len(vectors), -1)

    def gain(row: int) -> float:
        return float(weights @ np.maximum(similar[row] - covered, 0))

    # What a row adds only shrinks as others are chosen, so an old figure is an upper bound.
    waiting = [(-gain(row), row) for row in range(len(vectors))]
    heapq.heapify(waiting)
    chosen: list[int] = []
    while waiting and len(chosen) < k:
        row = heapq.heappop(waiting)[1]
        now = -gain(row)
        if waiting and (now, row) > waiting[0]:
            heapq.heappush(waiting, (now, row))
            continue
        owner[similar[row] > covered] = len(chosen)
        covered = np.maximum(covered, similar[row])
        chosen.append(row)
    counts = np.bincount(owner[owner >= 0], minlength=len(chosen))
    return Chosen(np.array(chosen, np.int64), counts)


def margin(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much the most probable label of each row leads, shape (n,)."""
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def far_from_all(vectors: Vectors, groups: Keys, *, seed: int = 0) -> float:
    """Return the cosine with the nearest other that all but a few labelled rows exceed."""
    some = np.random.default_rng(seed).permutation(len(vectors))[:5000]
    _, cosines = nearest(vectors[some], vectors, 1, groups=(groups[some], groups))
    return float(np.quantile(cosines[:, 0], FAR)) if cosines.size else -1.0


def distinct(texts: Sequence[str], labelled: Sequence[str]) -> Keys:
    """Return the first of each text that no labelled row has, shape (m,), ascending."""
    known = {fold(text) for text in labelled}
    kept = []
    for place, text in enumerate(texts):
        folded = fold(text)
        if folded not in known:
            known.add(folded)
            kept.append(place)
    return np.array(kept, np.int64)


def candidates(
    rows: PlainRows, evidence: Evidence, notes: list[str], *, seed: int = 0
) -> PlainRows:
    """Return the rows that may be suggested, and note which may not.

    They have no label, and no text that a labelled row or one before them has; POOL at most.
    """
    free = rows.unlabelled()
    notes += rows.notes()
    places = distinct(free.texts, evidence.texts)
    if len(places) < len(free.texts):
        notes.append(
            f"{rows.source}: {len(free.texts) - len(places):,} rows with a text that is labelled "
            "or stands there already left out"
        )
    if len(places) > POOL:
        notes.append(
            f"{rows.source}: of {len(places):,} rows a random sample of {POOL:,} was chosen from"
        )
        places = np.sort(np.random.default_rng(seed).permutation(places)[:POOL])
    return free.take(places.tolist())


def suggest(
    evidence: Evidence, head: Head, rows: PlainRows, vectors: Vectors, k: int, *, seed: int = 0
) -> list[Suggestion]:
    """Return the rows to label next, the most useful first.

    Parameters
    ----------
    head : Head
        Fitted on the labelled rows.
    rows : PlainRows
        Those of :func:`candidates`.
    vectors : float32 array, shape (n, dim)
    """
    probabilities = evidence.noise.probabilities(head.scores(Inputs(rows.texts, vectors)))
    margins = margin(probabilities)
    near = nearest(vectors, evidence.vectors, 1)[1][:, 0]
    far = far_from_all(evidence.vectors, evidence.groups, seed=seed)
    chosen = choose_next(1 - margins, vectors, near, k)
    told: list[Suggestion] = []
    for at, stands_for in zip(chosen.places.tolist(), chosen.stand_for.tolist(), strict=True):
        second, first = np.argsort(probabilities[at])[-2:].tolist()
        told.append(
            Suggestion(
                rank=len(told) + 1,
                line=rows.lines[at],
                id=rows.ids[at],
                text=rows.texts[at],
                likely=evidence.names[first],
                probability=round(float(probabilities[at, first]), 4),
                second=evidence.names[second],
                margin=round(float(margins[at]), 4),
                nearest=round(float(near[at]), 4),
                stands_for=stands_for,
                why=_why(float(near[at]), far, float(margins[at])),
            )
        )
    return told


def _why(near: float, far: float, margin: float) -> str:
    if near < far:
        return "out of scope"
    return "uncertain" if margin < UNSURE else "typical"
