"""How a classifier is trained: which rows, which head, which probabilities."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedkit.classification.abstention import Answers
from embedkit.classification.calibration import Calibrator
from embedkit.classification.choose import Choice, Contest, choose
from embedkit.classification.conformal import PredictionSets
from embedkit.classification.fitted import Examples, Fitted, make_head
from embedkit.classification.inputs import Inputs
from embedkit.classification.labels import LabelSet, is_missing, shown
from embedkit.classification.predictions import confidence
from embedkit.classification.scope import Scope
from embedkit.errors import InvalidInputError
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.threads import single_threaded_products
from embedkit.types.classification import SetAside, Task, TrainingReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask, Vectors

AUTO = "auto"
FEWEST_UNSEEN = 50
"""Rows that an embedder was not fine-tuned on, below which they say nothing."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a person may choose of the training.

    Attributes
    ----------
    head : str
        A spec, or ``"auto"``.
    folds : int
        Of cross-validation.
    budget : float
        Seconds for choosing a head.
    class_weight : dict of int to float, "balanced" or None
        How much the rows of each class count.
    seed : int
    """

    head: str = AUTO
    folds: int = 5
    budget: float = 15.0
    class_weight: Mapping[int, float] | Literal["balanced"] | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that can be learned from.

    Attributes
    ----------
    places : int64 array, shape (n,)
        Where they are among those that were given.
    texts : list of str, length n
    targets : int64 array, shape (n,), or bool array, shape (n, n_labels)
    weights : float64 array, shape (n,), or None
        How much each row counts, > 0.
    """

    labels: LabelSet
    places: Keys
    texts: list[str]
    targets: Keys | Mask
    weights: NDArray[np.float64] | None
    set_aside: tuple[SetAside, ...]


def usable(
    texts: Sequence[Any],
    labels: Any,
    weights: NDArray[np.float64] | None = None,
    *,
    task: Task | None = None,
    order: Sequence[Any] | None = None,
) -> Rows:
    """Return the rows that have a text and a label.

    Raises
    ------
    InvalidInputError
        Not one label a text, fewer than two labels, labels of several types, or cells that are
        not text.
    """
    if isinstance(texts, str):
        raise InvalidInputError("expected a list of texts, got one text", do="write [text]")
    if len(texts) != len(labels):
        raise InvalidInputError(
            f"expected a label for each text, got {len(texts)} texts and {len(labels)} labels"
        )
    kept: list[int] = []
    unlabelled = textless = weightless = 0
    for place, (text, label) in enumerate(zip(texts, labels, strict=True)):
        if is_missing(text):
            textless += 1
        elif not isinstance(text, str):
            raise InvalidInputError(f"expected texts, got {type(text).__name__} at {place}")
        elif is_missing(label):
            unlabelled += 1
        elif weights is not None and not weights[place]:
            weightless += 1
        else:
            kept.append(place)
    counted = (("no label", unlabelled), ("no text", textless), ("no weight", weightless))
    places = np.asarray(kept, np.int64)
    if isinstance(labels, np.ndarray):
        chosen: Any = labels[places]
    else:
        chosen = [labels[place] for place in kept]
    known = LabelSet.learn(chosen, task=task, order=order)
    return Rows(
        known,
        places,
        [str(texts[place]) for place in kept],
        known.encode(chosen),
        None if weights is None else weights[places],
        tuple(SetAside(reason, rows) for reason, rows in counted if rows),
    )


