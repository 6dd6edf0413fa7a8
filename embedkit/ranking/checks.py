"""What a ranker must return, whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def checked(values: Any, n: int, spec: str) -> NDArray[np.float64]:
    """Return what a ranker gave n candidates: float64, shape (n,), finite or NaN."""
    try:
        scores = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"expected numbers from the ranker {spec}: {error}") from error
    if scores.shape != (n,):
        raise InvalidInputError(
            f"expected {n} scores from the ranker {spec}, one a candidate, got shape {scores.shape}"
        )
    if np.isinf(scores).any():
        raise InvalidInputError(
            f"expected finite scores from the ranker {spec}, or NaN where it says nothing"
        )
    return scores
