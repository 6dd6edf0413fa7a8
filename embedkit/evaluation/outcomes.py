"""What a classifier said of rows whose labels are known: the ground of every figure about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.types.classification import TASKS, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask

SUM_ERROR = 1e-3
"""How far the probabilities of a row may be from adding up to 1."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """True labels and answers of n rows, K classes.

    Attributes
    ----------
    labels : tuple of str, length K
        Names of the classes; from low to high where they are ordered.
    truth : bool array, shape (n, K)
        Which classes a row has: exactly one each, but for the task ``multi``.
    probabilities : float64 array, shape (n, K)
        They add up to 1 in each row; for ``multi`` each stands by itself.
    answers : bool array, shape (n, K)
        Which classes were answered.
    task : str
        ``single``: a class a row. ``ordered``: a class a row, and classes have an order. ``multi``:
        any number of classes a row.
    abstained : bool array, shape (n,), or None
        Rows that were given no answer; ``answers`` holds what it would have been. None where
        nothing may be abstained from.
    sets : bool array, shape (n, K), or None
        Prediction sets.
    groups : int64 array, shape (n,), or None
        Rows of one number have equal texts, so that they tell the same and are resampled together.
    """

    labels: tuple[str, ...]
    truth: Mask
    probabilities: NDArray[np.float64]
    answers: Mask
    task: Task = "single"
    abstained: Mask | None = None
    sets: Mask | None = None
    groups: Keys | None = None

    @classmethod
    def of(
        cls,
        labels: tuple[str, ...],
        targets: Keys | Mask,
        probabilities: NDArray[np.float64],
        *,
        answers: Keys | Mask | None = None,
        task: Task = "single",
        abstained: Mask | None = None,
        sets: Mask | None = None,
        groups: Keys | None = None,
    ) -> Outcomes:
        """Check what is given and bring it into one form.

        Parameters
        ----------
        targets : int64 array, shape (n,), or bool array, shape (n, K)
            Numbers of the true classes, or which classes a row has.
        answers : the same, optional
            The most probable class where it is not given; for ``multi``, those of at least 0.5.

        Raises
        ------
        InvalidInputError
            No rows, arrays that do not fit each other, targets that are no class, probabilities
            that are none.
        """
        if task not in TASKS:
            raise InvalidInputError(f"expected a task of {', '.join(TASKS)}, got {task!r}")
        size = len(labels)
        chances = _probabilities(probabilities, size, task)
        n = len(chances)
        if answers is None:
            answers = chances >= 0.5 if task == "multi" else chances.argmax(axis=1)
        truth = _indicators(targets, n, size, task, "targets")
        said = _indicators(answers, n, size, task, "answers")
        for name, given, shape in (
            ("abstained", abstained, (n,)),
            ("sets", sets, (n, size)),
            ("groups", groups, (n,)),
        ):
            if given is not None and np.shape(given) != shape:
                raise InvalidInputError(f"expected {name} of shape {shape}, got {np.shape(given)}")
        return cls(
            tuple(labels), truth, chances, said, task,
            None if abstained is None else np.asarray(abstained, np.bool_),
            None if sets is None else np.asarray(sets, np.bool_),
            None if groups is None else np.asarray(groups, np.int64),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def targets(self) -> Keys | Mask:
        """The true class of each row, shape (n,); for ``multi`` what is true of each."""
        return self.truth if self.task == "multi" else np.asarray(self.truth.argmax(axis=1))

    @property
    def right(self) -> Mask:
        """Which rows were answered with exactly their classes, shape (n,)."""
        same: Mask = (self.truth == self.answers).all(axis=1)
        return same

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of what was answered, shape (n,).

        Of several labels that all K decisions together are right, taken to be independent.
        """
        if self.task == "multi":
            decided = np.where(self.answers, self.probabilities, 1 - self.probabilities)
            return np.asarray(decided.prod(axis=1), np.float64)
        rows = np.arange(len(self))
        return np.asarray(self.probabilities[rows, self.answers.argmax(axis=1)], np.float64)

    def with_labels(self, labels: tuple[str, ...]) -> Outcomes:
        """Return the same with more classes, which are never true and never answered."""
        place = [labels.index(label) for label in self.labels]

        def wider(array: NDArray[Any]) -> NDArray[Any]:
            out = np.zeros((len(self), len(labels)), array.dtype)
            out[:, place] = array
            return out

        return replace(
            self,
            labels=labels,
            truth=wider(self.truth),
            probabilities=wider(self.probabilities),
            answers=wider(self.answers),
            sets=None if self.sets is None else wider(self.sets),
        )

    def take(self, rows: Keys | Mask) -> Outcomes:
        """Return some of the rows."""
        return Outcomes(
            self.labels,
            self.truth[rows],
            self.probabilities[rows],
            self.answers[rows],
            self.task,
            None if self.abstained is None else self.abstained[rows],
            None if self.sets is None else self.sets[rows],
            None if self.groups is None else self.groups[rows],
        )


def _probabilities(given: NDArray[np.float64], size: int, task: Task) -> NDArray[np.float64]:
    chances = np.asarray(given, np.float64)
    if chances.ndim != 2 or chances.shape[1] != size:
        raise InvalidInputError(
            f"expected probabilities of {size} classes a row, got shape {chances.shape}"
        )
    if not len(chances):
        raise InvalidInputError(
            "expected at least one labelled row to evaluate by, got none",
            do="give rows with a text and a label",
        )
    if not (np.isfinite(chances).all() and chances.min() >= 0 and chances.max() <= 1 + SUM_ERROR):
        raise InvalidInputError("expected probabilities between 0 and 1")
    if task != "multi" and abs(chances.sum(axis=1) - 1).max() > SUM_ERROR:
        raise InvalidInputError("expected the probabilities of each row to add up to 1")
    return chances


def _indicators(given: Keys | Mask, n: int, size: int, task: Task, name: str) -> Mask:
    array = np.asarray(given)
    if array.ndim == 1 and task != "multi":
        if len(array) != n or (n and not (array.min() >= 0 and array.max() < size)):
            raise InvalidInputError(
                f"expected {name} of {n} rows in [0, {size}), got {len(array)} rows"
            )
        return np.asarray(array[:, np.newaxis] == np.arange(size))
    if array.shape != (n, size):
        raise InvalidInputError(f"expected {name} of shape {(n, size)}, got {array.shape}")
    told = np.asarray(array, np.bool_)
    if task != "multi" and (told.sum(axis=1) != 1).any():
        raise InvalidInputError(f"expected {name} with one class a row")
    return told
