"""When to say nothing: the least probability at which answers are right often enough.

The threshold is learned from rows that the classifier had not seen, and held to what it promises by
testing: a threshold is taken only where the rows would hardly ever be so often right if the promise
were false. The best of many thresholds at its face value would promise too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.state import State
from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Mask

CONFIDENCE = 0.9
"""How sure the promise is, if nobody says."""
STARTS = (0.5, 0.1)
"""Shares of the rows answered at which testing begins, each with an equal part of the doubt."""
STEPS = 50
"""Thresholds that are tested between answering nothing and answering everything."""
POINTS = 100
"""Of a curve that is told."""
RATES = (0.8, 0.9, 0.95, 0.99)
"""Precisions whose cost is told."""


@dataclass(frozen=True, slots=True)
class Abstention:
    """What a wished precision takes.

    Attributes
    ----------
    precision : float
        The share of answers that is to be right.
    confidence : float
        How sure that is, at least, over the rows that were drawn to learn it from.
    threshold : float or None
        Least probability with which a label is given; None where no threshold is sure enough of
        that precision on these rows.
    coverage : float
        Share of the rows that get an answer: what the precision costs. 0 where it cannot be
        reached.
    measured : float
        Share of the answered rows that is right; NaN where none is answered.
    rows : int
        Learned from.
    needed : int
        Rows that would have to be answered, without one mistake, to be sure: with fewer than that
        it cannot be reached at all.
    """

    precision: float
    confidence: float
    threshold: float | None
    coverage: float
    measured: float
    rows: int
    needed: int

    @property
    def reached(self) -> bool:
        """Whether there is a threshold."""
        return self.threshold is not None

    def __str__(self) -> str:
        sure = f"({self.confidence:.0%} sure)"
        if self.threshold is None:
            few = f", and {self.needed} are needed" if self.rows < self.needed else ""
            return (
                f"a precision of {self.precision:.1%} cannot be reached by abstaining: no threshold"
                f" is sure of it on {self.rows:,} rows {sure}{few}"
            )
        return (
            f"{self.precision:.1%} of answers are right {sure} if it abstains below"
            f" {self.threshold:.3f}: it then answers {self.coverage:.1%} of texts"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; what was not measured is None."""
        body = asdict(self)
        body["measured"] = self.measured if self.reached else None
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Abstention:
        """Read what ``to_dict`` returned."""
        measured = float("nan") if body["measured"] is None else body["measured"]
        return cls(**{**body, "measured": measured})


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """How often answers are wrong, the more are given, the surest first.

    Attributes
    ----------
    coverage : tuple of float
        Share of rows answered, rising to 1.
    risk : tuple of float
        Share of those that is wrong.
    threshold : tuple of float
        Least probability of those.
    area : float
        Under the curve (AURC): the mean risk over all coverages; smaller is better.
    least : float
        That area if every wrong answer had been less sure than every right one.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    threshold: tuple[float, ...]
    area: float
    least: float


def abstain_for(
    confidence: NDArray[np.float64],
    right: Mask,
    precision: float = 0.95,
    *,
    sure: float = CONFIDENCE,
) -> Abstention:
    """Return the threshold that answers most rows with a wished precision.

    Parameters
    ----------
    confidence : float array, shape (n,)
        How probable the best label of each row is; of rows that were not learned from.
    right : bool array, shape (n,)
        Whether it is the true one.
    precision : float, between 0 and 1
        Wished share of the answers that is right.
    sure : float, between 0 and 1
        With this probability, at least, over the drawing of the rows, all that is promised holds
        for new rows of the same kind: precision is the chance that an answered one is right.

    Raises
    ------
    InvalidInputError
        No rows, or a precision that is not between 0 and 1.

    Notes
    -----
    The thresholds are fixed by the confidences alone. From each of two starts they are tested one
    after another towards more answers, as long as each can be told from a precision that is too
    low; the loosest that was reached is taken.

    Source
    ------
    Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then test", 2021, section 2.3: fixed
    sequences with several starts, the doubt divided among them (Bonferroni), which holds together
    at any number of rows. The test is the exact binomial one (Clopper and Pearson 1934). Selective
    classification with such a promise: Geifman and El-Yaniv, NeurIPS 2017.
    """
    values, flags = _check(confidence, right)
    precision, sure = _rate(precision, "precision"), _rate(sure, "sure")
    doubt = (1 - sure) / len(STARTS)
    needed = int(np.ceil(np.log(doubt) / np.log(precision)))
    threshold = _loosest(values, flags, precision, doubt, needed)
    if threshold is None:
        return Abstention(precision, sure, None, 0.0, float("nan"), len(values), needed)
    answered = values >= threshold
    return Abstention(
        precision,
        sure,
        threshold,
        float(answered.mean()),
        float(flags[answered].mean()),
        len(values),
        needed,
    )


def risk_curve(confidence: NDArray[np.float64], right: Mask) -> RiskCurve:
    """Return how the share of wrong answers grows with the share of texts that are answered.

    Parameters
    ----------
    confidence : float array, shape (n,)
    right : bool array, shape (n,)

    Source
    ------
    El-Yaniv and Wiener, "On the foundations of noise-free selective classification", JMLR 2010;
    area: Geifman, Uziel and El-Yaniv, ICLR 2019.
    """
    values, flags = _check(confidence, right)
    n = len(values)
    order = np.argsort(-values, kind="stable")
    values = values[order]
    wrong = _evened(values, ~flags[order])
    counts = np.arange(1, n + 1)
    risk = np.cumsum(wrong) / counts
    failed = int((~flags).sum())
    best = np.maximum(counts - (n - failed), 0) / counts
    some = np.unique(np.linspace(0, n - 1, min(POINTS, n)).astype(np.int64))
    return RiskCurve(
        tuple(((some + 1) / n).tolist()),
        tuple(risk[some].tolist()),
        tuple(values[some].tolist()),
        float(risk.mean()),
        float(best.mean()),
    )


def costs(
    confidence: NDArray[np.float64], right: Mask, *, sure: float = CONFIDENCE
) -> tuple[Abstention, ...]:
    """Return what precisions of 80, 90, 95 and 99 % cost, each promised by itself."""
    return tuple(abstain_for(confidence, right, rate, sure=sure) for rate in RATES)


def _loosest(
    values: NDArray[np.float64], right: Mask, precision: float, doubt: float, needed: int
) -> float | None:
    """Return the lowest threshold whose precision is sure to be high enough."""
    from scipy.stats import binom

    n = len(values)
    order = np.argsort(-values, kind="stable")
    values, hits = values[order], np.cumsum(right[order])
    # Rows of one confidence are answered together.
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    steps = last[np.unique(np.searchsorted(last, np.linspace(0, n - 1, STEPS + 1)[1:]))]
    answered = steps + 1
    # How probable so many right answers were if the precision were just too low.
    chance = binom.sf(hits[steps] - 1, answered, precision)
    found = -1
    for start in STARTS:
        # Fewer rows than are needed could tell nothing, whatever is right among them.
        at = min(int(np.searchsorted(answered, max(start * n, needed))), len(steps) - 1)
        while at < len(steps) and chance[at] <= doubt:
            found = max(found, at)
            at += 1
    return None if found < 0 else float(values[steps[found]])


def _evened(values: NDArray[np.float64], wrong: Mask) -> NDArray[np.float64]:
    """Return mistakes spread evenly over rows of one confidence, whose order means nothing."""
    _, place, counts = np.unique(-values, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(place, wrong) / counts)[place])


def _check(confidence: Any, right: Any) -> tuple[NDArray[np.float64], Mask]:
    values, flags = np.asarray(confidence, np.float64), np.asarray(right, np.bool_)
    if values.ndim != 1 or not len(values) or flags.shape != values.shape:
        raise InvalidInputError(
            "expected the confidence of at least one row, and whether each is right, "
            f"got shapes {values.shape} and {flags.shape}"
        )
    if not np.isfinite(values).all():
        raise InvalidInputError("expected confidences that are numbers, got NaN or infinity")
    return values, flags


def _rate(rate: Any, name: str) -> float:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < 1:
        raise InvalidInputError(
            f"expected {name} to be between 0 and 1, got {rate!r}", do="0.95 is usual"
        )
    return float(rate)


class Answers:
    """How sure held-out answers were and whether they were right: what thresholds come from.

    Parameters
    ----------
    confidence : float array, shape (n,)
    right : bool array, shape (n,)
    """

    def __init__(self, confidence: NDArray[np.float64], right: Mask) -> None:
        self.confidence, self.right = _check(confidence, right)

    def abstain_for(self, precision: float = 0.95, *, sure: float = CONFIDENCE) -> Abstention:
        """Return the threshold for a wished precision; see :func:`abstain_for`."""
        return abstain_for(self.confidence, self.right, precision, sure=sure)

    def costs(self) -> tuple[Abstention, ...]:
        """Return what precisions of 80, 90, 95 and 99 % cost."""
        return costs(self.confidence, self.right)

    def risk_curve(self) -> RiskCurve:
        """Return how the share of wrong answers grows with that of answered texts."""
        return risk_curve(self.confidence, self.right)

    def state(self) -> State:
        """Return what is known."""
        return State({}, {"confidence": self.confidence, "right": self.right})

    @classmethod
    def restore(cls, state: State) -> Answers:
        """Return what ``state`` told."""
        return cls(state.arrays["confidence"], state.arrays["right"])
