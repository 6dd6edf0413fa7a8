"""What a head would say of rows that it had not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.inputs import Inputs
from embedkit.errors import InvalidInputError
from embedkit.protocols import Head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys


def folded(text: str) -> str:
    """Return what texts share that differ only in case or blanks."""
    return " ".join(text.casefold().split())


def equal_texts(texts: Sequence[str]) -> Keys:
    """Return a number for each text, shape (n,): one for all that differ only in case or blanks.

    Numbers are given in the order in which texts first occur, from 0.
    """
    seen: dict[str, int] = {}
    numbers = (seen.setdefault(folded(text), len(seen)) for text in texts)
    return np.fromiter(numbers, np.int64, len(texts))


def folds_of(texts: Sequence[str], targets: Keys, folds: int = 5, *, seed: int = 0) -> Keys:
    """Return the fold of each row, shape (n,), in [0, folds).

    Equal texts share a fold, so that no head is tested on what it learned by heart. Rows of a
    class are spread over the folds as evenly as that allows, and so are all rows: a group of equal
    texts goes to the fold that has the fewest rows of its class (that of its first row), of those
    to the smallest.

    Where all texts are equal there is nothing to learn from them, and each counts as its own.

    Raises
    ------
    InvalidInputError
        Fewer than two folds or rows.
    """
    if folds < 2 or len(texts) < 2:
        raise InvalidInputError(
            f"expected at least 2 folds and 2 rows, got {folds} folds and {len(texts)} rows"
        )
    groups = equal_texts(texts)
    if not groups.any():
        groups = np.arange(len(texts))
    firsts = np.unique(groups, return_index=True)[1]
    folds = min(folds, len(firsts))
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(firsts))
    classes = targets[firsts]
    # Class by class, so that a class with few rows is spread too; large groups first.
    order = order[np.lexsort((-sizes[order], classes[order]))]
    rows = np.zeros(folds)
    own = np.zeros((int(targets.max()) + 1, folds))
    place = np.empty(len(firsts), np.int64)
    for group in order.tolist():
        mine = own[classes[group]]
        fold = int(np.lexsort((rows, mine))[0])
        place[group] = fold
        mine[fold] += sizes[group]
        rows[fold] += sizes[group]
    return np.asarray(place[groups])


def crossfit(
    make: Callable[[], Head],
    inputs: Inputs,
    targets: Keys,
    n_classes: int,
    *,
    folds: int | Keys = 5,
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the scores of each row by a head fitted without it, shape (n, n_classes).

    Parameters
    ----------
    make : callable
        Returns a new head. One that has ``out_of_fold`` computes the scores itself.
    folds : int or int64 array, shape (n,)
        How many, or the fold of each row.

    Raises
    ------
    InvalidInputError
        There are not two folds with rows.
    """
    if isinstance(folds, int):
        folds = folds_of(inputs.texts, targets, folds, seed=seed)
    return crossfit_head(make, inputs, targets, n_classes, folds=folds, weights=weights, seed=seed)[
        0
    ]


def crossfit_head(
    make: Callable[[], Head],
    inputs: Inputs,
    targets: Keys,
    n_classes: int,
    *,
    folds: Keys,
    only: int | None = None,
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> tuple[NDArray[np.float64], Head | None]:
    """Return what ``crossfit`` does, and the head fitted on all rows where that cost nothing.

    Parameters
    ----------
    only : int, optional
        The one fold whose scores are wanted; those of other rows are not numbers then, but where
        they cost nothing.
    """
    present = np.unique(folds)
    if len(present) < 2:
        raise InvalidInputError("expected rows in at least two folds, got one")
    head = make()
    own = getattr(head, "out_of_fold", None)
    if own is not None and (only is None or not getattr(head, "folds_cost", False)):
        scores = own(inputs, targets, n_classes, folds, weights=weights, seed=seed)
        return scores, head if getattr(head, "fits_on_the_way", False) else None
    out = np.full((len(inputs), n_classes), np.nan)
    for fold in present.tolist() if only is None else [only]:
        held, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        head = make()
        some = None if weights is None else weights[rest]
        head.fit(inputs.take(rest), targets[rest], n_classes, weights=some, seed=seed)
        out[held] = head.scores(inputs.take(held))
    return out, None