def fit(
    rows: Rows,
    inputs: Inputs,
    recipe: Recipe,
    *,
    out_of_scope: Vectors | None = None,
    unseen: Mask | None = None,
    told: tuple[str, ...] = (),
) -> tuple[Fitted, Examples]:
    """Train on rows.

    Parameters
    ----------
    inputs : Inputs
        Of ``rows.texts``, in their order.
    out_of_scope : float32 array, shape (m, dim), optional
        Vectors of texts that no label is for.
    unseen : bool array, shape (n,), optional
        Which rows the embedder was not fine-tuned on. Where some are, what is measured and what
        probabilities are set right by are those alone.
    told : tuple of str
        What a person should know of the embedder.

    Raises
    ------
    UnknownBackendError, InvalidInputError, MissingDependencyError
        Of the head.
    """
    start = time.perf_counter()
    task, targets = rows.labels.task, rows.targets
    weights = _weighted(rows, recipe)
    choice = _choose(rows, inputs, recipe, weights)
    spec, scores, head = choice.spec, choice.scores, choice.head
    honest, fresh = _honest(len(inputs), unseen)
    held = _learn_from_held_out(scores, targets, task, honest, recipe.seed)
    if head is None:
        head = make_head(spec, task)
        head.fit(inputs, targets, len(rows.labels), weights=weights, seed=recipe.seed)
    scope = _scope(inputs, targets, out_of_scope, recipe.seed)
    noted = (told, fresh, _notes(rows), choice.notes, held.calibrator.report.notes)
    from embedkit import __version__

    report = TrainingReport(
        rows=len(inputs),
        counts=_counts(rows),
        head=spec,
        heads=choice.trials,
        measures={"accuracy": mean_with_interval(held.answers.right.tolist())},
        calibration=held.calibrator.report.to_dict(),
        abstention=tuple(cost.to_dict() for cost in held.answers.costs()),
        sets=tuple(each.to_dict() for each in held.sets.reports),
        set_aside=rows.set_aside,
        notes=(*chain.from_iterable(noted), *(scope.notes if scope else ())),
        folds=recipe.folds,
        seconds=round(time.perf_counter() - start, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
    )
    known = (held.calibrator, scope, report, held.answers, held.sets)
    fitted = Fitted(rows.labels, head, spec, *known)
    return fitted, Examples(inputs.texts, targets, inputs.vectors, held.probabilities)


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """What rows tell that the head had not seen."""

    calibrator: Calibrator
    probabilities: NDArray[np.float64]
    answers: Answers
    sets: PredictionSets


def _learn_from_held_out(
    scores: NDArray[np.float64], targets: Keys | Mask, task: Task, honest: Keys, seed: int
) -> _HeldOut:
    """Learn what scores are worth, of rows by heads that had not seen them."""
    calibrator, sets = Calibrator(), PredictionSets()
    # It takes thousands of small steps, between which threads would but wait.
    with single_threaded_products():
        calibrator.fit(scores[honest], targets[honest], task=task, seed=seed)
        probabilities = calibrator.probabilities(scores)
        probabilities[honest] = calibrator.cross_fitted
        right = _right(probabilities[honest], targets[honest])
        answers = Answers(confidence(probabilities[honest], multi=task == "multi"), right)
        sets.fit(probabilities[honest], targets[honest], task=task, seed=seed)
    return _HeldOut(calibrator, probabilities, answers, sets)


def _honest(n: int, unseen: Mask | None) -> tuple[Keys, tuple[str, ...]]:
    """Return the rows to measure by, and what a person should know about them."""
    every = np.arange(n)
    if unseen is None or unseen.all():
        return every, ()
    honest = np.flatnonzero(unseen)
    if len(honest) < FEWEST_UNSEEN:
        return every, (
            f"the embedder was fine-tuned on {n - len(honest):,} of these rows: probabilities and "
            "figures of cross-validation are too good to be true; see the model's own verdict",
        )
    return honest, (
        f"the embedder was fine-tuned on {n - len(honest):,} of these rows; figures and "
        f"probabilities come from the {len(honest):,} others",
    )


def _scope(
    inputs: Inputs, targets: Keys | Mask, out_of_scope: Vectors | None, seed: int
) -> Scope | None:
    """Return what tells foreign texts; None where there are no vectors, or all are the same."""
    if not inputs.dim or not (inputs.vectors != inputs.vectors[:1]).any():
        return None
    scope = Scope()
    scope.fit(inputs.vectors, targets, out_of_scope=out_of_scope, seed=seed)
    return scope


def _choose(
    rows: Rows, inputs: Inputs, recipe: Recipe, weights: NDArray[np.float64] | None
) -> Choice:
    """Return the head to use, what was tried, and the scores of heads that had not seen the row."""
    contest = Contest(
        inputs,
        rows.targets,
        len(rows.labels),
        rows.labels.task,
        recipe.folds,
        weights,
        recipe.seed,
    )
    if recipe.head == AUTO:
        return choose(contest, budget=recipe.budget)
    scores, head = contest.scores(recipe.head)
    return Choice(recipe.head, (), scores, head)


def _weighted(rows: Rows, recipe: Recipe) -> NDArray[np.float64] | None:
    """Return how much each row counts, by itself and by its class."""
    if recipe.class_weight is None:
        return rows.weights
    if rows.labels.task == "multi":
        raise InvalidInputError("expected one label a text where classes are to have weights")
    own = np.ones(len(rows.targets)) if rows.weights is None else rows.weights
    sums = np.bincount(rows.targets, weights=own, minlength=len(rows.labels))
    if recipe.class_weight == "balanced":
        each = own.sum() / ((sums > 0).sum() * np.maximum(sums, 1e-12))
    else:
        each = np.ones(len(rows.labels))
        for number, weight in recipe.class_weight.items():
            if not weight > 0:
                raise InvalidInputError(f"expected class weights above 0, got {weight}")
            each[number] = weight
    return np.asarray(own * each[rows.targets])


def _counts(rows: Rows) -> dict[Any, int]:
    if rows.labels.task == "multi":
        counts = rows.targets.sum(axis=0)
    else:
        counts = np.bincount(rows.targets, minlength=len(rows.labels))
    return dict(zip(rows.labels.names, counts.tolist(), strict=True))


def _right(probabilities: NDArray[np.float64], targets: Keys | Mask) -> Mask:
    """Return whether the best label of each row, or all of its labels, is the true one."""
    if targets.ndim == 2:
        return np.asarray(((probabilities >= 0.5) == targets).all(axis=1))
    return np.asarray(probabilities.argmax(axis=1) == targets)


def _notes(rows: Rows) -> tuple[str, ...]:
    single = [label for label, n in _counts(rows).items() if n == 1]
    if not single:
        return ()
    return (
        f"{len(single)} of {len(rows.labels)} labels have one row, "
        f"which no cross-validation can test: {shown(single)}",
    )
