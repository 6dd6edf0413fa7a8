"""Labels and the numbers of their classes."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.types.classification import TASKS, Label, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask


class LabelSet:
    """The labels that a classifier knows, each a class with a number.

    Parameters
    ----------
    names : sequence of str, int, float or bool
        All of one type and distinct; a label's place is the number of its class.
    task : {"single", "multi", "ordered"}
    """

    def __init__(self, names: Sequence[Label], task: Task = "single") -> None:
        self.names: tuple[Label, ...] = tuple(names)
        self.task = _check_task(task)
        self._number = {name: i for i, name in enumerate(self.names)}

    @classmethod
    def learn(
        cls, labels: Sequence[Any], *, task: Task | None = None, order: Sequence[Any] | None = None
    ) -> LabelSet:
        """Return the labels that are in use.

        Parameters
        ----------
        labels : sequence
            One label a text; or, where a text may have any number, a list, tuple or set of labels
            each, or an indicator matrix, shape (n, n_labels). Missing ones are passed over.
        task : {"single", "multi", "ordered"}, optional
            Default: "ordered" where an order is given, "multi" where labels come in lists.
        order : sequence, optional
            The labels from low to high, or all that there may be in the order to be shown.

        Raises
        ------
        InvalidInputError
            Fewer than two labels, labels of several types, or a label that is not in the order.
        """
        task = _check_task(task or _guess_task(labels, order))
        present = [
            name for label in labels if not is_missing(label) for name in _parts(label, task)
        ]
        if task == "multi" and _is_matrix(labels):
            present = list(range(len(labels[0]))) if len(labels) else []
        distinct = dict.fromkeys(_plain(name) for name in present)
        names = _sorted(distinct) if order is None else _ordered(distinct, order)
        if len(names) < (1 if task == "multi" else 2):
            got = f"one class, {names[0]!r}" if names else "no labelled row"
            raise InvalidInputError(
                f"expected rows of at least two classes, got {got}",
                do="add rows of another label, or check that the label column is the right one",
            )
        _refuse_continuous(names, order)
        return cls(names, task)

    @property
    def kind(self) -> type:
        """The type of the labels."""
        return type(self.names[0])

    def encode(self, labels: Sequence[Any]) -> Keys | Mask:
        """Return the classes of labels.

        Returns
        -------
        int64 array, shape (n,), or bool array, shape (n, n_labels), where a text has any number

        Raises
        ------
        InvalidInputError
            A label that is not known; the nearest one is offered.
        """
        if self.task == "multi":
            if _is_matrix(labels):
                return self._checked_matrix(labels)
            targets = np.zeros((len(labels), len(self.names)), np.bool_)
            for row, label in enumerate(labels):
                for name in _parts(label, self.task):
                    targets[row, self.number(name)] = True
            return targets
        return np.fromiter((self.number(label) for label in labels), np.int64, len(labels))

    def decode(self, targets: Keys | Mask) -> NDArray[Any]:
        """Return the labels of classes: an array of their type, or of tuples."""
        if self.task == "multi":
            out = np.empty(len(targets), object)
            for row, flags in enumerate(targets):
                out[row] = tuple(self.names[i] for i in np.flatnonzero(flags))
            return out
        return self.array()[targets]

    def array(self) -> NDArray[Any]:
        """Return the labels, shape (n_labels,), in the order of their classes."""
        if any(isinstance(name, str) and name.endswith("\0") for name in self.names):
            return np.array(self.names, object)  # numpy's own texts lose what they end with
        return np.array(self.names)

    def number(self, label: Any) -> int:
        """Return the class of a label.

        Raises
        ------
        InvalidInputError
            It is not known; the nearest one is offered.
        """
        found = self._number.get(_plain(label))
        if found is None:
            near = difflib.get_close_matches(str(label), map(str, self.names), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InvalidInputError(
                f"expected a label of this classifier, got {label!r}",
                do=f"{hint}there are: {shown(self.names)}",
            )
        return found

    def __contains__(self, label: object) -> bool:
        try:
            return _plain(label) in self._number
        except InvalidInputError:
            return False

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<LabelSet {self.task}: {shown(self.names)}>"

    def _checked_matrix(self, labels: Any) -> Mask:
        matrix = np.asarray(labels)
        if matrix.ndim != 2 or matrix.shape[1] != len(self.names):
            raise InvalidInputError(
                f"expected an indicator matrix of {len(self.names)} columns, "
                f"got shape {matrix.shape}"
            )
        return matrix.astype(np.bool_)


def is_missing(label: Any) -> bool:
    """Whether a cell holds no label: None, NaN, pandas' NA, or nothing but white space."""
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(label, (float, np.floating)):
        return math.isnan(label)
    return isinstance(label, str) and not label.strip()


