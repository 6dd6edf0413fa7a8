"""How good a trained classifier is on labelled rows, and what cross-validation said in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import catalog
from embedkit.classification.asking import opened
from embedkit.classification.crossfit import equal_texts
from embedkit.classification.explain import shares
from embedkit.classification.labels import is_missing
from embedkit.classification.predictions import Predictions
from embedkit.classification.spelling import label_key, label_text
from embedkit.classification.training import FEWEST_UNSEEN
from embedkit.errors import InvalidInputError, UnsupportedOperationError
from embedkit.evaluation.classification import evaluate_outcomes
from embedkit.evaluation.label_results import LabelEvaluation
from embedkit.evaluation.outcomes import Outcomes
from embedkit.store.manifest import OBJECT

if TYPE_CHECKING:
    from embedkit.classification.classifier import Classifier
    from embedkit.classification.embedding import Progress
    from embedkit.classification.estimator import TextClassifier
    from embedkit.classification.labels import LabelSet
    from embedkit.types import Keys, Mask

ABSTAINING = ("abstain_below", "precision", "scope_level")
"""Ways of answering that let it abstain."""
SHOWN = 3
MOST_VALUES = 30
"""Values of a column whose rows are measured by themselves."""
GAP = 0.05
"""Accuracy below what cross-validation promised, as a whole, that a person is told of."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The labelled rows that a classifier can be measured by.

    Attributes
    ----------
    places : int64 array, shape (n,)
        Where they are among those that were given.
    texts : list of str, length n
    targets : int64 array, shape (n,), or bool array, shape (n, n_labels)
    unknown : mapping of str to int
        Labels that the classifier never learned, and their rows, which are left out.
    strange : list of str
        The texts of these rows.
    unlabelled : int
        Rows without a label or a text, which are left out.
    """

    places: Keys
    texts: list[str]
    targets: Keys | Mask
    unknown: Mapping[str, int]
    strange: list[str]
    unlabelled: int

    @classmethod
    def match(cls, known: LabelSet, texts: Sequence[Any], labels: Sequence[Any]) -> Judged:
        """Find the classes of labels; ``1`` and ``"1"`` are one label.

        Raises
        ------
        InvalidInputError
            Not one label a text, or no row that has a text and a label that is known.
        """
        if len(texts) != len(labels):
            raise InvalidInputError(
                f"expected a label for each text, got {len(texts)} texts and {len(labels)} labels"
            )
        classes = {label_key(label_text(name)): i for i, name in enumerate(known.names)}
        places: list[int] = []
        found: list[list[int]] = []
        unknown: Counter[str] = Counter()
        aside: list[str] = []
        unlabelled = 0
        for place, (text, label) in enumerate(zip(texts, labels, strict=True)):
            if is_missing(text) or not isinstance(text, str) or is_missing(label):
                unlabelled += 1
                continue
            told = [label_text(one) for one in _several(label, known)]
            strange = [one for one in told if label_key(one) not in classes]
            if strange:
                unknown.update(strange[:1])
                aside.append(text)
            else:
                places.append(place)
                found.append([classes[label_key(one)] for one in told])
        if not places:
            raise InvalidInputError(_nothing(known, texts, unknown, unlabelled), do=_advice(known))
        return cls(
            np.array(places, np.int64),
            [texts[place] for place in places],
            _targets(found, known),
            dict(unknown.most_common()),
            aside,
            unlabelled,
        )


def evaluate_classifier(
    classifier: str | Classifier | TextClassifier,
    texts: Sequence[str],
    labels: Sequence[Any],
    *,
    home: str | Path | None = None,
    subject: str = "",
    progress: Progress | None = None,
    seed: int = 0,
    **answering: Any,
) -> LabelEvaluation:
    """Measure a trained classifier by labelled rows.

    Rows whose text it learned from are counted, and the measures without them told beside; so are
    those of cross-validation in training, and of answering without reading a text.

    Parameters
    ----------
    classifier : str, Classifier or TextClassifier
        One that was trained, or its name in a home.
    texts : sequence of str, length n
    labels : sequence, length n
        A label each; a list, tuple or set of them each where texts may have several. Rows without
        a label, and rows of labels that it never learned, are left out and counted.
    home : str or Path, optional
        Where a name is looked up. Default: as for :func:`embedkit.open`.
    subject : str
        What a report calls it.
    progress : callable, optional
        Called with (what, done, total).
    seed : int
        Of the resampling.
    **answering
        How it is to answer, as in :meth:`embedkit.Classifier.classify`: ``abstain_below``,
        ``precision`` and ``scope_level`` let it abstain, ``coverage`` asks for prediction sets.
        What that brings is measured too, also on rows of labels that it never learned.

    Raises
    ------
    InvalidInputError
        No row has a text and a label that it knows.
    ModelMismatchError, ProviderError
        As in :meth:`embedkit.Classifier.classify`.
    """
    trained = opened(classifier, catalog.resolve_home(home))
    known = trained.fitted.labels
    judged = Judged.match(known, texts, labels)
    # Labelled rows come again: with another classifier, or after training anew.
    inputs = trained.inputs(judged.texts, keep=True, progress=progress)
    said = trained.classify_inputs(inputs, **answering)
    abstains = any(answering.get(name) for name in ABSTAINING)
    examples = trained.examples
    learned = [] if examples is None else list(examples.texts)
    numbers = equal_texts([*learned, *judged.texts])
    groups = numbers[len(learned) :]
    outcomes = _outcomes(known, judged.targets, said, groups, abstains=abstains)
    found = evaluate_outcomes(outcomes, subject=subject, seed=seed)
    seen = np.isin(groups, numbers[: len(learned)]) | _seen_by_model(trained, judged.texts)
    unseen: dict[str, Any] = {}
    if seen.any() and not seen.all():
        unseen = dict(evaluate_outcomes(outcomes.take(~seen), seed=seed).measures)
    found = replace(
        found,
        places=tuple(judged.places.tolist()),
        seen=int(seen.sum()),
        unseen=unseen,
        unknown=judged.unknown,
        unknown_abstained=_turned_away(trained, judged, answering) if abstains else None,
        training=_in_training(trained, seed),
        majority=evaluate_outcomes(_blind(outcomes, trained), seed=seed).measures,
    )
    return replace(
        found,
        notes=tuple(_notes(found, judged, kept=examples is not None or not trained.report.rows)),
    )


def evaluate_training(
    classifier: str | Classifier | TextClassifier,
    *,
    home: str | Path | None = None,
    subject: str = "",
    abstain_below: float = 0.0,
    seed: int = 0,
) -> LabelEvaluation:
    """Measure a classifier by the rows that it learned from, each answered without it.

    The probabilities are those of cross-validation in training: of heads that had not seen a row.

    Raises
    ------
    UnsupportedOperationError
        The rows were not kept with it.
    """
    trained = opened(classifier, catalog.resolve_home(home))
    examples, known = trained.examples, trained.fitted.labels
    if examples is None:
        raise UnsupportedOperationError(
            "the classifier was saved without the rows that it learned from",
            do="give labelled rows to measure it by",
        )
    said = Predictions(known, examples.probabilities, abstain_below=abstain_below)
    groups = equal_texts(list(examples.texts))
    outcomes = _outcomes(known, examples.targets, said, groups, abstains=abstain_below > 0)
    # A fine-tuned model has seen labels too: rows that it learned from say nothing, as in training.
    fresh = np.flatnonzero(~_seen_by_model(trained, examples.texts))
    notes: tuple[str, ...] = ()
    if FEWEST_UNSEEN <= len(fresh) < len(outcomes):
        outcomes = outcomes.take(fresh)
        notes = (f"of rows that its model was not fine-tuned on: {len(fresh):,}",)
    else:
        if len(fresh) < len(outcomes):
            notes = ("its model was fine-tuned on these rows: the figures are too good to be true",)
        fresh = np.arange(len(outcomes))
    found = evaluate_outcomes(outcomes, subject=subject, notes=notes, seed=seed)
    majority = evaluate_outcomes(_blind(outcomes, trained), seed=seed).measures
    return replace(found, majority=majority, places=tuple(fresh.tolist()))


def evaluate_by(
    found: LabelEvaluation, values: Sequence[Any], *, most: int = MOST_VALUES, seed: int = 0
) -> dict[str, LabelEvaluation]:
    """Measure the rows of each value of something by themselves: of each language, say.

    Parameters
    ----------
    values : sequence, one a row that was measured by
    most : int
        How many values, those of most rows, are measured.

    Returns
    -------
    dict of str to LabelEvaluation
        The value of most rows first; a row without a value has ``(none)``.

    Raises
    ------
    InvalidInputError
        Not one value a row.
    """
    outcomes = found.outcomes
    if outcomes is None or len(values) != len(outcomes):
        raise InvalidInputError(f"expected a value for each of {found.rows} rows")
    told = ["(none)" if is_missing(value) else str(value) for value in values]
    return {
        value: evaluate_outcomes(
            outcomes.take(np.array([one == value for one in told], np.bool_)),
            subject=f"{found.subject}, {value}",
            seed=seed,
        )
        for value, _ in Counter(told).most_common(most)
    }


def _seen_by_model(trained: Classifier, texts: Sequence[str]) -> Mask:
    """Return which texts the classifier's embedder was fine-tuned on."""
    from embedkit.finetuning.shelf import unseen_by

    own = trained.reads_vectors and trained.model.spec != OBJECT
    unseen = unseen_by(trained.model.spec, list(texts)) if own else None
    return np.zeros(len(texts), np.bool_) if unseen is None else ~unseen


