"""How near vectors lie to a class, compared with how near to all classes together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

    Floats = NDArray[np.float64]

SHRINKAGE = 0.3
"""Least share of an even covariance that is mixed in; with few rows it is more."""
FOLDS = 10


class ClassShapes:
    """Relative Mahalanobis distance: to the nearest class, less that to all rows as one class.

    What all texts vary in says nothing of whether one fits the classes; the difference leaves it
    out.

    Source
    ------
    Ren, Fort, Liu, Roy, Padhy and Lakshminarayanan, "A simple fix to Mahalanobis distance for
    improving near-OOD detection", 2021; the covariances are shrunk towards an even one, since
    there are few rows for so many dimensions.

    Attributes
    ----------
    square : float32 array, shape (dim, dim)
        Inverse of the covariance within classes, less that of all rows.
    slopes : float32 array, shape (n_classes, dim)
    offsets : float32 array, shape (n_classes,)
        The distance of x to class k is ``x square x - 2 slopes[k] x + offsets[k]``.
    """

    def __init__(self, square: Vectors, slopes: Vectors, offsets: Vectors) -> None:
        self.square, self.slopes, self.offsets = square, slopes, offsets

    @classmethod
    def fit(cls, vectors: Vectors, targets: Keys) -> ClassShapes:
        """Learn from rows and their classes."""
        return _Sums.of(vectors, targets).shapes()

    @classmethod
    def crossed(cls, vectors: Vectors, targets: Keys, seed: int) -> Floats:
        """Return the closeness of each row by shapes learned from other rows, shape (n,)."""
        n = len(vectors)
        folds = np.random.default_rng(seed).permutation(n) % min(FOLDS, n)
        whole = _Sums.of(vectors, targets)
        closeness = np.empty(n)
        for fold in range(int(folds.max()) + 1):
            here = folds == fold
            rest = whole.without(_Sums.of(vectors[here], targets[here], len(whole.counts)))
            closeness[here] = rest.shapes().closeness(vectors[here])
        return closeness

    def closeness(self, vectors: Vectors) -> Floats:
        """Return the negative distance of each vector, shape (n,): more is closer."""
        own = np.einsum("ij,ij->i", vectors @ self.square, vectors)
        classes = (self.offsets - 2 * (vectors @ self.slopes.T)).min(axis=1)
        return -np.asarray(own + classes, np.float64)

    def state(self) -> State:
        """Return what was learned."""
        arrays = {"square": self.square, "slopes": self.slopes, "offsets": self.offsets}
        return State({}, arrays)

    @classmethod
    def restore(cls, state: State) -> ClassShapes:
        """Return what ``state`` told."""
        return cls(*(state.arrays[name] for name in ("square", "slopes", "offsets")))


class _Sums:
    """Sums over rows: they are taken apart by subtraction, so that a fold costs no pass."""

    def __init__(self, counts: Floats, sums: Floats, products: Floats) -> None:
        self.counts, self.sums, self.products = counts, sums, products

    @classmethod
    def of(cls, vectors: Vectors, targets: Keys, n_classes: int | None = None) -> _Sums:
        classes = int(targets.max()) + 1 if n_classes is None else n_classes
        counts = np.bincount(targets, minlength=classes).astype(np.float64)
        order = np.argsort(targets, kind="stable")
        starts = np.searchsorted(targets[order], np.flatnonzero(counts))
        sums = np.zeros((classes, vectors.shape[1]))
        sums[counts > 0] = np.add.reduceat(vectors[order].astype(np.float64), starts, axis=0)
        return cls(counts, sums, (vectors.T @ vectors).astype(np.float64))

    def without(self, other: _Sums) -> _Sums:
        return _Sums(
            self.counts - other.counts, self.sums - other.sums, self.products - other.products
        )

    def shapes(self) -> ClassShapes:
        present = self.counts > 0
        counts, sums = self.counts[present], self.sums[present]
        n = counts.sum()
        means, centre = sums / counts[:, None], sums.sum(axis=0) / n
        within = _inverse(self.products / n - means.T @ (means * (counts / n)[:, None]), n)
        around = _inverse(self.products / n - np.outer(centre, centre), n)
        slopes = means @ within - centre @ around
        offsets = np.einsum("ij,ij->i", means @ within, means) - centre @ around @ centre
        parts = (within - around, slopes, offsets)
        square, slopes, offsets = (part.astype(np.float32) for part in parts)
        return ClassShapes(square, slopes, offsets)


def _inverse(covariance: Floats, n: float) -> Floats:
    dim = len(covariance)
    share = max(SHRINKAGE, dim / (n + dim))
    even = max(float(np.trace(covariance)) / dim, 1e-9)
    return np.asarray(np.linalg.inv((1 - share) * covariance + share * even * np.eye(dim)))