def shown(names: Iterable[Label], most: int = 12) -> str:
    """Return labels for a person to read, the first of many."""
    listed = [str(name) for name in names]
    more = f", … ({len(listed):,} in all)" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _check_task(task: str) -> Task:
    for known in TASKS:
        if task == known:
            return known
    raise InvalidInputError(f"expected task to be one of {', '.join(TASKS)}, got {task!r}")


def _guess_task(labels: Sequence[Any], order: Sequence[Any] | None) -> Task:
    if _is_matrix(labels) or any(isinstance(label, (list, tuple, set)) for label in labels):
        return "multi"
    return "single" if order is None else "ordered"


def _is_matrix(labels: Any) -> bool:
    """Whether labels are flags, a column a label: an array, or rows of them that repeat flags."""
    if isinstance(labels, np.ndarray):
        return labels.ndim == 2 and labels.shape[1] > 1
    rows = [row for row in labels if isinstance(row, (list, tuple, np.ndarray))]
    if not rows or len(rows) < len(labels) or len({len(row) for row in rows}) > 1:
        return False
    flags = all(
        isinstance(flag, (int, np.integer)) and flag in (0, 1) for row in rows for flag in row
    )
    return flags and any(len(set(row)) < len(row) for row in rows)


def _parts(label: Any, task: Task) -> list[Any]:
    if task != "multi":
        return [label]
    if isinstance(label, (str, bytes)):
        raise InvalidInputError(
            f"expected a list of labels for each text, got the text {label!r}",
            do="split it, or train with one label a text",
        )
    return list(label) if isinstance(label, (list, tuple, set, frozenset, np.ndarray)) else [label]


def _plain(label: Any) -> Label:
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, (str, int, float, bool)):
        return label
    raise InvalidInputError(
        f"expected labels that are texts or numbers, got {type(label).__name__}: {label!r}"
    )


def _refuse_continuous(names: Sequence[Label], order: Sequence[Any] | None) -> None:
    broken = [name for name in names if isinstance(name, float) and name != int(name)]
    if broken and order is None:
        raise InvalidInputError(
            f"expected labels, got continuous numbers such as {broken[0]}",
            do="make classes of them, or pass all of them in order=",
        )


def _sorted(distinct: Iterable[Label]) -> list[Label]:
    names = list(distinct)
    kinds = {type(name) for name in names}
    if len(kinds) > 1:
        examples = " and ".join(
            sorted(repr(next(n for n in names if type(n) is kind)) for kind in kinds)
        )
        raise InvalidInputError(
            f"expected labels of one type, got {examples}", do="make all of them texts"
        )
    return sorted(names)


def _ordered(distinct: Iterable[Label], order: Sequence[Any]) -> list[Label]:
    names = [_plain(name) for name in order]
    if len(set(names)) < len(names):
        raise InvalidInputError(f"expected each label once in the order, got {shown(names)}")
    for name in distinct:
        if name not in names:
            raise InvalidInputError(
                f"expected every label to be in the order {shown(names)}, got {name!r}"
            )
    return names
