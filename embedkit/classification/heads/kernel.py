"""Kernel ridge regression on meaning and words at once, for up to 16,000 rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embedkit.classification.heads.alike import WordLikeness
from embedkit.classification.heads.base import BaseHead, check_above_zero, check_not_negative
from embedkit.classification.heads.linear import without
from embedkit.classification.heads.ridge import Factor
from embedkit.classification.heads.words import TextFeatures
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.errors import InvalidInputError
from embedkit.threads import single_threaded_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

    Matrix = NDArray[np.float32]

MOST_ROWS = 16_000
"""Rows past which the kernel matrix would take more than 1 GB."""
SCALE = 8.0
"""Brings estimates of probabilities, 0 to 1, to about the scale of log-odds."""
VARIANTS: dict[str, dict[str, float]] = {
    "kernel": {},
    "kernel?rarity=1": {"rarity": 1.0},
}
"""What :func:`tuned` chooses among: texts differ in whether frequent words tell the class."""
GRAM_ROWS = 512
"""Rows of the kernel matrix that are computed at a time."""
CELLS = 2**23
"""Kernel values that are held at a time when rows are scored."""


class KernelHead(BaseHead):
    """Least squares on indicators of the classes, under a sum of three kernels.

    The kernels: a Gaussian one between vectors, the cosine of words and pairs of words, weighted,
    and how alike the words of two texts are (:class:`WordLikeness`). One factorisation of the
    matrix serves all classes, and the scores of rows left out.

    Parameters
    ----------
    words : float
        Weight of the words against the vectors, which have 1.
    likeness : float
        Weight of how alike words are.
    width : float
        Of the Gaussian: vectors as far apart as two texts are on average have ``exp(-1/width)``.
    rarity : float
        Power of the inverse document frequency of words; at 0 rare words count no more than others.
    ridge : float
        How much large coefficients cost.

    Source
    ------
    Suykens and Vandewalle, "Least squares support vector machine classifiers", 1999; Rifkin and
    Klautau, "In defense of one-vs-all classification", JMLR 2004.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"texts", "vectors"})
    fits_on_the_way: ClassVar[bool] = True
    """Whether ``out_of_fold`` leaves the head fitted on all rows."""

    def __init__(
        self,
        *,
        words: float = 1.0,
        likeness: float = 0.3,
        width: float = 1.0,
        rarity: float = 0.5,
        ridge: float = 0.3,
    ) -> None:
        super().__init__()
        check_above_zero(width=width, ridge=ridge)
        check_not_negative(words=words, likeness=likeness, rarity=rarity)
        self.words, self.likeness, self.width, self.ridge = words, likeness, width, ridge
        self._gamma = 0.0
        self._features = TextFeatures("phrases", power=rarity, unknown=True)
        self._alike = TextFeatures("singles")
        self._arrays: dict[str, NDArray[np.float32]] = {}
        self._present: Keys = np.empty(0, np.int64)

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        self._learn(inputs, targets, weights)

    def out_of_fold(
        self,
        inputs: Inputs,
        targets: Keys,
        n_classes: int,
        folds: Keys,
        *,
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Fit on all rows, and return the scores of each row by a fit without its fold.

        Equal to fitting again without each fold, but for what is learned from the texts and vectors
        without the labels, which is learned from all rows: which words there are, how frequent and
        how alike they are, and how far apart the vectors.

        Parameters
        ----------
        folds : int64 array, shape (n,)
            The fold of each row.

        Returns
        -------
        float64 array, shape (n, n_classes)
        """
        self.check_fit(inputs, targets, n_classes, weights)
        order = np.argsort(folds, kind="stable")
        some = None if weights is None else weights[order]
        with single_threaded_products():
            factor, goal = self._learn(inputs.take(order), targets[order], some)
        ends = np.concatenate(([0], np.cumsum(np.unique(folds, return_counts=True)[1])))
        out = np.empty((len(inputs), n_classes))
        with single_threaded_products():
            out[order] = factor.left_out(goal, self._arrays["alpha"], ends)
        return without(SCALE * (out + self._arrays["shares"]), self._present)

    def _learn(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None
    ) -> tuple[Factor, Matrix]:
        n = len(inputs)
        if n > MOST_ROWS:
            raise InvalidInputError(
                f"expected at most {MOST_ROWS:,} rows for the head 'kernel', got {n:,}",
                do="choose the head 'ridge'",
            )
        each = np.ones(n) if weights is None else weights / weights.mean()
        self._present = np.unique(targets)
        shares = np.bincount(targets, weights=each, minlength=self.n_classes) / each.sum()
        goal = np.zeros((n, self.n_classes), np.float32)
        goal[np.arange(n), targets] = 1
        goal -= shares.astype(np.float32)
        likeness = WordLikeness()
        counts = self._features.fit(inputs.texts)
        vectors = np.ascontiguousarray(inputs.vectors, np.float32)
        distance = 2 * float(vectors.var(axis=0, dtype=np.float64).sum())
        self._gamma = 1 / (self.width * distance) if distance > 1e-12 else 0.0
        if self.likeness:
            likeness.fit(inputs.texts, vectors)
        gram = self._gram(vectors, counts, likeness)
        factor = Factor(gram.T, (self.ridge / each).astype(np.float32))
        alpha = factor.solve(goal)
        self._arrays = {
            "alpha": alpha,
            "vectors": vectors,
            "shares": shares.astype(np.float32),
            "words": np.asarray(self.words * (counts.T @ alpha), np.float32),
        }
        if self.likeness:
            self._alike = likeness.features
            self._arrays["alike"] = np.asarray(self.likeness * likeness.weights(alpha), np.float32)
        return factor, goal

    def _gram(self, vectors: Vectors, counts: Any, likeness: WordLikeness) -> Matrix:
        """Return the kernel between all rows, shape (n, n): its upper triangle, the rest is noise.

        Built some rows at a time, so that a part is finished while it is in the processor's cache.
        """
        n = len(vectors)
        gram: Matrix = np.empty((n, n), np.float32)
        for start in range(0, n, GRAM_ROWS):
            stop = min(start + GRAM_ROWS, n)
            part = gaussian(vectors[start:stop], vectors[start:], self._gamma)
            if self.words:
                product = (counts[start:stop] @ counts[start:].T).toarray()
                product *= self.words
                part += product
            if self.likeness:
                part += self.likeness * likeness.gram(start, stop)
            gram[start:stop, start:] = part
        return gram

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        arrays = self._arrays
        out = np.empty((len(inputs), self.n_classes))
        block = max(1, CELLS // len(arrays["vectors"]))
        for start in range(0, len(inputs), block):
            texts = inputs.texts[start : start + block]
            kernel = gaussian(inputs.vectors[start : start + block], arrays["vectors"], self._gamma)
            part = kernel @ arrays["alpha"] + self._features.transform(texts) @ arrays["words"]
            if "alike" in arrays:
                part += self._alike.transform(texts) @ arrays["alike"]
            out[start : start + block] = SCALE * (part.astype(np.float64) + arrays["shares"])
        return without(out, self._present)

    def _state(self) -> State:
        arrays: dict[str, NDArray[np.float32] | Keys] = dict(self._arrays)
        own = State({"gamma": self._gamma}, arrays | {"present": self._present})
        return State.join(
            {"kernel": own, "words": self._features.state(), "alike": self._alike.state()}
        )

    def _restore(self, state: State) -> None:
        own = state.part("kernel")
        self._gamma = float(own.facts["gamma"])
        self._arrays = {name: own.arrays[name] for name in own.arrays if name != "present"}
        self._present = own.arrays["present"]
        self._features = TextFeatures.restored(state.part("words"))
        self._alike = TextFeatures.restored(state.part("alike"))


def tuned(inputs: Inputs, targets: Keys, n_classes: int, folds: Keys) -> str:
    """Return the spec of the variant that predicts rows left out with the least squared error.

    Squared errors tell variants apart on far fewer rows than the share of right classes does.
    """
    goal = np.eye(n_classes)[targets]
    errors = {}
    for spec, options in VARIANTS.items():
        scores = KernelHead(**options).out_of_fold(inputs, targets, n_classes, folds)
        errors[spec] = float(np.square(scores / SCALE - goal).sum())
    return min(errors, key=lambda spec: errors[spec])


def gaussian(rows: Vectors, others: Vectors, gamma: float) -> Matrix:
    """Return ``exp(-gamma * squared distance)``, shape (n_rows, n_others)."""
    kernel: Matrix = rows @ others.T
    kernel *= 2 * gamma
    kernel -= (gamma * np.einsum("ij,ij->i", rows, rows))[:, None]
    kernel -= gamma * np.einsum("ij,ij->i", others, others)
    np.minimum(kernel, 0, out=kernel)
    return np.exp(kernel, out=kernel)
