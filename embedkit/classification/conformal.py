"""Prediction sets: labels of which the true one is one, as often as was asked for.

*What is promised.* For a text drawn like those learned from, the set holds the true label with at
least the coverage asked for, on average over texts and over the drawing of the rows learned from.
Not promised is that for each label, or for each kind of text; of labels by themselves it is with
``by_label``.

*What it rests on.* The set scores of the rows must be exchangeable with those of new texts. The
rows' probabilities are out-of-fold: given by heads, and calibrated by maps, that had not seen them.
The head in use has seen all rows, so it is a little better, and the sets cover a little more than
was asked for; that it is not worse is all that the promise takes on trust, and it is what every
method does that does not keep all heads of the cross-validation (Barber, Candès, Ramdas and
Tibshirani, "Predictive inference with the jackknife+", 2021, show how it could fail where heads
are unstable). The measured coverage in :class:`SetReport` is that of rows held out from the cut.

MAPIE, the library for this, takes a fitted estimator of scikit-learn and its inputs, also to
predict; what is needed here is one quantile of numbers that are there, without scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.set_scores import SCORES, SetScore
from embedkit.classification.state import State
from embedkit.errors import (
    DimensionMismatchError,
    InvalidInputError,
    NotFittedError,
    UnsupportedOperationError,
)
from embedkit.types.classification import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask

    Floats = NDArray[np.float64]

COVERAGE = 0.9
COVERAGES = (0.8, 0.9, 0.95, 0.99)
"""Of which it is told what the sets are like."""
CHOICES: tuple[SetScore, ...] = ("lac", "aps", "raps")
MOST = 20_000
"""Rows that the cut is learned from; that many leave 0.2 % of doubt about the coverage."""
CHOOSE_FROM = 1000
"""Rows from which on a fifth is spent on choosing the set score."""
FOLDS = 5
SURE = 0.95


@dataclass(frozen=True, slots=True)
class SetReport:
    """What sets of some coverage are like, measured on rows held out from the cut.

    Attributes
    ----------
    coverage : float
        Asked for.
    measured : float
        Share of held-out rows whose set holds the true label; of several labels, all of them.
    low, high : float
        Where the coverage of a set that keeps its promise exactly lies, in 95 of 100 drawings of
        as many rows: the Beta distribution of Vovk, "Conditional validity of inductive conformal
        predictors", 2012.
    size : float
        Mean labels in a set.
    single : float
        Share of sets of one label: texts of which there is no doubt.
    score : str
        The set score: "lac", "aps", "raps" or "interval".
    rows : int
        The cut was learned from.
    """

    coverage: float
    measured: float
    low: float
    high: float
    size: float
    single: float
    score: SetScore
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> SetReport:
        """Read what ``to_dict`` returned."""
        return cls(**body)


class PredictionSets:
    """Makes sets of labels of a stated coverage.

    Of labels with an order the sets are intervals. Of any number of labels a text, a set holds all
    of the true ones, as often as was asked for, and may be empty; otherwise a set is never empty:
    one that would be gets the most probable label.
    """

    def __init__(self) -> None:
        self._task: Task = "single"
        self._score: SetScore = "lac"
        self._n_labels = 0
        self._scores: Floats | None = None
        self._targets = np.empty(0, np.int64)
        self.reports: tuple[SetReport, ...] = ()
        """What sets of 80, 90, 95 and 99 % coverage are like."""

    def fit(
        self,
        probabilities: Floats,
        targets: Keys | Mask,
        *,
        task: Task = "single",
        score: SetScore | None = None,
        seed: int = 0,
    ) -> None:
        """Learn from rows that neither the head nor the calibration had seen.

        Parameters
        ----------
        probabilities : float array, shape (n, n_labels)
        targets : int64 array, shape (n,), or bool array, shape (n, n_labels)
        task : {"single", "multi", "ordered"}
        score : {"lac", "aps", "raps"}, optional
            Default: of a thousand rows or more, whichever makes the smallest sets on a fifth of
            them, which is then left out; "lac" of fewer. Ordered labels have "interval", and
            several labels "lac".
        seed : int
            Of what is left out.

        Raises
        ------
        InvalidInputError
            No rows, not one target a row, or a score that does not go with the task.
        """
        values, truth = _check(probabilities, targets, task)
        self._task, self._n_labels = task, values.shape[1]
        rows = np.random.default_rng(seed).permutation(len(values))
        if task != "single":
            self._score = _only_score(task, score)
        elif score is not None:
            self._score = _known(score)
        elif len(rows) < CHOOSE_FROM:
            self._score = "lac"
        else:
            some, rows = rows[: len(rows) // 5], rows[len(rows) // 5 :]
            self._score = _smallest(values[some], truth[some])
        values, truth = values[rows[:MOST]], truth[rows[:MOST]]
        every = SCORES[self._score](values)
        self._scores = _of_truth(every, truth)
        self._targets = truth if task != "multi" else np.empty(0, np.int64)
        self.reports = tuple(self._measure(values, every, coverage) for coverage in COVERAGES)

    def sets(
        self, probabilities: Floats, coverage: float = COVERAGE, *, by_label: bool = False
    ) -> Mask:
        """Return which labels are in the set of each text.

        Parameters
        ----------
        probabilities : float array, shape (n, n_labels)
        coverage : float, between 0 and 1
            How often the set is to hold the true label, at least.
        by_label : bool
            Whether that is to hold for the texts of each label by itself. Labels with too few rows
            for that are taken together, as one.

        Returns
        -------
        bool array, shape (n, n_labels)

        Raises
        ------
        NotFittedError, InvalidInputError, DimensionMismatchError
        UnsupportedOperationError
            ``by_label`` of several labels a text.
        """
        scores = self._learned()
        values = np.asarray(probabilities, np.float64)
        if values.ndim != 2 or values.shape[1] != self._n_labels:
            raise DimensionMismatchError(
                f"expected probabilities of shape (n, {self._n_labels}), got {values.shape}"
            )
        coverage = check_coverage(coverage)
        cut: float | Floats = quantile(scores, coverage)
        if by_label:
            if self._task == "multi":
                raise UnsupportedOperationError(
                    "sets of a coverage for each label need one label a text",
                    do="leave by_label out",
                )
            cut = _by_label(scores, self._targets, self._n_labels, coverage)
        return self._within(values, SCORES[self._score](values), cut)

    def state(self) -> State:
        """Return what was learned.

        Raises
        ------
        NotFittedError
        """
        arrays = {"scores": self._learned(), "targets": self._targets}
        facts = {
            "task": self._task,
            "score": self._score,
            "n_labels": self._n_labels,
            "reports": [report.to_dict() for report in self.reports],
        }
        return State(facts, arrays)

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""
        self._task, self._score = state.facts["task"], _known(state.facts["score"])
        self._n_labels = state.facts["n_labels"]
        self._scores, self._targets = state.arrays["scores"], state.arrays["targets"]
        self.reports = tuple(SetReport.from_dict(body) for body in state.facts["reports"])

    def _learned(self) -> Floats:
        if self._scores is None:
            raise NotFittedError("prediction sets have learned nothing yet", do="call fit")
        return self._scores

    def _within(self, values: Floats, every: Floats, cut: float | Floats) -> Mask:
        inside: Mask = every <= cut
        if self._task != "multi":
            inside[np.arange(len(values)), values.argmax(axis=1)] = True
        if self._task == "ordered":
            # Cuts of their own may leave a gap between labels.
            after = np.maximum.accumulate(inside, axis=1)
            before = np.maximum.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
            inside = after & before
        return inside

    def _measure(self, values: Floats, every: Floats, coverage: float) -> SetReport:
        """Measure sets of rows by cuts that were learned from the other folds."""
        scores = self._learned()
        n = len(scores)
        folds = np.arange(n) % min(FOLDS, n)  # the rows are in random order
        inside = np.zeros(values.shape, np.bool_)
        held = np.zeros(n, np.bool_)
        for fold in range(int(folds.max()) + 1):
            here = folds == fold
            cut = quantile(scores[~here] if n > 1 else scores, coverage)
            inside[here] = self._within(values[here], every[here], cut)
            held[here] = scores[here] <= cut
        if self._task != "multi":
            held = inside[np.arange(n), self._targets]
        low, high = spread(n, coverage)
        sizes = inside.sum(axis=1)
        return SetReport(
            coverage,
            float(held.mean()),
            low,
            high,
            float(sizes.mean()),
            float((sizes == 1).mean()),
            self._score,
            n,
        )


def quantile(scores: Floats, coverage: float) -> float:
    """Return the cut below which a new score lies as often as asked: one of n + 1 in order.

    Infinite where there are too few scores for that coverage: then every label is in the set.
    """
    n = len(scores)
    place = math.ceil((n + 1) * coverage - 1e-9)
    return float("inf") if place > n else float(np.partition(scores, place - 1)[place - 1])


def spread(n: int, coverage: float) -> tuple[float, float]:
    """Return between what the coverage of a cut from n rows lies, 95 times of 100."""
    from scipy.stats import beta

    place = math.ceil((n + 1) * coverage - 1e-9)
    if place > n:
        return 1.0, 1.0
    low, high = beta.ppf([(1 - SURE) / 2, (1 + SURE) / 2], place, n + 1 - place)
    return float(low), float(high)


def check_coverage(coverage: Any) -> float:
    """Return the coverage, a number between 0 and 1.

    Raises
    ------
    InvalidInputError
    """
    number = isinstance(coverage, (int, float)) and not isinstance(coverage, bool)
    if not number or not 0 < coverage < 1:
        raise InvalidInputError(
            f"expected coverage to be between 0 and 1, got {coverage!r}", do="0.9 is usual"
        )
    return float(coverage)


def _by_label(scores: Floats, targets: Keys, n_labels: int, coverage: float) -> Floats:
    """Return a cut for each label, shape (n_labels,); one for those with few rows together.

    Source
    ------
    Vovk 2012, "label conditional"; taking together what is rare: Ding, Angelopoulos, Bates, Jordan
    and Tibshirani, "Class-conditional conformal prediction with many classes", NeurIPS 2023.
    """
    counts = np.bincount(targets, minlength=n_labels)
    few = counts < math.ceil(coverage / (1 - coverage) - 1e-9)
    cuts = np.full(n_labels, quantile(scores[few[targets]], coverage))
    for label in np.flatnonzero(~few):
        cuts[label] = quantile(scores[targets == label], coverage)
    return cuts


def _of_truth(every: Floats, truth: Keys | Mask) -> Floats:
    """Return the score of the true label; of several, the highest of theirs."""
    if truth.ndim == 2:
        return np.asarray(np.where(truth, every, 0.0).max(axis=1))
    return np.asarray(every[np.arange(len(truth)), truth])


def _smallest(values: Floats, truth: Keys) -> SetScore:
    """Return the set score with the smallest sets of the usual coverage."""
    sizes: dict[SetScore, float] = {}
    for score in CHOICES:
        every = SCORES[score](values)
        sizes[score] = float((every <= quantile(_of_truth(every, truth), COVERAGE)).sum())
    return min(CHOICES, key=lambda score: sizes[score])


def _known(score: str) -> SetScore:
    for known in SCORES:
        if score == known:
            return known
    raise InvalidInputError(f"expected a set score, one of {', '.join(SCORES)}, got {score!r}")


def _only_score(task: Task, score: SetScore | None) -> SetScore:
    only: SetScore = "interval" if task == "ordered" else "lac"
    if score not in (None, only):
        raise InvalidInputError(f"expected the set score {only} of the task {task}, got {score!r}")
    return only


def _check(probabilities: Any, targets: Any, task: Task) -> tuple[Floats, Any]:
    values, truth = np.asarray(probabilities, np.float64), np.asarray(targets)
    shape = values.shape if task == "multi" else values.shape[:1]
    if values.ndim != 2 or not len(values) or truth.shape != shape:
        raise InvalidInputError(
            "expected probabilities of shape (n, n_labels), n at least 1, and their targets, "
            f"got shapes {values.shape} and {truth.shape}"
        )
    return values, truth.astype(np.bool_ if task == "multi" else np.int64)
