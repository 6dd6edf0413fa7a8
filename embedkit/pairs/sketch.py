"""Short stand-ins for vectors that bound their similarity from above.

A vector is turned so that the few directions that hold most of all vectors come first. The *sketch*
keeps those coordinates and, as one more, the length of what is left out. By the Cauchy-Schwarz
inequality the inner product of two sketches is never less than that of their vectors, so a pair
whose sketches stay below a threshold can be passed over for good: nothing is lost, and an inner
product of 65 numbers is taken in place of one of 384.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Vectors

DEPTHS = (24, 32, 48, 64, 96, 128, 192, 256)
"""Coordinates that a sketch may keep."""
SAMPLE = 4096
"""Vectors that the directions are found from."""
TRIED = 1024
"""Vectors whose pairs tell how many a sketch lets through."""
CHECK_COST = 600.0
"""Nanoseconds of a pair that was let through and must be looked at; only ratios matter."""
_SMALL = 1e-12
_BLOCK = 2**22


@dataclass(frozen=True, slots=True)
class Plan:
    """How sketches are made: of some directions, shape (dim, depth), or whole where None."""

    directions: NDArray[np.float64] | None
    depth: int


def rounding(terms: int) -> float:
    """Return how far float32 may be off in a sum of so many products of unit vectors.

    Doubled to cover the rounding of what goes in and of our own sums (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., section 3.1).
    """
    return 2 * (terms + 8) * 2.0**-24


def product_cost(terms: int) -> float:
    """Return the nanoseconds of a bound in a matrix product, and of looking at it.

    Measured on one core with AVX-512 and OpenBLAS, for blocks of 1,024 x 2,048.
    """
    return 1.3 + 0.0185 * terms


def plan_sketches(vectors: Matrix, rows: Keys, threshold: float) -> Plan:
    """Return the sketches that make finding all pairs cheapest, judged by a sample.

    Parameters
    ----------
    vectors : float32 array or CodedMatrix, shape (n, dim)
        No row longer than 1, but for rounding.
    rows : int64 array
        The rows that count.
    """
    dim = vectors.shape[1]
    if len(rows) < TRIED or dim <= 2 * DEPTHS[0]:
        return Plan(None, dim)
    depths = [depth for depth in DEPTHS if depth <= dim * 2 // 3]
    some = np.unique(rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64)])
    sample = vectors[some].astype(np.float64)
    directions = _directions(sample, depths[-1])
    tried = sample[:: max(1, len(sample) // TRIED)]
    whole_cost = product_cost(dim)
    best, depth = whole_cost, dim
    whole = np.einsum("nd,nd->n", tried, tried)
    turned = tried @ directions
    for tried_depth in depths:
        kept = _with_rest(turned[:, :tried_depth], whole)
        bounds = kept @ kept.T
        np.fill_diagonal(bounds, -np.inf)
        share = np.count_nonzero(bounds >= threshold) / (len(tried) * (len(tried) - 1))
        # Where too many are let through, whole vectors are multiplied after all.
        cost = product_cost(tried_depth + 1) + min(share * CHECK_COST, whole_cost)
        if cost < best:
            best, depth = cost, tried_depth
    return Plan(None, dim) if depth == dim else Plan(directions[:, :depth], depth)


def sketches(vectors: Matrix, rows: Keys, plan: Plan) -> Vectors:
    """Return the sketches of some rows, shape (len(rows), depth + 1), or the rows themselves."""
    if plan.directions is None:
        return np.ascontiguousarray(vectors[rows], np.float32)
    out = np.empty((len(rows), plan.depth + 1), np.float32)
    step = max(1, _BLOCK // vectors.shape[1])
    for start in range(0, len(rows), step):
        part = vectors[rows[start : start + step]].astype(np.float64)
        whole = np.einsum("nd,nd->n", part, part)
        out[start : start + step] = _with_rest(part @ plan.directions, whole)
    return out


def _with_rest(kept: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add the length of what is left out, at least as large as it is."""
    left = np.maximum(0, whole - np.einsum("nd,nd->n", kept, kept)) + _SMALL
    return np.concatenate((kept, np.sqrt(left)[:, np.newaxis]), axis=1)


def _directions(sample: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
    """Return orthonormal directions that hold most of a sample, best first, shape (dim, depth).

    Subspace iteration from a random start (Halko, Martinsson and Tropp, "Finding structure with
    randomness", 2011, algorithm 4.4), which costs no more for vectors of 3,072 numbers. Any
    orthonormal directions bound rightly; good ones bound tightly.
    """
    width = min(sample.shape[1], depth + 16)
    start = np.random.default_rng(0).standard_normal((sample.shape[1], width))
    basis = np.linalg.qr(start)[0]
    for _ in range(4):
        basis = np.linalg.qr(sample.T @ (sample @ basis))[0]
    turned = sample @ basis
    order = np.linalg.eigh(turned.T @ turned)[1][:, ::-1]
    found: NDArray[np.float64] = np.linalg.qr(basis @ order)[0]
    return np.ascontiguousarray(found[:, :depth])
