"""How good a classifier is: figures with intervals, from true labels and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedkit.evaluation.label_curves import curve, risk
from embedkit.evaluation.label_measures import f1_of_classes, formulas, parts, point_values
from embedkit.evaluation.label_results import ClassScore, LabelEvaluation
from embedkit.evaluation.tally import Tally
from embedkit.types import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.evaluation.outcomes import Outcomes
    from embedkit.evaluation.tally import Sums


def evaluate_outcomes(
    outcomes: Outcomes,
    *,
    subject: str = "",
    notes: Sequence[str] = (),
    seed: int = 0,
) -> LabelEvaluation:
    """Measure a classifier by rows whose labels are known.

    Parameters
    ----------
    outcomes : Outcomes
    seed : int
        Of the resampling: the same rows and seed give the same intervals.

    Raises
    ------
    MissingDependencyError
        scikit-learn is not installed.
    """
    tally = Tally.of(parts(outcomes), outcomes.groups)
    whole, resampled = tally.once(), tally.resampled(seed=seed)
    values = point_values(outcomes)
    measures = {}
    for name, formula in formulas(outcomes).items():
        value = values.get(name, float(formula(whole)[0]))
        around = formula(resampled)
        if name == "ECE":
            # Resampling adds noise, and noise adds calibration error: as in reliability.quality.
            around = np.maximum(around + value - around.mean(), 0.0)
        measures[name] = _estimate(value, around, len(outcomes))
    return LabelEvaluation(
        subject,
        outcomes.task,
        outcomes.labels,
        len(outcomes),
        measures,
        _classes(outcomes, resampled),
        _confusion(outcomes),
        curve(outcomes),
        risk(outcomes.confidence, outcomes.right),
        notes=tuple(notes),
        outcomes=outcomes,
    )


def _estimate(value: float, resampled: NDArray[np.float64], n: int) -> Estimate:
    """Return a value with what 95 % of the resamples that have one are within."""
    found = resampled[~np.isnan(resampled)]
    low, high = np.percentile(found, (2.5, 97.5)) if len(found) else (value, value)
    return Estimate(value, min(float(low), value), max(float(high), value), n)


def _classes(outcomes: Outcomes, resampled: Sums) -> tuple[ClassScore, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    # Of one class alone scikit-learn would take the column for rows of two classes.
    truth, said = (np.pad(x, ((0, 0), (0, 1))) for x in (outcomes.truth, outcomes.answers))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, said, labels=np.arange(len(outcomes.labels)), zero_division=0
    )
    around = f1_of_classes(resampled)
    answered = outcomes.answers.sum(axis=0)
    return tuple(
        ClassScore(
            label,
            int(support[i]),
            int(answered[i]),
            float(precision[i]),
            float(recall[i]),
            _estimate(float(f1[i]), around[:, i], int(support[i])),
        )
        for i, label in enumerate(outcomes.labels)
    )


def _confusion(outcomes: Outcomes) -> tuple[tuple[int, ...], ...] | None:
    if outcomes.task == "multi":
        return None
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(
        outcomes.truth.argmax(axis=1),
        outcomes.answers.argmax(axis=1),
        labels=np.arange(len(outcomes.labels)),
    )
    return tuple(tuple(line) for line in matrix.tolist())
