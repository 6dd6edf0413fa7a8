"""Whether one classifier is better than another, or chance made it look so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.reliability import brier_scores, log_losses
from embedkit.errors import InvalidInputError
from embedkit.evaluation.label_measures import ACCURACY, formulas, parts
from embedkit.evaluation.results import Difference
from embedkit.evaluation.tally import Tally
from embedkit.types import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.evaluation.label_results import LabelEvaluation
    from embedkit.evaluation.outcomes import Outcomes

EQUAL = 1e-9
"""Values of a row that differ by less are a tie."""


def compare(
    ours: LabelEvaluation, theirs: LabelEvaluation, *, seed: int = 0
) -> dict[str, Difference]:
    """Compare two classifiers on the same rows: the first less the second.

    Accuracy is tested by McNemar's exact test on the rows that one of them alone has right, all
    other measures by exchanging the answers of the two at random, text by text: were they equally
    good, it would not matter whose is whose. Intervals are of the same resamples for both.

    Only rows that both were measured on count. Wins and losses are rows: of Brier score and log
    loss those where ours is less, of the other measures those that ours alone has right.

    Raises
    ------
    InvalidInputError
        They were not measured on the same rows with the same labels.

    Source
    ------
    McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 1947, exact by the binomial distribution; Yeh, "More accurate tests for the
    statistical significance of result differences", COLING 2000: exchanging answers.
    """
    mine, other = _same_rows(ours, theirs)
    a, b = (Tally.of(parts(side), mine.groups) for side in (mine, other))
    whole_a, whole_b = a.once(), b.once()
    # The same seed draws the same rows for both.
    drawn_a, drawn_b = a.resampled(seed=seed), b.resampled(seed=seed)
    swapped_a, swapped_b = a.exchanged(b, seed=seed)
    single = mine.groups is None or len(np.unique(mine.groups)) == len(mine)
    rows = _gains(mine, other)
    known = formulas(other)
    found = {}
    for name, formula in formulas(mine).items():
        if name not in known:
            continue
        gain = rows.get(name, rows[ACCURACY[mine.task]])
        gap = float((formula(whole_a) - formula(whole_b))[0])
        chance = formula(swapped_a) - formula(swapped_b)
        found[name] = Difference(
            name,
            float(formula(whole_a)[0]),
            float(formula(whole_b)[0]),
            _around(name, gap, formula(drawn_a) - formula(drawn_b), len(mine)),
            _mcnemar(gain) if name == ACCURACY[mine.task] and single else _p_value(gap, chance),
            int((gain > 0).sum()),
            int((gain == 0).sum()),
            int((gain < 0).sum()),
        )
    return found


def _same_rows(ours: LabelEvaluation, theirs: LabelEvaluation) -> tuple[Outcomes, Outcomes]:
    """Return both with the classes of either, in the same order."""
    mine, other = ours.outcomes, theirs.outcomes
    if ours.places and theirs.places and mine is not None and other is not None:
        # Each left out the rows of labels that it never learned.
        common = set(ours.places) & set(theirs.places)
        mine, other = (
            side.take(np.array([place in common for place in places], np.bool_))
            for side, places in ((mine, ours.places), (other, theirs.places))
        )
    if (
        mine is None
        or other is None
        or mine.task != other.task
        or len(mine) != len(other)
        or not len(mine)
    ):
        raise InvalidInputError(
            f"expected two classifiers that were measured on the same rows, got {ours.subject} "
            f"and {theirs.subject}"
        )
    labels = tuple(dict.fromkeys((*mine.labels, *other.labels)))
    if mine.task == "ordered" and mine.labels != other.labels:
        raise InvalidInputError(
            f"expected both to order the same labels, got {', '.join(mine.labels)} and "
            f"{', '.join(other.labels)}"
        )
    mine, other = (side.with_labels(labels) for side in (mine, other))
    if (mine.truth != other.truth).any():
        raise InvalidInputError("expected both to be measured by the same labels")
    return mine, other


def _gains(mine: Outcomes, other: Outcomes) -> dict[str, NDArray[np.float64]]:
    """Return by how much each row is better with ours, shape (n,)."""
    ours, theirs = ((side.probabilities, side.targets) for side in (mine, other))
    found = {
        ACCURACY[mine.task]: mine.right.astype(np.float64) - other.right,
        "Brier": brier_scores(*theirs) - brier_scores(*ours),
        "log-loss": log_losses(*theirs) - log_losses(*ours),
    }
    return {name: np.where(np.abs(gain) < EQUAL, 0.0, gain) for name, gain in found.items()}


def _mcnemar(gain: NDArray[np.float64]) -> float:
    from scipy.stats import binomtest

    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def _p_value(gap: float, chance: NDArray[np.float64]) -> float:
    """Return how often chance brings a difference as large; the one that was seen counts too.

    1 where there is no difference to speak of: of what one of them alone answers, say.
    """
    if np.isnan(gap):
        return 1.0
    found = chance[~np.isnan(chance)]
    return float((1 + (np.abs(found) >= abs(gap) - EQUAL).sum()) / (1 + len(found)))


def _around(name: str, gap: float, resampled: NDArray[np.float64], n: int) -> Estimate:
    found = resampled[~np.isnan(resampled)]
    if name == "ECE" and len(found):
        found = found + gap - found.mean()  # as the error of one classifier is moved
    low, high = np.percentile(found, (2.5, 97.5)) if len(found) else (gap, gap)
    return Estimate(gap, float(low), float(high), n)
