"""A query made of examples: records that are like what is wanted, and records that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.types import Vectors

UNLIKE = 0.5
"""Weight of what is not wanted against what is; Rocchio's 0.15 to 0.75 is scaled to one sum."""


def query_from_examples(like: Vectors, unlike: Vectors | None = None) -> Vectors:
    """Return the query vector that examples stand for, shape (1, dim), of unit length.

    It is the mean of the wanted ones less half of the mean of the unwanted ones.

    Parameters
    ----------
    like : float32 array, shape (n, dim), n >= 1
    unlike : float32 array, shape (m, dim), optional

    Raises
    ------
    InvalidInputError
        The two cancel each other out.

    Source
    ------
    Rocchio, "Relevance feedback in information retrieval", 1971; Manning, Raghavan and Schuetze,
    Introduction to Information Retrieval, section 9.1.1.
    """
    centre = like.astype(np.float64).mean(axis=0)
    if unlike is not None and len(unlike):
        centre = centre - UNLIKE * unlike.astype(np.float64).mean(axis=0)
    if np.linalg.norm(centre) < 1e-6:
        raise InvalidInputError(
            "expected examples that differ from the counter-examples, but they cancel out",
            do="leave out the counter-examples that stand for the same",
        )
    return normalize(centre.astype(np.float32)[np.newaxis])
