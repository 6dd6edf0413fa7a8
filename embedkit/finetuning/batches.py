"""Which texts stand beside each other in a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from embedkit.finetuning.mining import NONE

if TYPE_CHECKING:
    from embedkit.finetuning.mining import Triplets
    from embedkit.types import Keys

POOL = 16
"""Batches that are sorted by length together, so that a batch pads little."""


def epoch(
    lengths: Keys,
    batch: int,
    rng: np.random.Generator,
    *,
    triplets: Triplets | None = None,
    mined: float = 0.0,
) -> Iterator[Keys]:
    """Yield the rows of each batch of one pass, every row about once.

    Parameters
    ----------
    lengths : int64 array, shape (n,)
        Tokens of each text.
    batch : int
        Rows of a batch, at most.
    triplets : Triplets or None
        Of those rows.
    mined : float in [0, 1]
        Share of the batches in which each anchor brings its hard positive and hard negatives
        along. They take the place of as many anchors, so that a pass is no longer for it.
    """
    order = rng.permutation(len(lengths))
    cut = round(mined * len(order)) if triplets is not None else 0
    made = list(_by_length(order[cut:], lengths, batch, rng))
    if triplets is not None:
        made.extend(_with_triplets(order[:cut], triplets, batch))
    for i in rng.permutation(len(made)):
        yield made[i]


def _by_length(rows: Keys, lengths: Keys, batch: int, rng: np.random.Generator) -> Iterator[Keys]:
    for start in range(0, len(rows), POOL * batch):
        pool = rows[start : start + POOL * batch]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        yield from (pool[i : i + batch] for i in range(0, len(pool), batch))


def _with_triplets(anchors: Keys, triplets: Triplets, batch: int) -> Iterator[Keys]:
    """Fill batches with anchors and what belongs beside them, no row twice in one."""
    filled: dict[int, None] = {}
    used = 0
    for anchor in anchors.tolist():
        beside = [*triplets.positives[anchor].tolist(), *triplets.negatives[anchor].tolist()]
        filled.update(dict.fromkeys(row for row in (anchor, *beside) if row != NONE))
        if len(filled) >= batch:
            used += len(filled)
            yield np.array(list(filled)[:batch], np.int64)
            filled = {}
            if used >= len(anchors):
                return
    if filled:
        yield np.array(list(filled), np.int64)
