"""Measures of classification: their values by scikit-learn, and of resamples by their formulas.

scikit-learn takes milliseconds a measure, so 2,000 resamples of ten measures would take minutes;
the formulas here take sums of all resamples at once. Tests hold the two against each other.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.reliability import (
    BINS,
    bins_of,
    brier_scores,
    confidences,
    log_losses,
)
from embedkit.errors import MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.evaluation.outcomes import Outcomes
    from embedkit.evaluation.tally import Sums

LOWER_IS_BETTER = frozenset(("Hamming-loss", "MAE", "ECE", "Brier", "log-loss", "set-size"))
ACCURACY = {"single": "accuracy", "ordered": "accuracy", "multi": "subset-accuracy"}
"""What the share of rows that are entirely right is called."""


def point_values(outcomes: Outcomes) -> dict[str, float]:
    """Return the measures that follow from the answers, by scikit-learn.

    Averages over classes are over those that occur among the true labels or the answers.

    Raises
    ------
    MissingDependencyError
        scikit-learn is not installed.
    """
    metrics = _metrics()
    truth, answers = outcomes.truth, outcomes.answers
    occurring = np.flatnonzero((truth | answers).any(axis=0))
    # Of one class alone scikit-learn would take the column for rows of two classes.
    known, said = (np.pad(each, ((0, 0), (0, 1))) for each in (truth, answers))

    def f1(average: str) -> float:
        if not len(occurring):
            return 0.0
        return float(
            metrics.f1_score(known, said, average=average, labels=occurring, zero_division=0)
        )

    if outcomes.task == "multi":
        return {
            "subset-accuracy": float(outcomes.right.mean()),
            "Hamming-loss": float((truth != answers).mean()),
            "micro-F1": f1("micro"),
            "macro-F1": f1("macro"),
            "weighted-F1": f1("weighted"),
        }
    targets, guessed = truth.argmax(axis=1), answers.argmax(axis=1)
    values = {"accuracy": float(metrics.accuracy_score(targets, guessed))}
    with warnings.catch_warnings():
        # That classes are answered which no row has is in the table of classes.
        warnings.simplefilter("ignore")
        values["balanced-accuracy"] = float(metrics.balanced_accuracy_score(targets, guessed))
        values |= {"macro-F1": f1("macro"), "weighted-F1": f1("weighted")}
        if outcomes.task == "ordered":
            values["MAE"] = float(metrics.mean_absolute_error(targets, guessed))
            kappa = metrics.cohen_kappa_score(
                targets, guessed, weights="quadratic", labels=np.arange(len(outcomes.labels))
            )
            # Where one class is all there is and all that is said, they agree entirely.
            values["QWK"] = 1.0 if np.isnan(kappa) else float(kappa)
    return values


def parts(outcomes: Outcomes) -> dict[str, Any]:
    """Return what each row adds to the measures, for :class:`embedkit.evaluation.tally.Tally`."""
    from scipy import sparse

    truth = sparse.csr_array(outcomes.truth, dtype=np.float64)
    answers = sparse.csr_array(outcomes.answers, dtype=np.float64)
    confidence, right = confidences(outcomes.probabilities, outcomes.targets)
    cells = len(confidence) // len(outcomes)
    place = (np.repeat(np.arange(len(outcomes)), cells), bins_of(confidence)[0])
    shape = (len(outcomes), BINS)
    values: dict[str, Any] = {
        "rows": np.ones(len(outcomes)),
        "true": truth,
        "answered": answers,
        "found": sparse.csr_array(truth * answers),
        "right": outcomes.right,
        "Brier": brier_scores(outcomes.probabilities, outcomes.targets),
        "log-loss": log_losses(outcomes.probabilities, outcomes.targets),
        "cells": np.full(len(outcomes), cells),
        "gaps": sparse.csr_array((right - confidence, place), shape),
    }
    if outcomes.task == "ordered":
        gaps = outcomes.truth.argmax(axis=1) - outcomes.answers.argmax(axis=1)
        values |= {"gap": np.abs(gaps), "square": gaps**2}
    if outcomes.task == "multi":
        values["wrong"] = (outcomes.truth != outcomes.answers).mean(axis=1)
    if outcomes.abstained is not None:
        given = ~outcomes.abstained
        values |= {"given": given, "given right": given & outcomes.right}
    if outcomes.sets is not None:
        # A row of several labels is covered where all of them are in its set.
        values["covered"] = (outcomes.sets | ~outcomes.truth).all(axis=1)
        values["set"] = outcomes.sets.sum(axis=1)
    return values


Formula = Callable[["Sums"], "NDArray[np.float64]"]


def formulas(outcomes: Outcomes) -> dict[str, Formula]:
    """Return each measure as a formula over sums, which gives shape (resamples,)."""
    found: dict[str, Formula] = {
        ACCURACY[outcomes.task]: _mean("right"),
        **({"Hamming-loss": _mean("wrong")} if outcomes.task == "multi" else {}),
        **({"balanced-accuracy": _balanced} if outcomes.task != "multi" else {}),
        **({"micro-F1": _micro} if outcomes.task == "multi" else {}),
        "macro-F1": _macro,
        "weighted-F1": _weighted,
    }
    if outcomes.task == "ordered":
        found |= {"MAE": _mean("gap"), "QWK": _kappa}
    found |= {"ECE": _calibration_error, "Brier": _mean("Brier"), "log-loss": _mean("log-loss")}
    if outcomes.abstained is not None:
        found |= {"answered": _mean("given"), "accuracy-answered": _ratio("given right", "given")}
    if outcomes.sets is not None:
        found |= {"set-coverage": _mean("covered"), "set-size": _mean("set")}
    return found


def f1_of_classes(sums: Sums) -> NDArray[np.float64]:
    """Return F1 of each class, shape (resamples, K); not a number where a class does not occur."""
    both = sums["answered"] + sums["true"]
    return _divided(2 * sums["found"], both)


def _divided(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.full(above.shape, np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out


def _over_classes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the classes that have a value; 0 where none has."""
    counted = ~np.isnan(values)
    sums = np.where(counted, values, 0.0).sum(axis=1)
    return np.asarray(sums / np.maximum(counted.sum(axis=1), 1), np.float64)