def _outcomes(
    known: LabelSet, targets: Keys | Mask, said: Predictions, groups: Keys, *, abstains: bool
) -> Outcomes:
    return Outcomes.of(
        tuple(map(str, known.names)),
        targets,
        said.probabilities,
        answers=said.targets,
        task=known.task,
        abstained=said.abstained if abstains else None,
        sets=said.sets,
        groups=groups,
    )


def _turned_away(classifier: Classifier, judged: Judged, answering: Mapping[str, Any]) -> int:
    """Return of how many rows of unknown labels nothing is said, which is the only right answer."""
    if not judged.strange:
        return 0
    return int(classifier.classify(judged.strange, **answering).abstained.sum())


def _several(label: Any, known: LabelSet) -> list[Any]:
    if known.task == "multi" and isinstance(label, (list, tuple, set, frozenset, np.ndarray)):
        return list(label)
    return [label]


def _targets(found: list[list[int]], known: LabelSet) -> Keys | Mask:
    if known.task != "multi":
        return np.array([classes[0] for classes in found], np.int64)
    targets = np.zeros((len(found), len(known)), np.bool_)
    for row, classes in enumerate(found):
        targets[row, classes] = True
    return targets


def _nothing(known: LabelSet, texts: Sequence[Any], unknown: Counter[str], unlabelled: int) -> str:
    if not len(texts):
        return "expected at least one labelled row to evaluate by, got none"
    if unlabelled == len(texts):
        return f"expected rows with a text and a label, none of {len(texts):,} has both"
    strange = ", ".join(map(repr, list(unknown)[:SHOWN]))
    return f"expected labels that the classifier knows, got {strange}"


