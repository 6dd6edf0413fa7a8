"""What an audit looks at: rows, their vectors, and what a classifier says of them unseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.audit.folding import group_equal
from embedkit.classification.audit.noise import Noise, learn_noise
from embedkit.classification.crossfit import crossfit, folds_of
from embedkit.classification.fitted import make_head
from embedkit.classification.inputs import Inputs
from embedkit.errors import InvalidInputError
from embedkit.protocols import Head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

AUTO = "auto"
KERNEL = 12_000
"""Rows up to which ``auto`` is the head ``kernel``: 600 MB."""
LARGE = 20_000
"""Rows beyond which there are few folds, and each learns from so many rows of the others."""
LARGE_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """Labelled rows and what is known of them.

    Attributes
    ----------
    head : str
        Spec of the head that was cross-validated.
    texts : sequence of str, length n
    names : sequence of str
        The labels; a row's target is a place in it.
    targets : int64 array, shape (n,)
    lines : int64 array, shape (n,)
    ids : sequence of str, length n
        Empty texts where rows have no ids.
    vectors : float32 array, shape (n, dim)
    groups : int64 array, shape (n,)
        The first row of equal text.
    noise : Noise
    probabilities : float64 array, shape (n, n_classes)
        By classifiers that had not seen the row, as they would be if no label were wrong.
    wrong : float64 array, shape (n,)
        How probable it is that the row's label is wrong.
    """

    head: str
    texts: Sequence[str]
    names: Sequence[str]
    targets: Keys
    lines: Keys
    ids: Sequence[str]
    vectors: Vectors
    groups: Keys
    noise: Noise
    probabilities: NDArray[np.float64]
    wrong: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.texts)


def gather(
    texts: Sequence[str],
    labels: Sequence[str],
    lines: Sequence[int],
    ids: Sequence[str],
    vectors: Vectors,
    *,
    head: str,
    folds: int,
    seed: int = 0,
) -> Evidence:
    """Cross-validate a classifier on rows, and learn how many of their labels are wrong.

    Raises
    ------
    InvalidInputError
        Fewer than two labels, or fewer rows than can be cross-validated.
    """
    names = sorted(set(labels))
    if len(names) < 2:
        raise InvalidInputError(
            f"expected rows of at least two labels, got one, {names[0]!r}",
            do="check that the label column is the right one",
        )
    place = {name: i for i, name in enumerate(names)}
    targets = np.fromiter((place[label] for label in labels), np.int64, len(labels))
    spec = chosen(head, len(texts))
    scores = _unseen(spec, Inputs(texts, vectors), targets, len(names), folds, seed)
    noise = learn_noise(scores, targets, seed=seed)
    return Evidence(
        spec,
        texts,
        names,
        targets,
        np.asarray(lines, np.int64),
        ids if ids else [""] * len(texts),
        vectors,
        group_equal(texts),
        noise,
        noise.probabilities(scores),
        noise.wrong(scores, targets),
    )


def chosen(head: str, rows: int) -> str:
    """Return the head to cross-validate so many rows with: words and vectors, one way or another.

    Both heads that ``auto`` may mean find more wrong labels than vectors or words alone;
    ``kernel`` finds the most, for a matrix of all rows by all.
    """
    if head != AUTO:
        return head
    return "kernel" if rows <= KERNEL else "joined"


def _unseen(
    head: str, inputs: Inputs, targets: Keys, n_classes: int, folds: int, seed: int
) -> NDArray[np.float64]:
    """Return the scores of each row by a head that had not seen it, shape (n, n_classes)."""
    if len(inputs) <= LARGE:
        # The kernel's inverse has what it would say without each text, whatever their number.
        parts: int | Keys = group_equal(inputs.texts)
        if head.partition("?")[0] != "kernel" or not np.any(parts):
            parts = min(folds, len(inputs))
        return crossfit(
            lambda: make_head(head, "single"), inputs, targets, n_classes, folds=parts, seed=seed
        )
    place = folds_of(inputs.texts, targets, LARGE_FOLDS, seed=seed)
    rng = np.random.default_rng(seed)
    out = np.empty((len(inputs), n_classes))
    for fold in range(int(place.max()) + 1):
        held = np.flatnonzero(place == fold)
        learned = np.sort(rng.permutation(np.flatnonzero(place != fold))[:LARGE])
        made = make_head(head, "single")
        made.fit(inputs.take(learned), targets[learned], n_classes, seed=seed)
        for start in range(0, len(held), LARGE):
            some = held[start : start + LARGE]
            out[some] = made.scores(inputs.take(some))
    return out


def fit_all(evidence: Evidence, *, seed: int = 0) -> Head:
    """Return a head that learned from the rows, from a random LARGE of them where there are more.

    Rows are learned from as they are labelled, right or wrong.
    """
    made: Head = make_head(evidence.head, "single")
    inputs = Inputs(evidence.texts, evidence.vectors)
    targets = evidence.targets
    if len(inputs) > LARGE:
        some = np.sort(np.random.default_rng(seed).permutation(len(inputs))[:LARGE])
        inputs, targets = inputs.take(some), targets[some]
    made.fit(inputs, targets, len(evidence.names), seed=seed)
    return made
