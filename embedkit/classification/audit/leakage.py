"""Test rows that the training rows hold as well, and what that does to accuracy.

Equal means equal but for case, blanks and punctuation; near, a cosine of at least the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.audit.evidence import Evidence
from embedkit.classification.audit.folding import fold
from embedkit.classification.audit.rows import HeldOut
from embedkit.classification.inputs import Inputs
from embedkit.evaluation.label_curves import wilson
from embedkit.pairs.join import HIGH, WIDE, Join, Task
from embedkit.pairs.workers import workers
from embedkit.protocols import Head
from embedkit.types import Estimate
from embedkit.types.audit import Leak, LeakEffect

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask, Scores


def leaks(evidence: Evidence, test: HeldOut, threshold: float) -> tuple[list[Leak], Mask]:
    """Return the test rows that the training rows hold too, and which they are, shape (n_test,).

    Each is told once, with an equal training row where there is one, else with the nearest. The
    surest come first.
    """
    first: dict[str, int] = {}
    for row, text in enumerate(evidence.texts):
        first.setdefault(fold(text), row)
    partner = np.array([first.get(fold(text), -1) for text in test.texts], np.int64)
    cosine = np.where(partner >= 0, 1.0, 0.0).astype(np.float32)
    equal = partner >= 0
    n = len(evidence)
    vectors = np.concatenate((evidence.vectors, test.vectors))
    join = Join(vectors, None, threshold)
    with workers() as run:
        for found in run(_across(join, n)):
            rows = found.right - n
            better = ~equal[rows] & (found.scores > cosine[rows])
            _raise(cosine, partner, rows[better], found.left[better], found.scores[better])
    leaked = partner >= 0
    rows = np.flatnonzero(leaked)
    rows = rows[np.lexsort((rows, -cosine[rows], ~equal[rows]))]
    told = [
        Leak(
            kind="equal" if equal[row] else "near",
            cosine=round(float(cosine[row]), 4),
            test_line=int(test.lines[row]),
            test_text=test.texts[row],
            test_label=test.labels[row] if test.labels else "",
            train_line=int(evidence.lines[partner[row]]),
            train_text=evidence.texts[partner[row]],
            train_label=evidence.names[evidence.targets[partner[row]]],
        )
        for row in rows.tolist()
    ]
    return told, leaked


def _across(join: Join, n: int) -> Iterator[Task]:
    """Yield what finds the pairs of one of the first n rows and one of the rest."""
    total = len(join)
    places = np.arange(total)
    for top in range(n, total, HIGH):
        high = slice(top, min(top + HIGH, total))
        for start in range(0, n, WIDE):
            wide = slice(start, min(start + WIDE, n))
            yield join.task(places[wide], join.sketches[wide], places[high], join.sketches[high])


def _raise(cosine: Scores, partner: Keys, rows: Keys, left: Keys, scores: Scores) -> None:
    """Keep of each row the nearest partner, the first of several that are as near."""
    order = np.lexsort((-left, scores))
    # Where a row comes several times, the last assignment holds: the nearest.
    cosine[rows[order]] = scores[order]
    partner[rows[order]] = left[order]


def effect(
    evidence: Evidence, test: HeldOut, leaked: Mask, fitted: Callable[[], Head]
) -> LeakEffect | None:
    """Return the accuracy on test rows with and without leaks, None where they have no labels.

    Parameters
    ----------
    leaked : bool array, shape (n_test,)
    fitted : callable
        Returns a head that learned from the training rows.
    """
    if not test.labels:
        return None
    number = {name: i for i, name in enumerate(evidence.names)}
    targets = np.array([number.get(label, -1) for label in test.labels], np.int64)
    labelled = np.flatnonzero([bool(label) for label in test.labels])
    said = fitted().scores(Inputs(test.texts, test.vectors)).argmax(axis=1)
    right: Mask = np.equal(said, targets)[labelled]
    which = leaked[labelled]
    return LeakEffect(
        share(right),
        share(right[~which]) if not which.all() else None,
        share(right[which]) if which.any() else None,
    )


def share(right: Mask) -> Estimate:
    """Return how many are true of at least one, with the interval."""
    return wilson(int(np.count_nonzero(right)), len(right))