def _advice(known: LabelSet) -> str:
    from embedkit.classification.labels import shown

    return f"check the column of labels; it knows {shown(known.names)}"


def _in_training(classifier: Classifier, seed: int) -> Mapping[str, Any]:
    if classifier.examples is None:
        return dict(classifier.report.measures)
    return evaluate_training(classifier, seed=seed).measures


def _blind(outcomes: Outcomes, classifier: Classifier) -> Outcomes:
    """Return what would be answered without reading: always the labels' shares in training."""
    told = np.tile(shares(classifier.fitted), (len(outcomes), 1))
    return Outcomes.of(
        outcomes.labels, outcomes.truth, told, task=outcomes.task, groups=outcomes.groups
    )


def _notes(found: LabelEvaluation, judged: Judged, *, kept: bool) -> Iterable[str]:
    if judged.unlabelled:
        yield f"{_rows(judged.unlabelled)} without a label or a text left out"
    if judged.unknown:
        rows = sum(judged.unknown.values())
        names = ", ".join(map(repr, list(judged.unknown)[:SHOWN]))
        more = len(judged.unknown) - SHOWN
        told = "it can only be wrong about them"
        if found.unknown_abstained is not None:
            told = f"it abstains on {found.unknown_abstained:,} of them, as it should"
        yield (
            f"{_rows(rows)} of labels that it never learned left out: {names}"
            + (f" and {more:,} more" if more > 0 else "")
            + f"; {told}"
        )
    if found.seen == found.rows:
        yield (
            "it learned from the texts of all these rows: this tells what it remembers, not how "
            "good it is"
        )
    elif found.seen:
        yield (
            f"{_rows(found.seen)} of {found.rows:,} have a text that it learned from"
            "; without them it is measured beside"
        )
    elif not kept:
        yield "the rows it learned from were not kept, so none of these can be told from them"
    name = next(iter(found.measures))
    fair = (found.unseen or found.measures)[name]
    promised = found.training.get(name)
    if promised is not None and promised.low - fair.high > 0 and promised.mean - fair.mean > GAP:
        yield (
            f"{name} is {promised.mean - fair.mean:.3f} below what cross-validation promised: "
            "these rows are unlike those it learned from"
        )


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
