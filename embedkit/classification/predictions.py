"""What a classifier says of many texts at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from embedkit.classification.labels import LabelSet
from embedkit.types.classification import Label, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask


class Predictions(Sequence[Prediction]):
    """Predictions as arrays, each read as a :class:`Prediction` by its place.

    Parameters
    ----------
    labels : LabelSet
    probabilities : float64 array, shape (n, n_labels)
    typicality : float64 array, shape (n,), or None
    abstain_below : float
        Least probability of the best label with which it is given.
    scope_level : float
        Least typicality of a text with which a label is given.
    sets : bool array, shape (n, n_labels), or None
        Which labels are in the prediction set.
    """

    def __init__(
        self,
        labels: LabelSet,
        probabilities: NDArray[np.float64],
        typicality: NDArray[np.float64] | None = None,
        *,
        abstain_below: float = 0.0,
        scope_level: float = 0.0,
        sets: Mask | None = None,
    ) -> None:
        self.label_set = labels
        self.probabilities = probabilities
        self.typicality = typicality
        self.sets = sets
        self._multi = labels.task == "multi"
        self.confidence = confidence(probabilities, multi=self._multi)
        """How probable the best label is, shape (n,); of several, all decisions together."""
        self.unsure: Mask = self.confidence < abstain_below
        self.foreign: Mask = (
            np.zeros(len(probabilities), np.bool_)
            if typicality is None
            else typicality < scope_level
        )

    @property
    def targets(self) -> Keys | Mask:
        """The best class of each text, or which labels are more probable than not."""
        if self._multi:
            return self.probabilities >= 0.5
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def abstained(self) -> Mask:
        """Of which texts nothing is said, shape (n,)."""
        return self.unsure | self.foreign

    def best(self) -> NDArray[Any]:
        """Return the best label of each text, whether or not it abstains."""
        return self.label_set.decode(self.targets)

    def __len__(self) -> int:
        return len(self.probabilities)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...

    @overload
    def __getitem__(self, place: slice) -> list[Prediction]: ...

    def __getitem__(self, place: int | slice) -> Prediction | list[Prediction]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"expected a place among {len(self)} predictions, got {place}")
        return self._one(place)

    def __iter__(self) -> Iterator[Prediction]:
        return (self._one(place) for place in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self):,} predictions, {int(self.abstained.sum()):,} abstained>"

    def _one(self, place: int) -> Prediction:
        names = self.label_set.names
        row = self.probabilities[place]
        best: Label | tuple[Label, ...]
        if self._multi:
            best = tuple(names[i] for i in np.flatnonzero(row >= 0.5))
        else:
            best = names[int(row.argmax())]
        why: Literal["", "probability", "scope"] = ""
        if self.foreign[place]:
            why = "scope"
        elif self.unsure[place]:
            why = "probability"
        return Prediction(
            label=None if why else best,
            probability=float(self.confidence[place]),
            best=best,
            abstained=bool(why),
            why=why,
            typicality=None if self.typicality is None else float(self.typicality[place]),
            labels=self._set(place),
            probabilities=dict(zip(names, row.tolist(), strict=True)),
        )

    def _set(self, place: int) -> tuple[Label, ...]:
        if self.sets is None:
            return ()
        inside = np.flatnonzero(self.sets[place])
        order = np.argsort(-self.probabilities[place, inside], kind="stable")
        return tuple(self.label_set.names[i] for i in inside[order])


def confidence(probabilities: NDArray[np.float64], *, multi: bool) -> NDArray[np.float64]:
    """Return how probable the best answer is, shape (n,).

    Of one label it is its probability; of any number, which are taken to be independent, the
    product of those of the single decisions.
    """
    if not len(probabilities):
        return np.empty(0)
    if multi:
        sure = np.maximum(probabilities, 1 - probabilities)
        return np.asarray(sure.prod(axis=1))
    return np.asarray(probabilities.max(axis=1))
