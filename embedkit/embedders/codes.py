"""Vectors as a service quantised them, made vectors again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.types import Codes, Precision, Vectors


def decode(codes: Codes, precision: Precision, dim: int) -> Vectors:
    """Return unit vectors, shape (n, dim), float32.

    Parameters
    ----------
    codes : int8 array, shape (n, dim), or uint8 array, shape (n, dim / 8)
        Packed bits have the first component in the highest bit; 1 stands for +1, 0 for -1.
    """
    if precision == "binary":
        signs = np.unpackbits(codes.view(np.uint8), axis=1, count=dim).astype(np.float32)
        unit: Vectors = (signs * 2 - 1) / np.float32(np.sqrt(dim))
        return unit
    return normalize(codes.astype(np.float32))
