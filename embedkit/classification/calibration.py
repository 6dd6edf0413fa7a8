"""From a head's scores to probabilities that mean what they say.

A :class:`Calibrator` learns from *out-of-fold* scores: those that heads gave rows which they had
not seen. It tries a few maps of few parameters, those of
:mod:`embedkit.classification.calibration_maps`, each cross-fitted: what it says of a fold was
learned from the other folds. The one with the least log-loss is taken, or a simpler one that is no
worse than chance allows. All figures in its report are of the cross-fitted probabilities.

The head in use is trained on all rows, so it is a little better than those that gave the scores,
and its probabilities a little too modest. On TREC, with five heads, they were by 0.00 to 0.014
lower than the share of what was right on rows held out, with five folds as with ten; the
calibration error there stayed within 0.01 of what chance alone makes of so many rows, on SST-2 and
Banking77 too (``benchmarks/calibrated.py``). With eight rows a label it is 0.03 to 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.calibration_maps import MAPS, Map, PerLabel, Temperature, log_softmax
from embedkit.classification.calibration_report import CalibrationReport, MapTrial
from embedkit.classification.reliability import (
    calibration_error,
    log_losses,
    quality,
    reliability_curve,
)
from embedkit.classification.state import State
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError
from embedkit.types.classification import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask

    Floats = NDArray[np.float64]

FOLDS = 5
FEW = 50
"""Rows below which nothing but one temperature is learned."""
CURVE_ROWS = 1000
"""Rows that a curve needs."""
BIAS_ROWS = 5
"""Rows a label, on average, that a bias for each label needs."""
SLACK = 0.01
"""Calibration error that simplicity may cost."""
CELLS = 300_000
"""Rows times labels on which the map is chosen; more would only take longer."""


class Calibrator:
    """Turns scores into probabilities."""

    def __init__(self) -> None:
        self._report: CalibrationReport | None = None
        self._crossed: Floats | None = None
        self._task: Task = "single"
        self._map: Map | PerLabel | None = None
        self._n_labels = 0
        self._least = 0.0

    @classmethod
    def as_they_are(cls, n_labels: int) -> Calibrator:
        """Return one that takes scores for log-probabilities: where no row tells more."""
        made = cls()
        made._map, made._n_labels = Temperature(), n_labels
        return made

    def fit(
        self,
        scores: Floats,
        targets: Keys | Mask,
        *,
        folds: Keys | None = None,
        task: Task = "single",
        seed: int = 0,
    ) -> None:
        """Learn from out-of-fold scores.

        Parameters
        ----------
        scores : float array, shape (n, n_labels)
            Larger is more like the label; ``-inf`` is allowed, the logarithm of 0. For
            ``task="multi"`` the log-odds of each label.
        targets : int64 array, shape (n,), or bool array, shape (n, n_labels)
        folds : int64 array, shape (n,), optional
            The fold of each row in the cross-validation that gave the scores. Default: five
            random folds.
        task : {"single", "multi", "ordered"}
        seed : int
            Of the random folds and the bootstrap.

        Raises
        ------
        InvalidInputError
            No rows, scores that are not numbers, or targets that do not belong to them.
        """
        values, truth = _check(scores, targets, task)
        self._task, self._n_labels = task, values.shape[1]
        finite = values[np.isfinite(values)]
        self._least = float(finite.min()) if len(finite) else 0.0
        values = self._tame(values)
        parts = _folds(len(values), folds, seed)
        trials: tuple[MapTrial, ...] = ()
        notes: tuple[str, ...] = ()
        if task == "multi":
            labels = PerLabel()
            labels.fit(values, truth)
            self._map = labels
            self._crossed = _cross_labels(values, truth, parts)
        else:
            chosen, trials, notes = _choose(values, truth, parts, seed)
            self._map = chosen
            self._crossed = _cross(chosen, values, truth, parts)
        naive = _naive(values, task)
        self._report = CalibrationReport(
            self._map.name,
            quality(naive, truth, seed=seed),
            quality(self._crossed, truth, seed=seed),
            reliability_curve(naive, truth),
            reliability_curve(self._crossed, truth),
            trials,
            notes,
        )

    @property
    def report(self) -> CalibrationReport:
        """What was learned, and what it is worth.

        Raises
        ------
        NotFittedError
        """
        if self._report is None:
            raise _untaught()
        return self._report

    @property
    def cross_fitted(self) -> Floats:
        """The probabilities of the rows that it was fitted on, shape (n, n_labels).

        Each was learned from other folds: what thresholds, prediction sets and audits are to be
        learned from.

        Raises
        ------
        NotFittedError
            It was restored: they are not part of the state.
        """
        if self._crossed is None:
            raise _untaught()
        return self._crossed

    def probabilities(self, scores: Floats) -> Floats:
        """Return how probable each label is.

        Parameters
        ----------
        scores : float array, shape (n, n_labels)

        Returns
        -------
        float64 array, shape (n, n_labels)
            Rows sum to 1; of several labels a text, each is a probability by itself.

        Raises
        ------
        NotFittedError
        DimensionMismatchError
            Scores of another number of labels.
        InvalidInputError
            NaN or +inf.
        """
        if self._map is None:
            raise _untaught()
        values = np.asarray(scores, np.float64)
        if values.ndim != 2 or values.shape[1] != self._n_labels:
            raise DimensionMismatchError(
                f"expected scores of shape (n, {self._n_labels}), got {values.shape}"
            )
        _check_numbers(values)
        return self._map.apply(self._tame(values))

    def state(self) -> State:
        """Return what was learned.

        Raises
        ------
        NotFittedError
        """
        if self._map is None:
            raise _untaught()
        facts = {
            "task": self._task,
            "n_labels": self._n_labels,
            "least": self._least,
            "report": None if self._report is None else self._report.to_dict(),
        }
        return State.join({"own": State(facts), "map": self._map.state()})

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""
        facts = state.facts["own"]
        self._task, self._n_labels = facts["task"], facts["n_labels"]
        self._least = facts["least"]
        report = facts["report"]
        self._report = None if report is None else CalibrationReport.from_dict(report)
        self._crossed = None
        name = Temperature.name if self._report is None else self._report.name
        self._map = PerLabel() if self._task == "multi" else MAPS[name]()
        self._map.restore(state.part("map"))

    def _tame(self, values: Floats) -> Floats:
        """Return finite scores: the logarithm of 0 is as low as the lowest that was seen."""
        return np.where(np.isneginf(values), self._least, values)


def _untaught() -> NotFittedError:
    return NotFittedError("the calibrator has learned nothing yet", do="call fit")


def _check(scores: Any, targets: Any, task: Task) -> tuple[Floats, Any]:
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or not len(values) or values.shape[1] < (1 if task == "multi" else 2):
        raise InvalidInputError(
            f"expected scores of shape (n, n_labels), n at least 1, got {values.shape}"
        )
    _check_numbers(values)
    targets = np.asarray(targets)
    shape = values.shape if task == "multi" else values.shape[:1]
    if targets.shape != shape:
        raise InvalidInputError(f"expected targets of shape {shape}, got {targets.shape}")
    if task == "multi":
        return values, targets.astype(np.bool_)
    if targets.min() < 0 or targets.max() >= values.shape[1]:
        raise InvalidInputError(
            f"expected targets from 0 to {values.shape[1] - 1}, "
            f"got {targets.min()} to {targets.max()}"
        )
    return values, targets.astype(np.int64)


def _check_numbers(values: Floats) -> None:
    if np.isnan(values).any() or np.isposinf(values).any():
        raise InvalidInputError("expected scores that are numbers, got NaN or infinity")


def _folds(n: int, folds: Keys | None, seed: int) -> list[Mask]:
    """Return the rows of each fold, as flags; one fold of all rows where there are too few."""
    if folds is None:
        folds = np.random.default_rng(seed).permutation(n) % min(FOLDS, n)
    folds = np.asarray(folds)
    if folds.shape != (n,):
        raise InvalidInputError(f"expected the fold of each of {n} rows, got {folds.shape}")
    return [folds == fold for fold in np.unique(folds)]


def _candidates(n: int, n_labels: int) -> tuple[list[str], tuple[str, ...]]:
    """Return what is worth trying on so many rows, and what to say of it."""
    if n < FEW:
        note = (
            f"{n} rows are few: the probabilities were brought to scale by one temperature, and "
            "how well they are calibrated is hardly known"
        )
        return ["temperature"], (note,)
    names = ["temperature", "sigmoid"]
    if n >= CURVE_ROWS:
        names.append("curve")
    if n >= BIAS_ROWS * n_labels:
        names.append("bias")
    return names, ()


def _cross(whole: Map, values: Floats, targets: Keys, parts: list[Mask]) -> Floats:
    """Return probabilities that each fold's rows get from a map learned on the other folds."""
    if len(parts) < 2:
        return whole.apply(values)
    chance = np.empty_like(values)
    for held in parts:
        if held.any():
            part = type(whole)()
            part.fit(values[~held], targets[~held], start=whole)
            chance[held] = part.apply(values[held])
    return chance


