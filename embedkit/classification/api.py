"""Classifiers by name: the functions of ``import embedkit`` that train, open, list and use them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit import catalog
from embedkit.classification import library
from embedkit.errors import EmbedkitError
from embedkit.types import ClassifierInfo, LabellingReport, Origin

if TYPE_CHECKING:
    from embedkit.classification.classifier import Classifier
    from embedkit.classification.estimator import TextClassifier
    from embedkit.classification.labelled import LabelledRows
    from embedkit.ingest.stage import Progress
    from embedkit.protocols import Embedder


def classifier(
    name: str, *, home: str | Path | None = None, embedder: str | Embedder | None = None
) -> Classifier:
    """Open a classifier that was trained under a name.

    Parameters
    ----------
    home : str or Path, optional
        The folder that holds it. Default: as for :func:`embedkit.open`.
    embedder : str or Embedder, optional
        Default: the one that it was trained with, by name.

    Raises
    ------
    ClassifierNotFoundError
        The nearest name is offered.
    ModelMismatchError
        When it is used: the embedder is another model.
    DamagedError, FormatVersionError

    Examples
    --------
    >>> topics = embedkit.classifier("topics")                      # doctest: +SKIP
    >>> topics.predict(["how do I get my money back?"])             # doctest: +SKIP
    """
    from embedkit.classification.classifier import Classifier

    folder = catalog.resolve_home(home)
    return Classifier.load(library.find(folder, name), embedder=embedder, home=folder)


def classifiers(home: str | Path | None = None) -> list[ClassifierInfo]:
    """Return what classifiers there are in a home, sorted by name; damaged ones are left out."""
    folder = catalog.resolve_home(home)
    found = []
    for name in library.names(folder):
        try:
            found.append(describe(folder, name))
        except EmbedkitError:
            continue
    return found


def describe(home: Path, name: str) -> ClassifierInfo:
    """Return what is known of a classifier.

    Raises
    ------
    ClassifierNotFoundError, DamagedError, FormatVersionError
    """
    from embedkit.classification.classifier import Classifier

    place = library.find(home, name)
    loaded = Classifier.load(place, home=home)
    held_out = loaded.fitted.answers
    return ClassifierInfo(
        name=name,
        path=str(place),
        task=loaded.fitted.labels.task,
        labels=loaded.report.counts,
        head=loaded.fitted.head_spec,
        embedder=loaded.model.spec,
        model_id=loaded.model.model_id,
        dim=loaded.model.dim,
        bytes=library.size(place),
        report=loaded.report,
        origin=library.read_origin(place),
        abstaining=() if held_out is None else tuple(cost.to_dict() for cost in held_out.costs()),
    )


def delete_classifier(name: str, *, home: str | Path | None = None) -> None:
    """Delete a classifier.

    Raises
    ------
    ClassifierNotFoundError
    """
    library.delete(catalog.resolve_home(home), name)


def train(
    source: Any,
    name: str,
    *,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    multi_label: bool = False,
    separator: str = ";",
    home: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ClassifierInfo:
    """Train a classifier on the labelled rows of a source, and keep it under a name.

    A classifier of that name is replaced when all is done.

    Parameters
    ----------
    source
        What :meth:`embedkit.Collection.index` takes.
    name : str
    text, label : optional
        The columns; found by themselves where that is safe.
    multi_label : bool
        Whether a row may have several labels.
    separator : str
        What stands between them, where they are not a list.
    progress : callable, optional
        Called with (what, done, total).
    **options
        Of :class:`embedkit.TextClassifier`: ``embedder``, ``head``, ``order``, ``budget``, …

    Raises
    ------
    SourceError, ColumnError, InvalidInputError, StorageError
    UnknownBackendError, MissingDependencyError
        Of the embedder or the head.

    Examples
    --------
    >>> embedkit.train("questions.csv", "topics", label="topic")    # doctest: +SKIP
    """
    from embedkit.classification.labelled import How, read_labelled

    folder = catalog.resolve_home(home)
    library.check_name(name)
    how = How(multi_label, separator)
    rows = read_labelled(source, text=text, label=label, how=how, progress=progress)
    return train_rows(rows, name, folder, progress=progress, **options)


def train_rows(
    rows: LabelledRows,
    name: str,
    home: Path,
    *,
    kind: str = "file",
    out_of_scope: Sequence[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ClassifierInfo:
    """Train a classifier on rows that were read, and keep it under a name.

    Parameters
    ----------
    kind : {"file", "collection"}
        Where the rows come from.
    out_of_scope : sequence of str, optional
        Texts that no label is for.

    Raises
    ------
    InvalidInputError, StorageError, UnknownBackendError, MissingDependencyError
    """
    from embedkit.classification.estimator import TextClassifier

    made = TextClassifier(home=home, **options)
    made.fit(rows.texts, rows.labels, out_of_scope=out_of_scope, progress=progress)
    return keep(made, name, home, origin_of(rows, kind))


def keep(
    trained: TextClassifier | Classifier, name: str, home: Path, origin: Origin | None = None
) -> ClassifierInfo:
    """Keep a trained classifier under a name, in place of what has that name."""

    def save(folder: Path) -> None:
        trained.save(folder)
        library.write_origin(folder, origin)

    library.store(home, name, save)
    return describe(home, name)


def origin_of(rows: LabelledRows, kind: str) -> Origin:
    """Return what is to be remembered of the rows that a classifier was trained on."""
    digest = hashlib.sha256()
    for pair in zip(rows.texts, rows.labels, strict=True):
        digest.update(json.dumps(pair, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return Origin(rows.source, kind, rows.text, rows.label, digest.hexdigest())


def classify(
    source: Any,
    out: str | Path,
    name: str,
    *,
    text: str | Sequence[str] | None = None,
    abstain_below: float = 0.0,
    precision: float | None = None,
    coverage: float | None = None,
    scope_level: float = 0.0,
    top: int = 1,
    prefix: str | None = None,
    format: str | None = None,
    force: bool = False,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> LabellingReport:
    """Copy a source with a label for each row, in bounded memory.

    Columns are added behind those of the source: ``label``, ``probability`` of the best label, and
    ``abstained``, with which there is no label.

    Parameters
    ----------
    source
        What :meth:`embedkit.Collection.index` takes.
    out : str or Path
        CSV, TSV, JSON Lines or Parquet by its suffix, also ``.gz``; ``"-"`` is standard output.
        The file appears when all is done.
    name : str
        The classifier.
    text : str or sequence of str, optional
        The column of the text. Default: the one that it was trained on, where it is there.
    abstain_below : float
        Give no label that is less probable than this.
    precision : float, optional
        Abstain as often as it takes for that share of the answers to be right; see
        :meth:`embedkit.Classifier.classify`.
    coverage : float, optional
        Add the set of labels that holds the true one that often, as ``label_set``.
    scope_level : float
        Give no label to texts less typical than this, such as 0.05.
    top : int
        How many labels to add, the most probable first.
    prefix : str, optional
        Stands before the names of the added columns. Default: nothing, or ``predicted_`` where the
        source has one of these names.
    format : {"csv", "tsv", "jsonl", "parquet"}, optional
        The format of ``out``, where its name does not say it.
    force : bool
        Write over a file that is there.
    progress : callable, optional
        Called with (what, done, total).

    Raises
    ------
    ClassifierNotFoundError, ModelMismatchError
    SourceError, ColumnError, InvalidInputError, StorageError
    CredentialsError
        The key of a managed embedder is missing or refused; nothing was read yet.

    Examples
    --------
    >>> embedkit.classify("new.csv", "labelled.csv", "topics")      # doctest: +SKIP
    """
    from embedkit.classification.asking import Asking, Wishes
    from embedkit.classification.stream import Labelling, format_for, write
    from embedkit.ingest.choose import split_columns
    from embedkit.pairs.dedupe import check_places
    from embedkit_connectors import open_source

    folder, place = catalog.resolve_home(home), str(out)
    wishes = Wishes(abstain_below, precision, coverage, scope_level, top)
    asking = Asking(classifier(name, home=folder), wishes)
    asking.check_access()
    opened = open_source(source)
    form = format_for(opened, place, format)
    check_places(opened, place, None, force=force)
    origin = library.read_origin(library.find(folder, name))
    labelling = Labelling(
        asking.ask,
        asking.shape,
        text=split_columns(text),
        likely=origin.text if origin is not None else (),
        prefix=prefix,
        unanswered=asking.unanswered,
    )
    labelling.tally.notes += asking.notes
    return write(opened, labelling, place, form, progress=progress)
