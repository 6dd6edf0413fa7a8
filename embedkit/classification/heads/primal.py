"""Ridge regression on features of meaning and words, for more rows than ``kernel`` can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embedkit.classification.heads.base import BaseHead, check_above_zero, check_not_negative
from embedkit.classification.heads.kernel import SCALE
from embedkit.classification.heads.linear import without
from embedkit.classification.heads.ridge import Factor
from embedkit.classification.heads.words import TextFeatures
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.threads import single_threaded_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

    Matrix = NDArray[np.float32]
    Floats = NDArray[np.float64]

WAVES = 512
"""Random directions, of which each has a cosine and a sine."""
MOST_WORDS = 6000
"""Words and pairs of words that have coefficients, the most frequent ones."""
BLOCK = 4096
"""Rows whose dense features are held at a time."""


@dataclass(slots=True)
class Sums:
    """What least squares needs of rows: sums over them, of products of their features z.

    Attributes
    ----------
    gram : float32 array, shape (d, d), Fortran order
        Of z and z: the lower triangle, the rest is noise.
    hits : float32 array, shape (d, n_classes)
        Of z and the indicators of the classes.
    total : float64 array, shape (d,)
        Of z.
    counts : float64 array, shape (n_classes,)
        Of the indicators.
    """

    gram: Matrix
    hits: Matrix
    total: Floats
    counts: Floats

    @classmethod
    def zero(cls, d: int, n_classes: int) -> Sums:
        """Return the sums over no rows."""
        gram = np.zeros((d, d), np.float32, order="F")
        return cls(gram, np.zeros((d, n_classes), np.float32), np.zeros(d), np.zeros(n_classes))

    def add(self, other: Sums) -> None:
        """Take the sums over other rows in."""
        self.gram += other.gram
        self.hits += other.hits
        self.total += other.total
        self.counts += other.counts

    def without(self, other: Sums) -> Sums:
        """Return the sums over the rows but those of another, whose matrix is used up."""
        np.subtract(self.gram, other.gram, out=other.gram)
        hits, total = self.hits - other.hits, self.total - other.total
        return Sums(other.gram, hits, total, np.maximum(self.counts - other.counts, 0))

    def solve(self, ridge: float) -> tuple[Matrix, Matrix]:
        """Return coefficients, shape (d, n_classes), and shares of classes; the matrix is used up.

        Indicators are predicted from the shares of the classes on.
        """
        shares = self.counts / max(float(self.counts.sum()), 1e-12)
        goal = self.hits - np.outer(self.total, shares).astype(np.float32)
        factor = Factor(self.gram, np.full(len(goal), ridge, np.float32))
        return factor.solve(goal), shares.astype(np.float32)


class RidgeHead(BaseHead):
    """Least squares on indicators of the classes, as ``kernel``, from features instead of a kernel.

    The features: random waves, whose products come near the Gaussian kernel between vectors; the
    vectors themselves; and the most frequent words and pairs of words, weighted. The matrix to be
    solved is as large as there are features, however many rows there are, and it is solved again
    without each fold for the scores of rows left out.

    Parameters
    ----------
    words : float
        Weight of the words against the waves, which have 1.
    linear : float
        Weight of the vectors themselves.
    width : float
        Of the Gaussian: vectors as far apart as two texts are on average have ``exp(-1/width)``.
    rarity : float
        Power of the inverse document frequency of words; at 0 rare words count no more than others.
    ridge : float
        How much large coefficients cost.

    Source
    ------
    Rahimi and Recht, "Random features for large-scale kernel machines", NIPS 2007; folds are taken
    out of the sums as in Pahikkala, Boberg and Salakoski, "Fast n-fold cross-validation for
    regularized least squares", SCAI 2006.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"texts", "vectors"})
    fits_on_the_way: ClassVar[bool] = True
    """Whether ``out_of_fold`` leaves the head fitted on all rows."""
    folds_cost: ClassVar[bool] = True
    """Whether each fold costs ``out_of_fold`` about as much as a fit."""

    def __init__(
        self,
        *,
        words: float = 1.0,
        linear: float = 1.0,
        width: float = 1.0,
        rarity: float = 0.5,
        ridge: float = 1.0,
    ) -> None:
        super().__init__()
        check_above_zero(width=width, ridge=ridge)
        check_not_negative(words=words, linear=linear, rarity=rarity)
        self.words, self.linear, self.width, self.ridge = words, linear, width, ridge
        self._texts = TextFeatures("phrases", power=rarity, unknown=True, most=MOST_WORDS)
        self._waves: Matrix = np.empty((0, 0), np.float32)
        self._coefficients: Matrix = np.empty((0, 0), np.float32)
        self._shares: Matrix = np.empty(0, np.float32)
        self._present: Keys = np.empty(0, np.int64)

    def _fit(self, inputs: Inputs, targets: Keys, weights: Floats | None, seed: int) -> None:
        each = _relative(weights, len(inputs))
        counts = self._learn_features(inputs, seed)
        rows = np.arange(len(inputs))
        self._settle(self._sums(rows, inputs.vectors, counts, targets, each), targets)

    def out_of_fold(
        self,
        inputs: Inputs,
        targets: Keys,
        n_classes: int,
        folds: Keys,
        *,
        weights: Floats | None = None,
        seed: int = 0,
    ) -> Floats:
        """Fit on all rows, and return the scores of each row by a fit without its fold.

        Equal to fitting again without each fold, but for what is learned from the texts and vectors
        without the labels, which is learned from all rows: which words there are, how frequent they
        are, and how far apart the vectors.

        Parameters
        ----------
        folds : int64 array, shape (n,)
            The fold of each row.

        Returns
        -------
        float64 array, shape (n, n_classes)
        """
        self.check_fit(inputs, targets, n_classes, weights)
        each = _relative(weights, len(inputs))
        out = np.empty((len(inputs), n_classes))
        parts = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
        with single_threaded_products():
            counts = self._learn_features(inputs, seed)
            whole = Sums.zero(self._width(counts, inputs.dim), n_classes)
            for rows in parts:
                whole.add(self._sums(rows, inputs.vectors, counts, targets, each))
            for rows in parts:
                # Summed again: to keep the sums of all folds would take 220 MB for each.
                own = self._sums(rows, inputs.vectors, counts, targets, each)
                learned = whole.without(own).solve(self.ridge)
                out[rows] = self._apply(inputs.vectors[rows], counts[rows], *learned)
            self._settle(whole, targets)
        return without(out, self._present)

    def _settle(self, sums: Sums, targets: Keys) -> None:
        self._present = np.unique(targets)
        self._coefficients, self._shares = sums.solve(self.ridge)

    def _learn_features(self, inputs: Inputs, seed: int) -> Any:
        """Draw the waves, learn the words, and return those of each row, shape (n, n_words)."""
        distance = 2 * float(inputs.vectors.var(axis=0, dtype=np.float64).sum())
        gamma = 1 / (self.width * distance) if distance > 1e-12 else 0.0
        drawn = np.random.default_rng(seed).standard_normal((inputs.dim, WAVES))
        self._waves = (np.sqrt(2 * gamma) * drawn).astype(np.float32)
        return self._weighted(self._texts.fit(inputs.texts))

    def _weighted(self, counts: Any) -> Any:
        counts.data *= np.float32(np.sqrt(self.words))
        return counts

    def _width(self, counts: Any, dim: int) -> int:
        return int(2 * WAVES + dim + counts.shape[1])

    def _dense(self, vectors: Vectors) -> Matrix:
        """Return the features of vectors, shape (n, 2 * WAVES + dim)."""
        out = np.empty((len(vectors), 2 * WAVES + vectors.shape[1]), np.float32)
        angles = vectors @ self._waves
        np.cos(angles, out=out[:, :WAVES])
        np.sin(angles, out=out[:, WAVES : 2 * WAVES])
        out[:, : 2 * WAVES] *= np.float32(1 / np.sqrt(WAVES))
        np.multiply(vectors, np.float32(np.sqrt(self.linear)), out=out[:, 2 * WAVES :])
        return out

    def _sums(self, rows: Keys, vectors: Vectors, counts: Any, targets: Keys, each: Floats) -> Sums:
        """Return the sums over some rows, built some rows at a time."""
        from scipy import sparse
        from scipy.linalg import blas

        # Products of two features, or of one and an indicator, then have the row's weight.
        root = np.sqrt(each[rows]).astype(np.float32)
        words = counts[rows]
        words.data *= np.repeat(root, np.diff(words.indptr))
        form = (len(rows), self.n_classes)
        hits = sparse.csr_array((root, targets[rows], np.arange(len(rows) + 1)), shape=form)
        sums = Sums.zero(self._width(counts, vectors.shape[1]), self.n_classes)
        wide = len(sums.total) - counts.shape[1]
        corner = np.zeros((wide, wide), np.float32, order="F")
        cross = np.zeros((counts.shape[1], wide), np.float32)
        for start in range(0, len(rows), BLOCK):
            some = slice(start, start + BLOCK)
            dense = self._dense(vectors[rows[some]]) * root[some, None]
            corner = blas.ssyrk(1.0, dense.T, beta=1.0, c=corner, lower=1, overwrite_c=1)
            cross += words[some].T @ dense
            sums.hits[:wide] += (hits[some].T @ dense).T
            sums.total[:wide] += root[some] @ dense
        sums.gram[:wide, :wide], sums.gram[wide:, :wide] = corner, cross
        sums.gram[wide:, wide:] = (words.T @ words).toarray(order="F")
        sums.hits[wide:] = (words.T @ hits).toarray()
        sums.total[wide:] = words.T @ root
        sums.counts += np.bincount(targets[rows], weights=each[rows], minlength=self.n_classes)
        return sums

    def _apply(self, vectors: Vectors, counts: Any, coefficients: Matrix, shares: Matrix) -> Floats:
        wide = len(coefficients) - counts.shape[1]
        out = np.empty((len(vectors), self.n_classes))
        for start in range(0, len(vectors), BLOCK):
            some = slice(start, start + BLOCK)
            part = self._dense(vectors[some]) @ coefficients[:wide]
            part += counts[some] @ coefficients[wide:]
            out[some] = SCALE * (part.astype(np.float64) + shares)
        return out

    def _scores(self, inputs: Inputs) -> Floats:
        counts = self._weighted(self._texts.transform(inputs.texts))
        out = self._apply(inputs.vectors, counts, self._coefficients, self._shares)
        return without(out, self._present)

    def _state(self) -> State:
        own: dict[str, NDArray[Any]] = {
            "waves": self._waves,
            "coefficients": self._coefficients,
            "shares": self._shares,
            "present": self._present,
        }
        facts = {"words": self.words, "linear": self.linear}
        return State.join({"ridge": State(facts, own), "words": self._texts.state()})

    def _restore(self, state: State) -> None:
        own = state.part("ridge")
        self.words, self.linear = float(own.facts["words"]), float(own.facts["linear"])
        self._waves, self._coefficients = own.arrays["waves"], own.arrays["coefficients"]
        self._shares, self._present = own.arrays["shares"], own.arrays["present"]
        self._texts = TextFeatures.restored(state.part("words"))


def _relative(weights: Floats | None, n: int) -> Floats:
    """Return how much each row counts, 1 on average."""
    return np.ones(n) if weights is None else weights / weights.mean()
