"""What a classifier learns from rows that come later."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.few import FEW_ROWS
from embedkit.classification.fitted import Examples, Fitted
from embedkit.classification.inputs import Inputs
from embedkit.errors import DimensionMismatchError, UnsupportedOperationError

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors


def learn(
    fitted: Fitted,
    examples: Examples | None,
    inputs: Inputs,
    labels: Sequence[Any],
    *,
    spec: str | None = None,
    references: Callable[[], Vectors] | None = None,
) -> tuple[Fitted, Examples | None]:
    """Return a classifier that has learned from rows more.

    A head that takes in single rows does so at once, where their labels are known; what it had
    said of them before is kept beside them, as of rows that it had not seen. Any other head, and
    any head that meets a new label, is trained again on the rows that were kept and the new ones.

    Parameters
    ----------
    spec : str, optional
        Of the embedder: rows that it was fine-tuned on are left out of what is measured.
    references : callable, optional
        Returns the vectors of the reference texts, shape (m, dim), for a head that reads them.

    Raises
    ------
    DimensionMismatchError
        Not one label a text.
    UnsupportedOperationError
        It would have to be trained again, and the rows that it learned from were not kept.
    InvalidInputError
        A label of another type.
    CredentialsError
        The head asks a service at an address that only a file names.
    """
    if len(labels) != len(inputs):
        raise DimensionMismatchError(
            f"expected a label for each of {len(inputs)} texts, got {len(labels)}"
        )
    add = getattr(fitted.head, "add", None)
    if add is None or not all(label in fitted.labels for label in labels):
        return _again(fitted, examples, inputs, labels, spec, references)
    targets: Keys = fitted.labels.encode(labels).astype(np.int64)
    more = Examples(inputs.texts, targets, inputs.vectors, fitted.probabilities(inputs))
    add(inputs, targets)
    counts = dict(fitted.report.counts)
    for label in fitted.labels.decode(targets).tolist():
        counts[label] = counts.get(label, 0) + 1
    rows = fitted.report.rows + len(inputs)
    report = dataclasses.replace(fitted.report, rows=rows, counts=counts)
    kept = None if examples is None else _joined(examples, more)
    return dataclasses.replace(fitted, report=report), kept


def _again(
    fitted: Fitted,
    examples: Examples | None,
    inputs: Inputs,
    labels: Sequence[Any],
    spec: str | None,
    references: Callable[[], Vectors] | None,
) -> tuple[Fitted, Examples | None]:
    """Train the same head on all rows, old and new."""
    if examples is None:
        raise UnsupportedOperationError(
            f"the head {fitted.head_spec!r} would have to be trained again for these rows, and "
            "those that it learned from were not kept",
            do="train it again on all rows",
        )
    from embedkit.classification.training import Recipe, fit, usable
    from embedkit.finetuning.shelf import unseen_by

    check = getattr(fitted.head, "check_trusted", None)
    if check is not None:  # a new head would take its spec for the caller's own
        check()

    task = fitted.labels.task
    old = fitted.labels.decode(examples.targets).tolist()
    texts = [*examples.texts, *inputs.texts]
    order = list(fitted.labels.names) if task == "ordered" else None
    rows = usable(texts, [*old, *labels], task=task, order=order)
    vectors = np.concatenate([examples.vectors, inputs.vectors])[rows.places]
    recipe = Recipe(fitted.head_spec, folds=fitted.report.folds)
    axes = None
    if references is not None and "references" in fitted.head.reads and len(rows.texts) <= FEW_ROWS:
        axes = references()
    again = Inputs(rows.texts, vectors, axes, tuple(map(str, rows.labels.names)))
    return fit(rows, again, recipe, unseen=unseen_by(spec, rows.texts))


def _joined(one: Examples, other: Examples) -> Examples:
    return Examples(
        [*one.texts, *other.texts],
        np.concatenate([one.targets, other.targets]),
        np.concatenate([one.vectors, other.vectors]),
        np.concatenate([one.probabilities, other.probabilities]),
    )
