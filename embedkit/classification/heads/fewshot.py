"""For few labelled rows: kernel ridge regression on vectors, words and general axes, averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.classification.crossfit import folds_of
from embedkit.classification.few import FEW_READ, FEW_ROWS
from embedkit.classification.heads.base import BaseHead
from embedkit.classification.heads.mixture import (
    LeftOut,
    Variant,
    borders,
    held_borders,
    log_softmax,
    sharpest,
    solutions,
    variants,
)
from embedkit.classification.heads.neighbourhood import Neighbourhood
from embedkit.classification.heads.updatable import UNSEEN
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.classification.heads.mixture import Distances
    from embedkit.types import Keys

MOST_ROWS = FEW_ROWS
"""Rows that it takes: it compares each with each."""
COMPARED = 640
"""Rows on which all variants are compared; of more rows, some of each class."""
SHORTLISTED = 200
"""Rows from which on few variants have all the weight: only those are weighted fold by fold."""
FOLDS = 8
ENOUGH = 0.99
"""Share of the weight of all variants that those which are kept have."""
BLOCK = 1024
"""Rows that are scored at a time."""


class FewShotHead(BaseHead):
    """Learns from one to some dozen rows a class.

    A text is compared with all training rows by its vector, by its words, and by where it lies
    along general axes such as good to bad or who to where (where the inputs hold references). How
    much each of them counts, and how far labels can be trusted, is what few rows cannot tell, so
    all variants decide together, each weighted by how probable it finds the rows that are held out:
    with few rows nearly alike, with more the best ones alone.

    Source
    ------
    Kernel ridge regression on indicators of the classes: Rasmussen and Williams, Gaussian
    Processes for Machine Learning, section 6.5. Weights of the variants: pseudo-BMA, Yao et al.,
    "Using stacking to average Bayesian predictive distributions", 2018.
    """

    reads: ClassVar[frozenset[str]] = FEW_READ

    def __init__(self) -> None:
        super().__init__()
        self._near = Neighbourhood()
        self._prior = np.empty(0)
        self._kept: list[Variant] = []
        self._weights = np.empty(0)
        self._sharpness = np.empty(0)
        self._shifts = np.empty((0, 0))
        self._coefficients = np.empty((0, 0, 0), np.float32)

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        _refuse_many(len(inputs))
        counts = _counts(weights, len(inputs))
        distances = self._near.fit(inputs)
        self._prior, wanted = _wanted(targets, counts, self.n_classes)
        choices = variants(words=self._near.has_words, axes=self._near.has_axes)
        self._choose(inputs, targets, counts, distances, choices, seed)
        self._coefficients = np.stack(
            list(solutions(distances, wanted, counts, self._kept))
        ).astype(np.float32)

    def _choose(
        self,
        inputs: Inputs,
        targets: Keys,
        counts: NDArray[np.float64],
        distances: Distances,
        choices: list[Variant],
        seed: int,
    ) -> None:
        """Decide which variants are kept, and what each counts."""
        some = _some_of_each(targets, COMPARED, seed)
        few = inputs.take(some)
        known = targets[some]
        tested = np.bincount(known, minlength=self.n_classes)[known] > 1
        several = bool(tested.any()) and len(np.unique(known)) > 1
        folds = np.arange(len(some))
        if several:
            folds = folds_of(few.texts, known, _folds(known), seed=seed)
        prior, wanted = _wanted(known, counts[some], self.n_classes)
        square = distances.square(some)
        found, shifts = [], []
        for variant in choices:
            scores = LeftOut(square, wanted, counts[some], variant).by_fold(folds)
            heard = counts[some] * tested * several
            shifts.append(prior + borders(scores, known, heard, self.n_classes))
            found.append(_told_by(scores, known, heard, folds, prior))
        sharpness, losses = np.array(found).T
        if not several:  # nothing speaks for trusting the axes more than the vectors
            losses[[variant.axes > 1 for variant in choices]] = np.inf
        shares = _shares(losses)
        kept = _enough(shares)
        self._kept = [choices[i] for i in kept.tolist()]
        self._weights, self._sharpness = shares[kept] / shares[kept].sum(), sharpness[kept]
        self._shifts = np.array(shifts)[kept]

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        out = np.empty((len(inputs), self.n_classes))
        for start in range(0, len(inputs), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(inputs)))
            out[rows] = self._mixed(self._near.to(inputs.take(rows)))
        out[:, self._prior == 0] = UNSEEN
        return out

    def _mixed(self, distances: Distances) -> NDArray[np.float64]:
        """Return the logarithms of the mean probabilities, shape (n, n_classes)."""
        kernels: dict[tuple[float, float], NDArray[np.float64]] = {}
        mean = np.zeros((len(distances.vectors), self.n_classes))
        for i, variant in enumerate(self._kept):
            mix = variant.words, variant.axes
            if mix not in kernels:
                kernels[mix] = distances.kernel(*mix)
            scores = kernels[mix] @ self._coefficients[i] + self._shifts[i]
            mean += self._weights[i] * np.exp(log_softmax(self._sharpness[i] * scores))
        logs: NDArray[np.float64] = np.log(np.maximum(mean, 1e-12))
        return logs

    def out_of_fold(
        self,
        inputs: Inputs,
        targets: Keys,
        n_classes: int,
        folds: Keys,
        *,
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Return the scores of each row by what the other folds tell, shape (n, n_classes).

        That is also how the variants are weighted: by rows that are held out from the rest of the
        other folds. Only how rare a word is, which no label tells, is counted over all rows; and
        of more than ``SHORTLISTED`` rows, which variants count at all.

        Parameters
        ----------
        folds : int64 array, shape (n,)
            The fold of each row.
        """
        _refuse_many(len(inputs))
        self.n_classes = n_classes
        counts = _counts(weights, len(inputs))
        distances = self._near.fit(inputs)
        prior, wanted = _wanted(targets, counts, n_classes)
        choices = variants(words=self._near.has_words, axes=self._near.has_axes)
        if len(inputs) > SHORTLISTED:
            self._choose(inputs, targets, counts, distances, choices, seed)
            choices = self._kept
        tested = np.bincount(targets, minlength=n_classes)[targets] > 1
        logs, losses = [], []
        for variant in choices:
            scores = LeftOut(distances, wanted, counts, variant).by_pair(folds)
            own, loss = _by_others(scores, targets, counts * tested, folds, prior)
            logs.append(own)
            losses.append(loss)
        out = np.empty((len(inputs), n_classes))
        for i, fold in enumerate(np.unique(folds)):
            held = folds == fold
            shares = _shares(np.array([loss[i] for loss in losses]))
            mean = sum(share * np.exp(each[held]) for share, each in zip(shares, logs, strict=True))
            out[held] = np.log(np.maximum(mean, 1e-12))
        out[:, prior == 0] = UNSEEN
        return out

    def _state(self) -> State:
        own = State(
            {"variants": [[v.words, v.axes, v.noise] for v in self._kept]},
            {
                "prior": self._prior,
                "weights": self._weights,
                "sharpness": self._sharpness,
                "shifts": self._shifts,
                "coefficients": self._coefficients,
            },
        )
        return State.join({"own": own, "near": self._near.state()})

    def _restore(self, state: State) -> None:
        own = state.part("own")
        self._kept = [Variant(*each) for each in own.facts["variants"]]
        self._prior, self._weights = own.arrays["prior"], own.arrays["weights"]
        self._sharpness, self._shifts = own.arrays["sharpness"], own.arrays["shifts"]
        self._coefficients = own.arrays["coefficients"]
        self._near = Neighbourhood.restored(state.part("near"))


