"""From the scores of rankers to the one that a ranking goes by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.errors import InvalidInputError
from embedkit.ranking.checks import checked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.protocols import Ranker
    from embedkit.ranking.pool import Pool

SHIPPED = Path(__file__).with_name("blend.json")
"""What was learned, on what, and how well it does; ``benchmarks/ranking.py --learn`` writes it."""
ANSWERS = "bearing"
"""The ranker that answers go by where nobody says; the weights were learned on summaries."""

Scored = Mapping[str, "NDArray[np.float64]"]
Scorer = Callable[["Pool", Scored], "NDArray[np.float64]"]


@dataclass(frozen=True)
class Signal:
    """One part of a blend.

    Attributes
    ----------
    spec : str
        Of the ranker.
    ranker : Ranker
    weight : float
    mean, deviation : float or None
        Where the ranker's scores usually lie; None where nobody measured it, and those of the pool
        are taken.
    """

    spec: str
    ranker: Ranker
    weight: float
    mean: float | None = None
    deviation: float | None = None

    def standard(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores in standard deviations from the usual; 0 for NaN.

        What a ranker says nothing about is neither better nor worse for it than the usual.
        """
        told = scores[~np.isnan(scores)]
        if not len(told):
            return np.zeros(len(scores))
        mean = float(told.mean()) if self.mean is None else self.mean
        deviation = float(told.std()) if self.deviation is None else self.deviation
        if deviation < 1e-12:  # all say the same
            return np.zeros(len(scores))
        return np.nan_to_num((scores - mean) / deviation, nan=0.0)


@dataclass(frozen=True)
class Blend:
    """The weighted sum of signals, each on its own fixed scale.

    A score does not depend on what else is in the pool, unless a ranker compares candidates with
    each other.
    """

    signals: Sequence[Signal]

    def __call__(self, pool: Pool, known: Scored) -> NDArray[np.float64]:
        """Return shape (n,), larger is better; NaN where no ranker says anything.

        Scores that are known are not computed again.
        """
        total, told = np.zeros(len(pool)), np.zeros(len(pool), bool)
        for signal in self.signals:
            if signal.ranker.question and not pool.question.strip():
                continue
            scores = known.get(signal.spec)
            if scores is None:
                scores = checked(signal.ranker.score(pool), len(pool), signal.spec)
            total += signal.weight * signal.standard(scores)
            told |= ~np.isnan(scores)
        return np.where(told, total, np.nan)


def scorer(score: str | Mapping[str, float], question: str = "") -> Scorer:
    """Return what computes the score that is asked for.

    Parameters
    ----------
    score : str or mapping of str to float
        ``"default"``, the spec of a ranker, or the weights of some.
    question : str
        What candidates answer; empty for summaries.

    Raises
    ------
    InvalidInputError
        Weights that are none; a ranker of answers where there is no question.
    UnknownBackendError
    """
    asked = bool(question.strip())
    if isinstance(score, str):
        if score == "default" and not asked:
            return Blend(_signals(shipped()["weights"]))
        return _single(ANSWERS if score == "default" else score, asked)
    if not isinstance(score, Mapping):
        raise InvalidInputError(
            f"expected a score as a name or as weights of rankers, got {type(score).__name__}",
            do="write 'default', the name of a ranker, or {'coverage': 1, 'brevity': 0.5}",
        )
    if not score:
        raise InvalidInputError("expected the weight of at least one ranker, got none")
    signals = _signals(score)
    if not asked and all(signal.ranker.question for signal in signals):
        raise _unasked(signals[0].spec)
    return Blend(signals)


@cache
def shipped() -> dict[str, Any]:
    """Return the blend that comes with embedkit, with its figures."""
    found: dict[str, Any] = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return found


def _unasked(spec: str) -> InvalidInputError:
    return InvalidInputError(
        f"expected a question, since {spec} judges answers, got none",
        do="give question=, or another score",
    )


def _single(spec: str, asked: bool) -> Scorer:
    ranker: Ranker = registry.create("ranker", spec)
    if ranker.question and not asked:
        raise _unasked(spec)

    def score(pool: Pool, known: Scored) -> NDArray[np.float64]:
        scores = known.get(spec)
        return checked(ranker.score(pool), len(pool), spec) if scores is None else scores

    return score


def _signals(weights: Mapping[str, float]) -> list[Signal]:
    scales = shipped()["scales"]
    found = []
    for spec, weight in weights.items():
        if not isinstance(spec, str):
            raise InvalidInputError(
                f"expected weights by the specs of rankers, got {type(spec).__name__}"
            )
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            raise InvalidInputError(f"expected a number as the weight of {spec}, got {weight!r}")
        if not np.isfinite(weight):
            raise InvalidInputError(f"expected a finite weight of {spec}, got {weight!r}")
        scale = scales.get(spec, {})
        found.append(
            Signal(
                spec,
                registry.create("ranker", spec),
                float(weight),
                scale.get("mean"),
                scale.get("deviation"),
            )
        )
    return found
