"""Whether probabilities mean what they say: calibration error, Brier score, log-loss, curve.

Of one label a text the *confidence* is the probability of the most probable one, and what is asked
is how often it is right. Of several labels each cell of the matrix is asked by itself: its
confidence is the probability that the text has the label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.types import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask

BINS = 15
"""As in Guo et al. 2017."""
RESAMPLES = 500
MANY = 20_000
"""Confidences above which a fifth of the resamples is drawn: they differ little."""
LEAST = 1e-12
"""A probability of 0 for what came true would cost infinitely much."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Texts of similar confidence.

    Attributes
    ----------
    low, high : float
        The confidences that belong to it: above ``low``, up to ``high``.
    rows : int
    confidence : float
        Mean of theirs; the middle of the bin where it is empty.
    accuracy : float
        Share of them that is right; NaN where the bin is empty.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How good probabilities are; everything but accuracy is better the smaller it is.

    Attributes
    ----------
    ece : Estimate
        Expected calibration error: how far confidence and accuracy are apart, on average over 15
        bins of equal width, each counted by its rows. *The* calibration error wherever one
        figure is told. Its interval is that of the bootstrap, moved so that it lies about the
        figure, since resampling adds noise, and noise adds calibration error.
    ece_mass : float
        The same over 15 bins of equally many rows.
    chance : float
        The calibration error that perfectly calibrated probabilities of the same confidences
        would be expected to show, by chance alone, on this many rows.
    brier : Estimate
        Mean squared distance between the probabilities and the truth as 0 and 1, summed over the
        labels: from 0 to 2. Of several labels a text: the mean over them, from 0 to 1.
    log_loss : Estimate
        Mean negative natural logarithm of the probability of what came true.
    accuracy : float
        Share of texts whose most probable label is right. Of several labels: of cells.
    n : int
        Texts.

    Source
    ------
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017,
    equation 3 (15 bins of equal width, top label); bins of equal mass: Nguyen and O'Connor,
    EMNLP 2015; Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """

    ece: Estimate
    ece_mass: float
    chance: float
    brier: Estimate
    log_loss: Estimate
    accuracy: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Quality:
        """Read what ``to_dict`` returned."""
        means = {name: Estimate(**body[name]) for name in ("ece", "brier", "log_loss")}
        return cls(**{**body, **means})


def confidences(
    probabilities: NDArray[np.float64], targets: Keys | Mask
) -> tuple[NDArray[np.float64], Mask]:
    """Return how sure the probabilities are, and whether they are right.

    Parameters
    ----------
    probabilities : float64 array, shape (n, n_labels)
    targets : int64 array, shape (n,), or bool array, shape (n, n_labels)

    Returns
    -------
    float64 array and bool array, shape (n,); or shape (n * n_labels,), row by row, of the cells

    Raises
    ------
    InvalidInputError
        There are no rows, or not one target for each.
    """
    if not len(probabilities) or probabilities.ndim != 2 or len(targets) != len(probabilities):
        raise InvalidInputError(
            "expected probabilities of shape (n, n_labels), n at least 1, and a target for each, "
            f"got shapes {probabilities.shape} and {targets.shape}"
        )
    if targets.ndim == 2:
        return probabilities.ravel(), targets.astype(np.bool_).ravel()
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == targets


def bins_of(
    confidence: NDArray[np.float64], bins: int = BINS, *, mass: bool = False
) -> tuple[Keys, NDArray[np.float64]]:
    """Return the bin of each confidence, and the edges of the bins, shape (bins + 1,)."""
    if bins < 1:
        raise InvalidInputError(f"expected at least one bin, got {bins}")
    if not mass:
        edges = np.linspace(0, 1, bins + 1)
        return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1), edges
    order = np.argsort(confidence, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) * bins // len(order)
    inner = confidence[order][(np.arange(1, bins) * len(order) // bins).clip(max=len(order) - 1)]
    return place, np.concatenate(([confidence.min()], inner, [confidence.max()]))


def reliability_curve(
    probabilities: NDArray[np.float64],
    targets: Keys | Mask,
    *,
    bins: int = BINS,
    mass: bool = False,
) -> tuple[Bin, ...]:
    """Return mean confidence, accuracy and rows of each bin: what a reliability diagram shows.

    Parameters
    ----------
    probabilities, targets
        As for :func:`confidences`.
    bins : int
    mass : bool
        Bins of equally many rows instead of equal width.
    """
    confidence, right = confidences(probabilities, targets)
    place, edges = bins_of(confidence, bins, mass=mass)
    rows = np.bincount(place, minlength=bins)
    sure = np.bincount(place, confidence, bins)
    hits = np.bincount(place, right, bins)
    return tuple(
        Bin(
            float(edges[i]),
            float(edges[i + 1]),
            int(rows[i]),
            float(sure[i] / rows[i]) if rows[i] else float(edges[i] + edges[i + 1]) / 2,
            float(hits[i] / rows[i]) if rows[i] else float("nan"),
        )
        for i in range(bins)
    )


def calibration_error(
    probabilities: NDArray[np.float64],
    targets: Keys | Mask,
    *,
    bins: int = BINS,
    mass: bool = False,
) -> float:
    """Return the expected calibration error, from 0 to 1; see :class:`Quality`."""
    confidence, right = confidences(probabilities, targets)
    place, _ = bins_of(confidence, bins, mass=mass)
    return _gap(place, right - confidence, bins)


def quality(probabilities: NDArray[np.float64], targets: Keys | Mask, *, seed: int = 0) -> Quality:
    """Measure probabilities against the truth.

    Parameters
    ----------
    probabilities, targets
        As for :func:`confidences`; of texts that they were not learned from.
    seed : int
        Of the bootstrap, which resamples texts.
    """
    confidence, right = confidences(probabilities, targets)
    place, _ = bins_of(confidence)
    brier, log_loss = brier_scores(probabilities, targets), log_losses(probabilities, targets)
    n = len(probabilities)
    gaps = (right - confidence).reshape(n, -1)
    cells = place.reshape(n, -1)
    rng = np.random.default_rng(seed)
    drawn = np.empty((RESAMPLES if len(place) <= MANY else RESAMPLES // 5, 3))
    for each in drawn:
        times = np.bincount(rng.integers(0, n, n), minlength=n)
        each[:] = (
            _gap(cells.ravel(), (gaps * times[:, None]).ravel(), BINS),
            times @ brier / n,
            times @ log_loss / n,
        )
    means = np.array([_gap(place, right - confidence, BINS), brier.mean(), log_loss.mean()])
    drawn[:, 0] += means[0] - drawn[:, 0].mean()
    low, high = np.maximum(np.percentile(drawn, (2.5, 97.5), axis=0), 0)
    ece, score, loss = (
        Estimate(float(means[i]), float(low[i]), float(high[i]), n) for i in range(3)
    )
    return Quality(
        ece=ece,
        ece_mass=calibration_error(probabilities, targets, mass=True),
        chance=_chance(confidence, place),
        brier=score,
        log_loss=loss,
        accuracy=_accuracy(probabilities, targets),
        n=n,
    )


def brier_scores(probabilities: NDArray[np.float64], targets: Keys | Mask) -> NDArray[np.float64]:
    """Return the Brier score of each text, shape (n,)."""
    if targets.ndim == 2:
        return np.asarray(((probabilities - targets) ** 2).mean(axis=1))
    true = _of_truth(probabilities, targets)
    return np.asarray((probabilities**2).sum(axis=1) - 2 * true + 1)


def log_losses(probabilities: NDArray[np.float64], targets: Keys | Mask) -> NDArray[np.float64]:
    """Return the log-loss of each text, shape (n,)."""
    if targets.ndim == 2:
        chance = np.where(targets, probabilities, 1 - probabilities)
        return np.asarray(-np.log(np.maximum(chance, LEAST)).mean(axis=1))
    return np.asarray(-np.log(np.maximum(_of_truth(probabilities, targets), LEAST)))


def _of_truth(probabilities: NDArray[np.float64], targets: Keys | Mask) -> NDArray[np.float64]:
    return np.asarray(probabilities[np.arange(len(targets)), targets])


def _accuracy(probabilities: NDArray[np.float64], targets: Keys | Mask) -> float:
    if targets.ndim == 2:
        return float(((probabilities >= 0.5) == targets).mean())
    return float((probabilities.argmax(axis=1) == targets).mean())


def _gap(place: Keys, gaps: NDArray[np.float64], bins: int) -> float:
    return float(np.abs(np.bincount(place, gaps, bins)).sum() / len(place))


def _chance(confidence: NDArray[np.float64], place: Keys) -> float:
    """Return the mean absolute error of bins whose hits are drawn with the confidences."""
    spread = np.sqrt(np.bincount(place, confidence * (1 - confidence), BINS))
    return float(spread.sum() * np.sqrt(2 / np.pi) / len(place))
