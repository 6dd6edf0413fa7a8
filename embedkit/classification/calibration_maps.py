"""Ways from a head's scores to probabilities, each with few parameters.

All of them but :class:`Bias` keep the order of the labels, so the most probable label is the one
with the highest score. Scores may be of any scale: they are brought to one by their spread. A
single row that could be of any label, evenly, is added to what is learned from, so that scores
which tell all rows apart do not make for probabilities of 0 and 1 (Platt 1999 does so for two
classes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask, Vectors

    Floats = NDArray[np.float64]
    Loss = Callable[[Floats], tuple[float, Floats]]

WIDEST = 6.0
"""Logarithm of how much steeper or flatter than their spread scores may be taken."""
LOWEST = np.float32(80)
"""Negative log-odds beyond which float32 has no number for the odds."""
STEPS = 50
"""Of the minimiser; it is close after ten."""
FEW = 5
"""Rows with a label, and without it, that a curve of its own needs."""


class Map(Protocol):
    """From scores to probabilities."""

    name: ClassVar[str]
    keeps_order: ClassVar[bool]

    def fit(self, scores: Floats, targets: Keys, start: Map | None = None) -> None:
        """Learn, from shapes (n, n_labels) and (n,); quicker from a map learned on like rows."""

    def apply(self, scores: Floats) -> Floats:
        """Return probabilities of the shape of the scores."""

    def state(self) -> State:
        """Return what was learned."""

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""


class _Smooth:
    """A map whose few numbers minimise the log-loss."""

    name: ClassVar[str] = ""
    keeps_order: ClassVar[bool] = True

    def __init__(self) -> None:
        self.scale = 1.0
        self.theta = np.zeros(1)

    def fit(self, scores: Floats, targets: Keys, start: Map | None = None) -> None:
        """Learn, from shapes (n, n_labels) and (n,)."""
        self.scale = float(start.scale) if isinstance(start, _Smooth) else spread(scores)
        first = start.theta if isinstance(start, _Smooth) else self._first(scores.shape[1])
        x = (scores / self.scale).astype(np.float32)
        even = np.sort(x, axis=1).mean(axis=0, keepdims=True)
        self.theta = _minimise(self._loss(np.concatenate((x, even)), targets), first)

    def apply(self, scores: Floats) -> Floats:
        """Return probabilities, shape (n, n_labels)."""
        return np.exp(log_softmax(self._energy(scores / self.scale)))

    def state(self) -> State:
        """Return what was learned."""
        return State({"scale": self.scale}, {"theta": self.theta})

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""
        self.scale = float(state.facts["scale"])
        self.theta = np.asarray(state.arrays["theta"], np.float64)

    def _first(self, n_labels: int) -> Floats:
        return np.zeros(1)

    def _energy(self, x: Floats) -> Floats:
        raise NotImplementedError

    def _loss(self, x: Vectors, targets: Keys) -> Loss:
        """Return loss and gradient by theta, of scores whose last row could be of any label."""
        raise NotImplementedError


class Temperature(_Smooth):
    """Softmax of the scores divided by one temperature.

    Source
    ------
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
    """

    name = "temperature"

    @property
    def temperature(self) -> float:
        """What the scores are divided by."""
        return float(self.scale / np.exp(self.theta[0]))

    def _energy(self, x: Floats) -> Floats:
        return np.asarray(np.exp(self.theta[0]) * x)

    def _loss(self, x: Vectors, targets: Keys) -> Loss:
        x = x - x.max(axis=1, keepdims=True)

        def loss(theta: Floats) -> tuple[float, Floats]:
            steep = np.exp(theta[0])
            value, error = _cross_entropy(np.exp(np.float32(steep) * x), targets)
            return value, np.array([_inner(error, x) * steep])

        return loss


class Sigmoid(_Smooth):
    """One sigmoid for all labels, of which each label's share is taken.

    Scores that say of each label by itself whether it fits, as those of machines trained one label
    against the rest, saturate: how far beyond its border the best label lies matters little.

    Source
    ------
    Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates", KDD 2002: one against the rest, each calibrated, and normalised. Here the labels
    share the two parameters of the sigmoid, which small data sets can afford.
    """

    name = "sigmoid"

    def _first(self, n_labels: int) -> Floats:
        return np.zeros(2)

    def _energy(self, x: Floats) -> Floats:
        return np.asarray(-np.logaddexp(0, -(np.exp(self.theta[0]) * x + self.theta[1])))

    def _loss(self, x: Vectors, targets: Keys) -> Loss:
        def loss(theta: Floats) -> tuple[float, Floats]:
            odds = np.float32(np.exp(theta[0])) * x + np.float32(theta[1])
            yes = 1 / (1 + np.exp(np.minimum(-odds, LOWEST)))
            value, error = _cross_entropy(yes, targets)
            error *= 1 - yes
            slope = _inner(error, x) * np.exp(theta[0])
            # A sigmoid far to the left is an exponential, the temperature's: there is no end to it.
            held = 1e-4 * theta
            gradient = np.array([slope, float(error.sum(axis=1).sum(dtype=np.float64)) / len(x)])
            return value + 0.5 * float(held @ theta), gradient + held

        return loss


class Bias(_Smooth):
    """A temperature, and for each label what its scores are raised by.

    For scores that are unfair to labels: balanced in training, while their shares are not.

    Source
    ------
    Guo et al. 2017, section 4.2, vector scaling with one temperature ("bias-corrected temperature
    scaling": Alexandari, Kundaje and Shrikumar, ICML 2020).
    """

    name = "bias"
    keeps_order = False

    def _first(self, n_labels: int) -> Floats:
        return np.zeros(n_labels + 1)

    def _energy(self, x: Floats) -> Floats:
        return np.asarray(np.exp(self.theta[0]) * x + self.theta[1:])

    def _loss(self, x: Vectors, targets: Keys) -> Loss:
        x = x - x.max(axis=1, keepdims=True)
        n = len(x)

        def loss(theta: Floats) -> tuple[float, Floats]:
            steep, raised = np.exp(theta[0]), theta[1:]
            energies = np.float32(steep) * x + raised.astype(np.float32)
            energies -= energies.max(axis=1, keepdims=True)
            value, error = _cross_entropy(np.exp(energies), targets)
            # A row's worth of doubt that any label is raised at all.
            held = raised / n
            slope = _inner(error, x) * steep
            gradient = np.append(slope, error.sum(axis=0, dtype=np.float64) / n + held)
            return value + 0.5 * float(held @ raised), gradient

        return loss


class Curve:
    """A sigmoid, then the confidence put on the curve of what was right; the rest shares.

    The curve rises, and is straight between the middles of the groups that isotonic regression
    makes: so confidences that differ stay different. For scores whose spread says little, such as
    votes of pairwise machines.

    Source
    ------
    Gupta and Ramdas, "Top-label calibration and multiclass-to-binary reductions", ICLR 2022;
    isotonic regression joined at the middles: Oron and Flournoy, "Centered isotonic regression",
    Statistics in Biopharmaceutical Research 9, 2017.
    """

    name: ClassVar[str] = "curve"
    keeps_order: ClassVar[bool] = True

    def __init__(self) -> None:
        self.base = Sigmoid()
        self.x = np.array([0.0, 1.0])
        self.y = np.array([0.0, 1.0])

    def fit(self, scores: Floats, targets: Keys, start: Map | None = None) -> None:
        """Learn, from shapes (n, n_labels) and (n,)."""
        from scipy.optimize import isotonic_regression

        self.base.fit(scores, targets, start.base if isinstance(start, Curve) else None)
        chance = self.base.apply(scores)
        order = np.argsort(chance.max(axis=1), kind="stable")
        confidence = chance.max(axis=1)[order]
        right = (chance.argmax(axis=1) == targets)[order].astype(np.float64)
        starts = isotonic_regression(right).blocks[:-1]
        rows = np.diff(np.append(starts, len(right)))
        middle = np.add.reduceat(confidence, starts) / rows
        # One more row, as right as it is sure, keeps a group of ten from being right for ever.
        share = (np.add.reduceat(right, starts) + middle) / (rows + 1)
        most = max(1 - 0.5 / len(right), share.max())
        self.x = np.concatenate(([0.0], middle, [1.0]))
        self.y = np.concatenate(([0.0], np.maximum.accumulate(share), [most]))

    def apply(self, scores: Floats) -> Floats:
        """Return probabilities, shape (n, n_labels)."""
        chance = self.base.apply(scores)
        rows, best = np.arange(len(chance)), chance.argmax(axis=1)
        top = chance[rows, best]
        others = chance.copy()
        others[rows, best] = 0
        rest = np.maximum(others.sum(axis=1), 1e-300)
        second = others.max(axis=1) / rest
        # Less, and the second label would come first.
        least = (second / (1 + second)) * (1 + 1e-9)
        confidence = np.clip(np.interp(top, self.x, self.y), least, 1 - 1e-12)
        others *= ((1 - confidence) / rest)[:, None]
        others[rows, best] = confidence
        return np.asarray(others / others.sum(axis=1, keepdims=True))

    def state(self) -> State:
        """Return what was learned."""
        own = State({}, {"x": self.x, "y": self.y})
        return State.join({"base": self.base.state(), "own": own})

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""
        self.base.restore(state.part("base"))
        self.x, self.y = (np.asarray(state.part("own").arrays[name]) for name in ("x", "y"))


class PerLabel:
    """Of several labels a text: a sigmoid of each label's score.

    A label with few rows takes the sigmoid learned from all labels together.

    Source
    ------
    Platt, "Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods", 1999, with its targets that keep the odds finite.
    """

    name: ClassVar[str] = "sigmoid of each label"

    def __init__(self) -> None:
        self.slope = np.ones(1)
        self.intercept = np.zeros(1)

    def fit(self, scores: Floats, targets: Mask) -> None:
        """Learn, from scores and flags of shape (n, n_labels)."""
        slope, intercept = _platt(scores.ravel(), targets.ravel())
        self.slope = np.full(scores.shape[1], slope)
        self.intercept = np.full(scores.shape[1], intercept)
        yes = targets.sum(axis=0)
        for label in np.flatnonzero(np.minimum(yes, len(targets) - yes) >= FEW):
            self.slope[label], self.intercept[label] = _platt(scores[:, label], targets[:, label])

    def apply(self, scores: Floats) -> Floats:
        """Return probabilities, shape (n, n_labels), each by itself."""
        return np.exp(-np.logaddexp(0, -(scores * self.slope + self.intercept)))

    def state(self) -> State:
        """Return what was learned."""
        return State({}, {"slope": self.slope, "intercept": self.intercept})

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""
        self.slope, self.intercept = state.arrays["slope"], state.arrays["intercept"]


MAPS: dict[str, type[Temperature | Sigmoid | Bias | Curve]] = {
    each.name: each for each in (Temperature, Sigmoid, Curve, Bias)
}
"""By name, the simplest first."""


def log_softmax(energies: Floats) -> Floats:
    """Return the logarithms of the softmax of each row."""
    shifted = energies - energies.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def spread(scores: Floats) -> float:
    """Return the standard deviation of all scores, 1 where they are all the same."""
    return float(scores.std()) or 1.0


def _cross_entropy(shares: Vectors, targets: Keys) -> tuple[float, Vectors]:
    """Return the mean log-loss, and each row's gradient by the logarithms of the shares.

    Parameters
    ----------
    shares : float32 array, shape (n + 1, n_labels)
        What probabilities are in proportion to; The last row is of any label, evenly.
    targets : int64 array, shape (n,)
    """
    rows = np.arange(len(targets))
    tiny = np.finfo(np.float32).tiny
    whole = shares.sum(axis=1, keepdims=True)
    hits = np.log(np.maximum(shares[rows, targets], tiny), dtype=np.float64)
    even = np.log(np.maximum(shares[-1], tiny), dtype=np.float64).mean()
    lost = np.log(whole, dtype=np.float64).sum() - hits.sum() - even
    error = shares / whole
    error[rows, targets] -= 1
    error[-1] -= np.float32(1 / shares.shape[1])
    return float(lost) / len(shares), error


def _inner(error: Vectors, x: Vectors) -> float:
    """Return the mean over rows of the inner product."""
    return float(np.einsum("ij,ij->i", error, x).mean(dtype=np.float64))


def _minimise(loss: Loss, first: Floats) -> Floats:
    from scipy.optimize import minimize

    bounds = [(-WIDEST, WIDEST)] + [(None, None)] * (len(first) - 1)
    options = {"maxiter": STEPS, "ftol": 1e-7}
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x, np.float64)


def _platt(scores: Floats, truth: Mask) -> tuple[float, float]:
    """Return slope and intercept of the log-odds of a label by its score."""
    scale, centre = spread(scores), float(scores.mean())
    x = (scores - centre) / scale
    yes = int(truth.sum())
    no = len(truth) - yes
    wished = np.where(truth, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(theta: Floats) -> tuple[float, Floats]:
        odds = np.exp(theta[0]) * x + theta[1]
        error = (np.exp(-np.logaddexp(0, -odds)) - wished) / len(x)
        value = float((np.logaddexp(0, odds) - wished * odds).mean())
        return value, np.array([float(error @ x) * np.exp(theta[0]), error.sum()])

    theta = _minimise(loss, np.zeros(2))
    slope = float(np.exp(theta[0])) / scale
    return slope, float(theta[1]) - slope * centre
