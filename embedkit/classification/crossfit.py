"""What a head would say of rows that it had not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.inputs import Inputs
from embedkit.protocols import Head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys


def crossfit(
    make: Callable[[], Head],
    inputs: Inputs,
    targets: Keys,
    n_classes: int,
    *,
    folds: int = 5,
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the scores of each row by a head fitted without it, shape (n, n_classes)."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(len(inputs)) % min(folds, len(inputs))
    out = np.zeros((len(inputs), n_classes))
    for fold in range(int(place.max()) + 1):
        there, rest = np.flatnonzero(place == fold), np.flatnonzero(place != fold)
        head = make()
        some = None if weights is None else weights[rest]
        head.fit(inputs.take(rest), targets[rest], n_classes, weights=some, seed=seed)
        out[there] = head.scores(inputs.take(there))
    return out