def _cross_labels(values: Floats, targets: Mask, parts: list[Mask]) -> Floats:
    chance = np.empty_like(values)
    for held in parts:
        seen = ~held if len(parts) > 1 else held
        part = PerLabel()
        part.fit(values[seen], targets[seen])
        chance[held] = part.apply(values[held])
    return chance


def _choose(
    values: Floats, targets: Keys, parts: list[Mask], seed: int
) -> tuple[Map, tuple[MapTrial, ...], tuple[str, ...]]:
    """Return the map to use, fitted on all rows, and what was tried on a sample of them."""
    names, notes = _candidates(*values.shape)
    most = max(CURVE_ROWS, CELLS // values.shape[1])
    some = np.arange(len(values))
    if len(values) > most:
        some = np.sort(np.random.default_rng(seed).choice(len(values), most, replace=False))
    own, truth = values[some], targets[some]
    fitted: dict[str, Map] = {}
    crossed: dict[str, Floats] = {}
    for name in names:
        fitted[name] = MAPS[name]()
        fitted[name].fit(own, truth)
        crossed[name] = _cross(fitted[name], own, truth, [held[some] for held in parts])
    best = _simplest(crossed, truth)
    chosen: Map = MAPS[best]()
    chosen.fit(values, targets, start=fitted[best])
    trials = tuple(
        MapTrial(
            name,
            float(log_losses(chance, truth).mean()),
            calibration_error(chance, truth),
            float((chance.argmax(axis=1) == truth).mean()),
        )
        for name, chance in crossed.items()
    )
    return chosen, trials, notes


def _simplest(crossed: Mapping[str, Floats], targets: Keys) -> str:
    """Return the simplest map that is not clearly worse than the best.

    Clearly worse in log-loss is more than one standard error of the difference, row by row; in
    calibration error, more than 0.01 above the least of those that are left. A map that changes
    the order of labels must not cost accuracy.
    """
    losses = {name: log_losses(chance, targets) for name, chance in crossed.items()}
    right = {name: (chance.argmax(axis=1) == targets).sum() for name, chance in crossed.items()}
    names = [
        name for name in crossed if MAPS[name].keeps_order or right[name] >= right["temperature"]
    ]
    best = min(names, key=lambda name: float(losses[name].mean()))
    worse = {name: losses[name] - losses[best] for name in names}
    left = [
        name for name in names if worse[name].mean() <= worse[name].std() / np.sqrt(len(targets))
    ]
    errors = {name: calibration_error(crossed[name], targets) for name in left}
    return next(name for name in left if errors[name] <= min(errors.values()) + SLACK)


def _naive(values: Floats, task: Task) -> Floats:
    """Return the scores taken for probabilities as they are."""
    if task == "multi":
        return np.asarray(np.exp(-np.logaddexp(0, -values)))
    return np.asarray(np.exp(log_softmax(values)))
