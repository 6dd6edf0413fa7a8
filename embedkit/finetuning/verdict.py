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
class Advice:
    """Which head suits some vectors: of those that read vectors alone, and of all."""

    head: str
    advised: str


def advise(train: Rows, stop: Rows) -> Advice:
    """Choose heads by texts that they did not learn from.

    Cross-validation cannot choose a head for tuned vectors: those of the texts that the model
    learned from are apart already.
    """
    specs = (*HEADS, WORDS_TOO) if len(train[1]) <= MANY else HEADS[:1]
    shares = {spec: float(right(spec, train, stop).mean()) for spec in specs}
    # The first of several that are equal.
    best = max((spec for spec in specs if spec != WORDS_TOO), key=lambda spec: shares[spec])
    return Advice(best, max(specs, key=lambda spec: shares[spec]))


def right(spec: str, train: Rows, others: Rows) -> Mask:
    """Return which of other texts a head labels rightly.

    Parameters
    ----------
    train, others
        What it learns from, and what it is measured on.
    """
    head: Head = registry.create("head", spec)
    head.fit(train[0], train[1], int(max(train[1].max(), others[1].max())) + 1)
    found: Mask = head.scores(others[0]).argmax(axis=1) == others[1]
    return found


def compare(ours: Mask, theirs: Mask, *, seed: int = 0) -> Difference:
    """Return how much oftener the first is right, with its paired 95 % interval.

    Parameters
    ----------
    ours, theirs : bool array, shape (n,)
        Of the same texts.
    """
    pairs = list(zip(ours.astype(float).tolist(), theirs.astype(float).tolist(), strict=True))
    return difference("accuracy", pairs, seed=seed)
