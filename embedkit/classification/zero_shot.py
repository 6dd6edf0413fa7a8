"""A classifier out of labels alone, without a single labelled text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedkit import catalog
from embedkit.classification.calibration import Calibrator
from embedkit.classification.classifier import Classifier
from embedkit.classification.embedding import Progress, embed_for, open_embedder
from embedkit.classification.fitted import Fitted
from embedkit.classification.heads.zeroshot import ZeroShotHead
from embedkit.classification.inputs import Inputs
from embedkit.classification.labels import LabelSet
from embedkit.classification.scope import Scope
from embedkit.errors import InvalidInputError
from embedkit.protocols import Embedder
from embedkit.store.manifest import OBJECT, Model
from embedkit.types.classification import TrainingReport
from embedkit.validate import check_texts

if TYPE_CHECKING:
    from embedkit.types import Vectors

TEMPLATES = ("{label}", "This text is about {label}.")
"""What labels are put into where nothing else is said."""
PLACE = "{label}"


def zero_shot(
    labels: Sequence[str] | Mapping[str, str | Sequence[str]],
    *,
    template: str | Sequence[str] = TEMPLATES,
    embedder: str | Embedder = "minilm",
    unlabelled: Sequence[str] | None = None,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> Classifier:
    """Return a classifier for labels that are described rather than shown by examples.

    It predicts, is saved and loaded as any other. How often it is right, no figure can tell without
    labelled texts: measure it with some (``embedkit classify evaluate``) before you trust it. Its
    probabilities are not calibrated.

    Parameters
    ----------
    labels : sequence of str, or mapping of str to str or sequence of str
        The labels, which speak for themselves; or each with one or several descriptions.
    template : str or sequence of str
        What a description is put into in place of ``{label}``, such as ``"A {label} review."``;
        the vectors of several are averaged. Underscores of labels that speak for themselves are
        read as blanks.
    embedder : str or Embedder
    unlabelled : sequence of str, optional
        Texts of the kind that is to be classified, some dozens or more. No label is then given more
        often just because its description is near to everything; that is right where all labels are
        about as frequent. They also tell texts that are unlike all of them.
    home : str or Path, optional
        Whose vector cache is used.
    progress : callable, optional
        Called with (what, done, total).

    Raises
    ------
    InvalidInputError
        Fewer than two labels, one without a description, two described alike, or a template
        without ``{label}``.

    Examples
    --------
    >>> topics = embedkit.zero_shot(["refund", "delivery", "lost card"])  # doctest: +SKIP
    >>> topics.predict(["where is my parcel?"])                     # doctest: +SKIP
    array(['delivery'], dtype='<U9')
    """
    described = _described(labels)
    templates = _templates(template)
    folder = catalog.resolve_home(home)
    opened = open_embedder(embedder, folder)
    prompts, targets = _prompts(described, templates)
    vectors = embed_for(opened, prompts, folder, progress=progress)
    head = ZeroShotHead()
    head.fit(Inputs(prompts, vectors), targets, len(described))
    _refuse_alike(list(described), vectors, targets)
    scope = None
    if unlabelled is not None:
        texts = check_texts(unlabelled)
        if len(set(texts)) < 2:
            raise InvalidInputError(
                f"expected at least two unlabelled texts, got {len(set(texts))}",
                do="add some, or leave them out",
            )
        seen = embed_for(opened, texts, folder, progress=progress)
        head.even_out(seen)
        scope = Scope()
        scope.fit(seen)
    spec = embedder if isinstance(embedder, str) else OBJECT
    fitted = Fitted(
        LabelSet(list(described)),
        head,
        "zeroshot",
        Calibrator.as_they_are(len(described)),
        scope,
        _report(list(described), prompts, unlabelled is not None),
    )
    return Classifier(
        fitted,
        Model.of(opened, spec),
        embedder=None if isinstance(embedder, str) else embedder,
        home=folder,
    )


def _described(
    labels: Sequence[str] | Mapping[str, str | Sequence[str]],
) -> dict[str, list[str]]:
    """Return the descriptions of each label."""
    if isinstance(labels, str):
        raise InvalidInputError(
            "expected a list of labels, got one text", do="write ['refund', 'delivery']"
        )
    found: dict[str, list[str]] = {}
    for label in labels:
        if not isinstance(label, str) or not label.strip():
            raise InvalidInputError(f"expected labels that are words, got {label!r}")
        if label in found:
            raise InvalidInputError(f"expected each label once, got {label!r} twice")
        given = labels[label] if isinstance(labels, Mapping) else label.replace("_", " ")
        texts = [given] if isinstance(given, str) else list(given)
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise InvalidInputError(f"expected a description of {label!r}, got {given!r}")
        found[label] = texts
    if len(found) < 2:
        raise InvalidInputError(f"expected at least two labels, got {len(found)}")
    return found


def _templates(template: str | Sequence[str]) -> list[str]:
    listed = [template] if isinstance(template, str) else list(template)
    for each in listed:
        if not isinstance(each, str) or PLACE not in each:
            raise InvalidInputError(
                f"expected a template with {PLACE}, got {each!r}",
                do=f"write one such as 'This text is about {PLACE}.'",
            )
    if not listed:
        raise InvalidInputError("expected a template, got none")
    return listed


def _prompts(
    described: Mapping[str, Sequence[str]], templates: Sequence[str]
) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    prompts, targets = [], []
    for number, texts in enumerate(described.values()):
        for text in texts:
            prompts += [each.replace(PLACE, text) for each in templates]
            targets += [number] * len(templates)
    return prompts, np.array(targets, np.int64)


def _refuse_alike(
    labels: list[str], vectors: Vectors, targets: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> None:
    """Refuse two labels whose descriptions mean the same to the model."""
    means = np.stack([vectors[targets == number].mean(axis=0) for number in range(len(labels))])
    for number in range(1, len(labels)):
        apart = np.abs(means[:number] - means[number]).max(axis=1)
        if apart.min() < 1e-6:
            twin = labels[int(apart.argmin())]
            raise InvalidInputError(
                f"expected labels that differ in meaning, but the model makes no difference "
                f"between {twin!r} and {labels[number]!r}",
                do="describe them in other words",
            )


def _report(labels: list[str], prompts: list[str], evened: bool) -> TrainingReport:
    from embedkit import __version__

    notes = [
        f"learned from {len(prompts)} descriptions of {len(labels)} labels and no labelled text: "
        "how often it is right is not known",
        "the probabilities are not calibrated",
    ]
    if evened:
        notes.append("unlabelled texts made all labels about as frequent")
    return TrainingReport(
        rows=0,
        counts=dict.fromkeys(labels, 0),
        head="zeroshot",
        notes=tuple(notes),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
    )
