"""Whether the new vectors are better than the old ones, on texts that neither learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from embedkit import registry
from embedkit.classification.inputs import Inputs
from embedkit.evaluation.significance import difference

if TYPE_CHECKING:
    from embedkit.evaluation.results import Difference
    from embedkit.protocols import Head
    from embedkit.types import Keys, Mask

Rows: TypeAlias = "tuple[Inputs, Keys]"
"""Texts with their vectors, and their classes."""
HEADS = ("logreg", "logreg?C=1", "rbf")
"""What decides between labels by the vectors alone, so that vectors are compared."""
WORDS_TOO = "joined"
"""What may be advised in the end: it reads the words as well."""
MANY = 20_000
"""Rows beyond which only the first of the heads is tried: the others take minutes."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How good some vectors are.

    Attributes
    ----------
    head : str
        The best of the heads that read vectors alone.
    advised : str
        The best of all, for use.
    right : bool array, shape (n,)
        Which of the judging texts ``head`` labels rightly.
    """

    head: str
    advised: str
    right: Mask


def judge(train: Rows, stop: Rows, judges: Rows) -> Judged:
    """Choose a head and measure it on texts that had no part in that.

    Cross-validation cannot choose a head for tuned vectors: those of the texts that the model
    learned from are apart already.

    Parameters
    ----------
    train, stop, judges
        What heads learn from; what they are chosen by; what the one chosen is measured on.
    """
    n_classes = int(max(rows[1].max() for rows in (train, stop, judges))) + 1
    specs = (*HEADS, WORDS_TOO) if len(train[1]) <= MANY else HEADS[:1]
    heads: dict[str, Head] = {}
    shares: dict[str, float] = {}
    for spec in specs:
        heads[spec] = registry.create("head", spec)
        heads[spec].fit(train[0], train[1], n_classes)
        shares[spec] = float(_correct(heads[spec], stop).mean())
    # The first of several that are equal.
    best = max((spec for spec in specs if spec != WORDS_TOO), key=lambda spec: shares[spec])
    advised = max(specs, key=lambda spec: shares[spec])
    return Judged(best, advised, _correct(heads[best], judges))


def compare(ours: Mask, theirs: Mask, *, seed: int = 0) -> Difference:
    """Return how much oftener the first is right, with its paired 95 % interval.

    Parameters
    ----------
    ours, theirs : bool array, shape (n,)
        Of the same texts.
    """
    pairs = list(zip(ours.astype(float).tolist(), theirs.astype(float).tolist(), strict=True))
    return difference("accuracy", pairs, seed=seed)


def _correct(head: Head, rows: Rows) -> Mask:
    found: Mask = head.scores(rows[0]).argmax(axis=1) == rows[1]
    return found
