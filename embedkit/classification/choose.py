"""Which head: chosen by cross-validation within a budget, with the baselines beside it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.crossfit import crossfit_head, folds_of
from embedkit.classification.few import FEW_HEAD, few_labels
from embedkit.classification.fitted import make_head
from embedkit.classification.heads.kernel import MOST_ROWS, tuned
from embedkit.classification.inputs import Inputs
from embedkit.protocols import Head
from embedkit.types import Estimate
from embedkit.types.classification import HeadTrial, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask

BASELINES = ("tfidf", "majority")
"""What is always tried beside the others, so that a person sees what embeddings add."""
BUDGET = 15.0
"""Seconds of CPU time for comparing heads."""
ALL_FOLDS_ROWS = 3000
"""Rows up to which heads are judged on all folds; beyond, one fold has enough rows."""
RBF_ROWS = 6000
"""Rows up to which the RBF SVM is tried."""
JOINED_CELLS = 200_000
"""Rows times classes up to which a linear SVM is tried on what ``kernel`` reads too."""
TUNING_ROWS = 2500
"""Rows on which the variant of the kernel is chosen."""
PART_ROWS = 10_000
"""Rows that heads are compared on in the usual budget, where there are more than kernels serve."""
SECONDS = {"joined": 60e-6, "logreg": 8e-6}
"""What a row and class may take a head: 10 to 67 and 4 to 8 µs on 12,000 to 40,000 rows."""
MOST_SECONDS = 60.0
"""What cross-validating a head on more rows than kernels serve may take, or it is not tried."""
MOST_WORK = 2e11
"""Rows cubed times labels up to which a kernel is solved anew for every label: about 3 s."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The head that was chosen.

    Attributes
    ----------
    spec : str
    trials : tuple of HeadTrial
        All heads that were tried, the best first, and those that were not, with the reason.
    scores : float64 array, shape (n, n_classes)
        Of each row, by heads of that spec that had not seen it.
    head : Head or None
        Fitted on all rows, where computing the scores fitted it on the way.
    notes : tuple of str
        What a person should know of how it was chosen.
    """

    spec: str
    trials: tuple[HeadTrial, ...]
    scores: NDArray[np.float64]
    head: Head | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contest:
    """What heads are compared on.

    Attributes
    ----------
    inputs : Inputs, length n
    targets : int64 array, shape (n,), or bool array, shape (n, n_classes)
        Where a text has any number of labels, one flag for each.
    n_classes : int
    task : "single", "multi" or "ordered"
    folds : int
    weights : float64 array, shape (n,), optional
    seed : int
    """

    inputs: Inputs
    targets: Keys | Mask
    n_classes: int
    task: Task = "single"
    folds: int = 5
    weights: NDArray[np.float64] | None = None
    seed: int = 0

    def take(self, rows: Keys) -> Contest:
        """Return the contest on some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        inputs, targets = self.inputs.take(rows), self.targets[rows]
        return Contest(inputs, targets, self.n_classes, self.task, self.folds, weights, self.seed)

    def scores(self, spec: str, only: int | None = None) -> tuple[NDArray[np.float64], Head | None]:
        """Return the scores of rows by heads that had not seen them, and a head that saw all.

        Parameters
        ----------
        only : int, optional
            The one fold whose scores are wanted.

        Raises
        ------
        UnknownBackendError, InvalidInputError, MissingDependencyError
            Of the spec.
        """
        if self.task != "multi":
            targets = self.targets.astype(np.int64)
            return self._crossfit(spec, targets, self.n_classes, self.task, only)
        columns = []
        for column in self.targets.T:
            both, _ = self._crossfit(spec, column.astype(np.int64), 2, "single", only)
            columns.append(both[:, 1] - both[:, 0])
        return np.stack(columns, axis=1), None

    def _crossfit(
        self, spec: str, targets: Keys, n_classes: int, task: Task, only: int | None
    ) -> tuple[NDArray[np.float64], Head | None]:
        return crossfit_head(
            lambda: make_head(spec, task),
            self.inputs,
            targets,
            n_classes,
            folds=self.places,
            only=only,
            weights=self.weights,
            seed=self.seed,
        )

    @property
    def places(self) -> Keys:
        """The fold of each row, shape (n,)."""
        return folds_of(self.inputs.texts, self.kinds, self.folds, seed=self.seed)

    @property
    def kinds(self) -> Keys:
        """The class of each row, shape (n,); where it has several labels, a number for that set."""
        if self.targets.ndim == 1:
            return self.targets.astype(np.int64)
        return np.unique(self.targets, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def candidates(rows: int, n_classes: int, task: Task = "single") -> tuple[str, ...]:
    """Return the specs worth trying, the one to prefer where they are equal first.

    ``kernel`` and ``rbf`` take too long for many rows, for their time grows with the square and
    more, and where labels are decided one by one, every label costs as much. ``ridge`` takes the
    place of ``kernel`` then, where there is one label a text.
    """
    once = task == "single" or float(rows) ** 3 * n_classes <= MOST_WORK
    kernel = ("kernel",) if once and rows <= MOST_ROWS else ()
    ridge = ("ridge",) if task == "single" and rows > MOST_ROWS else ()
    rbf = ("rbf",) if once and rows <= RBF_ROWS else ()
    joined = ("joined",) if not kernel or rows * n_classes <= JOINED_CELLS else ()
    return (*kernel, *ridge, *joined, *rbf, "logreg", *BASELINES)


def choose(contest: Contest, *, budget: float = BUDGET) -> Choice:
    """Compare heads by cross-validation and return the best.

    All are judged on the same rows, which the heads that judge them had not seen: all rows where
    there are few, else those of one fold. Where there are more rows than the budget allows, all
    this is done on a part of them, in which every class has its share. Of heads that differ by no
    more than the standard error of their difference, the one that :func:`candidates` prefers is
    taken. Where labels are few there is no contest, only a table: chance would decide it.

    Parameters
    ----------
    budget : float
        Seconds of CPU time for the comparison. A head that comes up when they are used up is not
        tried, and the table says so; the preferred one and the baselines always are. What the
        scores of the chosen head on all rows take comes on top; a head that is expected to take
        more than a minute for them is not tried either.

    Raises
    ------
    InvalidInputError
        There are not two rows to compare on.
    """
    n = len(contest.inputs)
    few = contest.task != "multi" and few_labels(contest.kinds)
    all_specs = candidates(n, contest.n_classes, contest.task)
    if all_specs[0] == "kernel" and contest.task == "single" and not few:
        small = _part(contest, TUNING_ROWS)
        variant = tuned(small.inputs, small.kinds, contest.n_classes, small.places)
        all_specs = (variant, *all_specs[1:])
    specs = (FEW_HEAD, "logreg", *BASELINES) if few else all_specs
    dear = _dear(specs, contest)
    specs = tuple(spec for spec in specs if spec not in dear)
    part = _part(
        contest, n if few or specs[0].startswith("kernel") else int(PART_ROWS * budget / BUDGET)
    )
    m = len(part.inputs)
    fold = None if few or m <= ALL_FOLDS_ROWS else 0
    judged = np.arange(m) if fold is None else np.flatnonzero(part.places == fold)
    tried = _try(specs, part, fold, budget)
    targets = part.targets[judged]
    right = {spec: _right(own.scores[judged], targets) for spec, own in tried.items()}
    spec = FEW_HEAD if few else _best(specs, right)
    scores, head = tried[spec].scores, tried[spec].head
    if m < n or np.isnan(scores).any():
        scores, head = contest.scores(spec)
    notes = []
    if few:
        notes.append(f"labels are few, so {spec} was taken without a contest")
    elif fold is not None:
        notes.append(
            f"heads were compared on {len(judged):,} rows, after learning from {m - len(judged):,}"
            f" of the other {n - len(judged):,}"
        )
    table = [
        HeadTrial(
            spec,
            proportion(float(right[spec].mean()), len(judged)),
            macro_f1(own.scores[judged], targets),
            round(own.seconds, 2),
        )
        for spec, own in tried.items()
    ]
    table.sort(key=lambda trial: -trial.accuracy.mean if trial.accuracy else 0.0)
    late = f"not tried: the {budget:g} s for comparing were used up"
    table += [HeadTrial(spec, note=late) for spec in specs if spec not in tried]
    table += [HeadTrial(spec, note=note) for spec, note in dear.items()]
    return Choice(spec, tuple(table), scores, head, tuple(notes))


@dataclass(frozen=True, slots=True)
class _Tried:
    scores: NDArray[np.float64]
    head: Head | None
    seconds: float


def _try(
    specs: tuple[str, ...], part: Contest, fold: int | None, budget: float
) -> dict[str, _Tried]:
    """Try heads, the preferred one and the baselines first, until the budget is used up."""
    sure = (specs[0], *(spec for spec in specs if spec in BASELINES))
    tried: dict[str, _Tried] = {}
    start = time.process_time()
    for spec in (*sure, *(spec for spec in specs if spec not in sure)):
        before = time.process_time()
        if spec not in sure and before - start > budget:
            continue
        scores, head = part.scores(spec, fold)
        tried[spec] = _Tried(scores, head, time.process_time() - before)
    return tried


def _dear(specs: tuple[str, ...], contest: Contest) -> dict[str, str]:
    """Return the heads that would take too long on all rows, if they were chosen, and a note."""
    n = len(contest.inputs)
    found = {}
    for spec in specs[1:] if n > MOST_ROWS else ():
        # Every fold is fitted without a part of the rows, and then all rows: once for each fold.
        seconds = SECONDS.get(spec, 0) * n * contest.n_classes * contest.folds
        if seconds > MOST_SECONDS:
            found[spec] = f"not tried: {n:,} rows could take it {seconds:,.0f} s"
    return found


def _right(scores: NDArray[np.float64], targets: Keys | Mask) -> NDArray[np.float64]:
    """Return how much of each row is right, shape (n,): 0 or 1, or the share of its labels."""
    if targets.ndim == 2:
        return np.asarray(((scores > 0) == targets).mean(axis=1))
    return np.asarray(scores.argmax(axis=1) == targets, np.float64)


def _best(specs: tuple[str, ...], right: dict[str, NDArray[np.float64]]) -> str:
    """Return the first that is no worse than the best by more than chance."""
    top = max(right, key=lambda spec: float(right[spec].mean()))
    for spec in specs:
        if spec in right:
            short = right[top] - right[spec]
            if short.mean() <= short.std() / np.sqrt(len(short)):
                return spec
    return top


def _part(contest: Contest, size: int) -> Contest:
    """Return the contest on so many rows, of every class its share but at least two."""
    n = len(contest.inputs)
    if size >= n:
        return contest
    kinds = contest.kinds
    order = np.random.default_rng(contest.seed).permutation(n)
    order = order[np.argsort(kinds[order], kind="stable")]  # class by class, in random order
    counts = np.bincount(kinds)
    place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    quota = np.maximum(np.round(counts * size / n), 2)
    return contest.take(np.sort(order[place < np.repeat(quota, counts)]))


def proportion(share: float, n: int) -> Estimate:
    """Return a share of n rows with its 95 % interval.

    Source
    ------
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return Estimate(share, max(middle - half, 0.0), min(middle + half, 1.0), n)


def macro_f1(scores: NDArray[np.float64], targets: Keys | Mask) -> float:
    """Return the mean F1 of the classes that have rows or are predicted; 0 where there are none."""
    if targets.ndim == 2:
        guessed, true = scores > 0, targets.astype(bool)
    else:
        classes = np.arange(scores.shape[1])
        guessed = scores.argmax(axis=1)[:, None] == classes
        true = targets[:, None] == classes
    hits = (guessed & true).sum(axis=0)
    sums = guessed.sum(axis=0) + true.sum(axis=0)
    each = 2 * hits[sums > 0] / sums[sums > 0]
    return float(each.mean()) if len(each) else 0.0
