"""A text about something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedkit.ranking.filters.base import BaseFilter, check_share

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool


class OffTopicFilter(BaseFilter):
    """Rejects a candidate that is far from every sentence of its source.

    Parameters
    ----------
    least : float, from 0 to 1
        Cosine between a candidate and the nearest sentence of the source, or the mean of all.
    """

    name: ClassVar[str] = "off-topic"
    extracts: ClassVar[bool] = False

    def __init__(self, *, least: float = 0.3) -> None:
        self.least = check_share(least, "least", self.name)

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        if not len(pool.source_vectors):
            return None
        nearest = likeness(pool)[place]
        if nearest >= self.least:
            return None
        return (
            f"about something else: likeness to the source {nearest:.2f}, "
            f"at least {self.least:g} wanted"
        )


def likeness(pool: Pool) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return the cosine of each candidate with what is nearest in the source, shape (n,).

    That is a sentence of the source, or the mean of all.
    """
    middle = pool.source_vectors.mean(axis=0, keepdims=True)
    middle /= max(float(np.linalg.norm(middle)), 1e-12)
    nearest: np.ndarray[tuple[int], np.dtype[np.float32]] = (
        pool.vectors @ np.vstack([pool.source_vectors, middle]).T
    ).max(axis=1)
    return nearest