def _mean(part: str) -> Formula:
    return _ratio(part, "rows")


def _ratio(part: str, of: str) -> Formula:
    return lambda sums: _divided(sums[part], sums[of])[:, 0]


def _calibration_error(sums: Sums) -> NDArray[np.float64]:
    """Return the error that :func:`embedkit.classification.reliability.quality` tells."""
    return np.asarray(np.abs(sums["gaps"]).sum(axis=1) / sums["cells"][:, 0], np.float64)


def _balanced(sums: Sums) -> NDArray[np.float64]:
    return _over_classes(_divided(sums["found"], sums["true"]))


def _macro(sums: Sums) -> NDArray[np.float64]:
    return _over_classes(f1_of_classes(sums))


def _micro(sums: Sums) -> NDArray[np.float64]:
    below = (sums["answered"] + sums["true"]).sum(axis=1)
    return np.nan_to_num(_divided(2 * sums["found"].sum(axis=1), below))


def _weighted(sums: Sums) -> NDArray[np.float64]:
    weighed = (np.nan_to_num(f1_of_classes(sums)) * sums["true"]).sum(axis=1)
    return np.nan_to_num(_divided(weighed, sums["true"].sum(axis=1)))


def _kappa(sums: Sums) -> NDArray[np.float64]:
    """Return the quadratic weighted kappa: how much nearer than by chance.

    Source
    ------
    Cohen, "Weighted kappa", Psychological Bulletin 1968. What chance would give follows from the
    sums of each side: the mean squared gap of two independent draws.
    """
    numbers = np.arange(sums["true"].shape[1], dtype=np.float64)
    rows = sums["rows"][:, 0]
    true, said = sums["true"] / rows[:, np.newaxis], sums["answered"] / rows[:, np.newaxis]
    chance = true @ numbers**2 + said @ numbers**2 - 2 * (true @ numbers) * (said @ numbers)
    share = _divided(sums["square"][:, 0] / rows, np.where(chance > 1e-12, chance, 0.0))
    return np.where(np.isnan(share), 1.0, 1 - share)


def _metrics() -> Any:
    try:
        from sklearn import metrics
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise MissingDependencyError(
            "evaluating a classifier needs scikit-learn, which is not installed",
            do="run: pip install scikit-learn",
        ) from error
    return metrics
