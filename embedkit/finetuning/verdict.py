"""Whether the new vectors are better than the old ones, on texts that neither learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.heads.logreg import LogisticRegressionHead
from embedkit.classification.inputs import Inputs
from embedkit.evaluation.significance import difference

if TYPE_CHECKING:
    from embedkit.evaluation.results import Difference
    from embedkit.types import Keys, Mask, Vectors

PENALTIES = (1.0, 10.0)
"""Values of C to choose from: what is best differs between vectors that were tuned and others."""


def right(
    train: tuple[Vectors, Keys], stop: tuple[Vectors, Keys], judge: tuple[Vectors, Keys]
) -> Mask:
    """Return which of the judging texts a logistic regression labels rightly.

    Parameters
    ----------
    train, stop, judge : pairs of float32 array, shape (n, dim), and int64 array, shape (n,)
        What it learns from; what its penalty is chosen by; what it is measured on.
    """
    n_classes = int(max(train[1].max(), stop[1].max(), judge[1].max())) + 1
    best, answers = -1.0, np.zeros(len(judge[1]), np.bool_)
    for penalty in PENALTIES:
        head = LogisticRegressionHead(C=penalty)
        head.fit(_inputs(train[0]), train[1], n_classes)
        share = float(_correct(head, stop).mean())
        if share > best:
            best, answers = share, _correct(head, judge)
    return answers


def compare(ours: Mask, theirs: Mask, *, seed: int = 0) -> Difference:
    """Return how much oftener the first is right, with its paired 95 % interval.

    Parameters
    ----------
    ours, theirs : bool array, shape (n,)
        Of the same texts.
    """
    pairs = list(zip(ours.astype(float).tolist(), theirs.astype(float).tolist(), strict=True))
    return difference("accuracy", pairs, seed=seed)


def _correct(head: LogisticRegressionHead, part: tuple[Vectors, Keys]) -> Mask:
    found: Mask = head.scores(_inputs(part[0])).argmax(axis=1) == part[1]
    return found


def _inputs(vectors: Vectors) -> Inputs:
    return Inputs([""] * len(vectors), vectors)