def _by_others(
    scores: NDArray[np.float64],
    targets: Keys,
    counts: NDArray[np.float64],
    folds: Keys,
    prior: NDArray[np.float64],
) -> tuple[NDArray[np.float64], list[float]]:
    """Return the log-probabilities of each row, and how badly the others are told for its fold.

    Parameters
    ----------
    scores : float64 array, shape (n_folds, n, n_classes)
        As :meth:`LeftOut.by_pair` returns them.

    Returns
    -------
    logs : float64 array, shape (n, n_classes)
    losses : list of float
        For each fold, over the rows outside of it.
    """
    logs, losses = np.empty(scores.shape[1:]), []
    for some, fold in zip(scores, np.unique(folds), strict=True):
        held, others = folds == fold, folds != fold
        heard = some[others], targets[others], counts[others]
        shift = prior + borders(*heard, len(prior))
        times, loss = _told_by(*heard, folds[others], prior)
        logs[held] = log_softmax(times * (some[held] + shift))
        losses.append(loss)
    return logs, losses


def _told_by(
    scores: NDArray[np.float64],
    targets: Keys,
    counts: NDArray[np.float64],
    folds: Keys,
    prior: NDArray[np.float64],
) -> tuple[float, float]:
    """Return how far to sharpen a variant's scores, and how badly it tells the rows.

    It is judged before its borders are moved: with them, many classes of few rows each made noisy
    variants look better than they are (Banking77, 8 rows a class: 0.7 instead of 3.5 points above
    logistic regression).
    """
    moved = held_borders(scores, targets, counts, len(prior), folds)
    times, _ = sharpest(scores + prior + moved, targets, counts)
    return times, sharpest(scores + prior, targets, counts)[1]


def _refuse_many(rows: int) -> None:
    if rows > MOST_ROWS:
        raise InvalidInputError(
            f"fewshot: expected at most {MOST_ROWS:,} rows, each of which it compares with each, "
            f"got {rows:,}",
            do="use head 'auto', or 'logreg'",
        )


def _counts(weights: NDArray[np.float64] | None, rows: int) -> NDArray[np.float64]:
    """Return how much each row counts, 1 on average."""
    return np.ones(rows) if weights is None else weights * (rows / weights.sum())


def _wanted(
    targets: Keys, counts: NDArray[np.float64], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of each class, and what the rows are to have more or less than that."""
    prior = np.bincount(targets, weights=counts, minlength=n_classes) / counts.sum()
    return prior, np.eye(n_classes)[targets] - prior


def _some_of_each(targets: Keys, most: int, seed: int) -> Keys:
    """Return at most so many rows, but two of each class that has them; in order."""
    if len(targets) <= most:
        return np.arange(len(targets))
    order = np.random.default_rng(seed).permutation(len(targets))
    places = np.empty(len(targets), np.int64)  # how many of its class come before it
    for number in np.unique(targets):
        own = order[targets[order] == number]
        places[own] = np.arange(len(own))
    each = max(2, int(np.searchsorted(np.cumsum(np.bincount(places)), most, side="right")))
    return np.flatnonzero(places < each)


def _folds(targets: Keys) -> int:
    """Return how many folds leave out about one row of each class."""
    sizes = np.bincount(targets)
    return int(np.clip(np.median(sizes[sizes > 0]), 2, FOLDS))


def _shares(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of each variant from its log-loss, summed over rows."""
    likelihood = np.exp(losses.min() - losses)
    shares: NDArray[np.float64] = likelihood / likelihood.sum()
    return shares


def _enough(shares: NDArray[np.float64]) -> Keys:
    """Return the fewest variants that have nearly all the weight, in order."""
    order = np.argsort(-shares, kind="stable")
    n = int(np.searchsorted(np.cumsum(shares[order]), ENOUGH)) + 1
    return np.sort(order[:n])
