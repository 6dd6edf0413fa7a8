"""The classifier as an estimator of scikit-learn: it trains, and hands on to what it trained."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import DataConversionWarning

from embedkit import catalog
from embedkit.classification.classifier import Classifier
from embedkit.classification.embedding import Progress, embed_for, open_embedder
from embedkit.classification.few import FEW_READ, FEW_ROWS
from embedkit.classification.fitted import make_head
from embedkit.classification.inputs import Inputs
from embedkit.classification.predictions import Predictions
from embedkit.classification.references import reference_texts
from embedkit.classification.training import AUTO, Recipe, Rows, fit, usable
from embedkit.embedders.base import check_unicode
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError
from embedkit.protocols import Embedder
from embedkit.registry import Spec
from embedkit.store.manifest import OBJECT, Model
from embedkit.types.classification import Task, TrainingReport
from embedkit.validate import check_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types.explanations import ExampleRow, Explanation

NO_MODEL = Model("", "", 0)
"""Of a classifier that reads no vectors."""


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifies texts by their embeddings, and by their words where that helps.

    An estimator of scikit-learn over texts: it can be cloned, pickled, cross-validated, tuned by
    grid search and put at the end of a pipeline. To hand a classifier on, ``save`` it: unlike a
    pickle, what is loaded runs no code.

    Parameters
    ----------
    embedder : str or Embedder
        A spec such as ``"minilm"`` or an embedder of your own.
    head : str
        What decides: a spec such as ``"logreg?C=3"``, ``"rbf"`` or ``"joined"``. ``"auto"`` chooses
        by cross-validation.
    task : {"single", "multi", "ordered"}, optional
        One label a text, any number of them, or labels with an order. Default: as the labels are.
    order : sequence of labels, optional
        From low to high; makes the task ``"ordered"``.
    class_weight : dict, "balanced" or None
        How much the rows of each label count, 1 where it is not in the dict; balanced: inversely to
        how frequent the label is.
    folds : int
        Of cross-validation.
    budget : float
        Seconds for choosing a head.
    keep_examples : bool
        Whether the rows learned from are kept, to explain labels by.
    home : str or Path, optional
        Whose vector cache is used, so that training again embeds nothing. Default: as everywhere.
    random_state : int
        Equal ones train equal classifiers.

    Attributes
    ----------
    classes_ : array, shape (n_labels,)
    classifier_ : Classifier
        What was learned.
    report_ : TrainingReport
        Which heads were tried, and what cross-validation says of them.

    Examples
    --------
    >>> texts = ["my card is lost", "card stolen", "where is my parcel", "parcel late"]
    >>> labels = ["card", "card", "parcel", "parcel"]
    >>> classifier = embedkit.TextClassifier("hashing", head="logreg").fit(texts, labels)
    >>> classifier.predict(["the parcel is not here"])
    array(['parcel'], dtype='<U6')
    """

    def __init__(
        self,
        embedder: str | Embedder = "minilm",
        head: str = AUTO,
        *,
        task: Task | None = None,
        order: Sequence[Any] | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        folds: int = 5,
        budget: float = 15.0,
        keep_examples: bool = True,
        home: str | Path | None = None,
        random_state: int = 0,
    ) -> None:
        self.embedder = embedder
        self.head = head
        self.task = task
        self.order = order
        self.class_weight = class_weight
        self.folds = folds
        self.budget = budget
        self.keep_examples = keep_examples
        self.home = home
        self.random_state = random_state

    def fit(
        self,
        texts: Sequence[str],
        labels: Sequence[Any],
        sample_weight: Sequence[float] | None = None,
        *,
        out_of_scope: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> TextClassifier:
        """Learn from texts and their labels.

        Parameters
        ----------
        texts : sequence of str, length n
        labels : sequence, length n
            A label each; a list, tuple or set of labels each, or an indicator matrix, where a text
            may have any number. Rows without a label or a text are left out and counted in
            ``report_.set_aside``.
        sample_weight : sequence of float, length n, optional
            How much each row counts; one with 0 is left out.
        out_of_scope : sequence of str, optional
            Texts that no label is for, so that others like them are recognised. Without any, what
            is unlike all texts learned from is recognised all the same. A head that reads no
            vectors does not see them.
        progress : callable, optional
            Called with (what, done, total).

        Raises
        ------
        InvalidInputError
            Fewer than two labels, labels of several types, cells that are not text.
        UnknownBackendError, MissingDependencyError
            Of the embedder or the head.
        """
        listed = _listed(texts)
        weights = _weights(sample_weight, len(listed))
        rows = usable(listed, _labels(labels), weights, task=self.task, order=self.order)
        check_unicode(rows.texts)
        recipe = self._recipe(rows)
        home = catalog.resolve_home(self.home)
        inputs, model = self._embed(rows, home, progress)
        foreign = None
        if out_of_scope is not None and inputs.dim:
            asked = check_unicode(check_texts(_listed(out_of_scope)))
            foreign = embed_for(open_embedder(self.embedder, home), asked, home)
        from embedkit.finetuning.shelf import unseen_by

        fitted, examples = fit(
            rows,
            inputs,
            recipe,
            out_of_scope=foreign,
            unseen=unseen_by(self.embedder, rows.texts) if inputs.dim else None,
            told=_told(self.embedder, home) if inputs.dim else (),
        )
        kept = examples if self.keep_examples else None
        given = None if isinstance(self.embedder, str) else self.embedder
        self.classifier_ = Classifier(
            fitted, model, embedder=given, home=home, examples=lambda: kept
        )
        self.classes_ = self.classifier_.classes_
        return self

    def partial_fit(
        self, texts: Sequence[str], y: Sequence[Any], classes: Sequence[Any] | None = None
    ) -> TextClassifier:
        """Learn from rows more; see :meth:`Classifier.learn`. The first ones are learned by fit.

        Parameters
        ----------
        y : sequence, length n
            Their labels.
        classes : sequence, optional
            Passed over: a label that comes later is learned when it comes.
        """
        if not hasattr(self, "classifier_"):
            return self.fit(texts, y)
        self.classifier_.learn(_listed(texts), _labels(y))
        self.classes_ = self.classifier_.classes_
        return self

    def predict(self, texts: Sequence[str]) -> NDArray[Any]:
        """Return the most probable label of each text; of several, shape (n, n_labels) of 0 and 1.

        Raises
        ------
        NotFittedError, InvalidInputError
        """
        trained = self._trained()
        predictions = trained.classify(_listed(texts))
        if trained.fitted.labels.task == "multi":
            return predictions.targets.astype(np.int64)
        return predictions.best()

    def score(
        self,
        texts: Sequence[str],
        y: Sequence[Any],
        sample_weight: Sequence[float] | None = None,
    ) -> float:
        """Return the share of texts whose label, or all of whose labels, is predicted.

        Parameters
        ----------
        y : sequence, length n
            Labels as those that it was trained on.
        """
        known = self._trained().fitted.labels
        if known.task != "multi":
            return float(super().score(texts, y, sample_weight))
        right = (self.predict(texts) == known.encode(_labels(y))).all(axis=1)
        return float(np.average(right, weights=_weights(sample_weight, len(right))))

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how probable each label is of each text, shape (n, n_labels)."""
        return self._trained().predict_proba(_listed(texts))

    def classify(self, texts: Sequence[str], **options: Any) -> Predictions:
        """Return predictions that say also how sure they are; see :meth:`Classifier.classify`."""
        return self._trained().classify(_listed(texts), **options)

    def explain(self, text: str, **options: Any) -> Explanation:
        """Tell why a text has a label; see :meth:`Classifier.explain`."""
        return self._trained().explain(text, **options)

    def typical(self, label: Any, count: int = 5) -> tuple[ExampleRow, ...]:
        """Return rows in the middle of a label, sure and unlike each other."""
        return self._trained().portraits([label], count=count, words=0)[0].typical

    def borderline(self, label: Any, count: int = 5) -> tuple[ExampleRow, ...]:
        """Return the rows of a label that are nearest to another label."""
        return self._trained().portraits([label], count=count, words=0)[0].borderline

    @property
    def report_(self) -> TrainingReport:
        """How it was trained."""
        return self._trained().report

    def save(self, folder: str | Path) -> None:
        """Write what was learned to a folder; :meth:`load` reads it without running code of it."""
        self._trained().save(folder, keep_examples=self.keep_examples)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        embedder: str | Embedder | None = None,
        home: str | Path | None = None,
    ) -> TextClassifier:
        """Return a trained estimator from a folder, which can be fitted again.

        Raises
        ------
        ClassifierNotFoundError, DamagedError, FormatVersionError
        CredentialsError
            It names a service at an address that its key was not meant for.
        """
        trained = Classifier.load(folder, embedder=embedder, home=home)
        trained.check_trusted()
        fitted = trained.fitted
        made = cls(
            embedder or trained.model.spec, fitted.head_spec, task=fitted.labels.task, home=home
        )
        made.classifier_ = trained
        made.classes_ = trained.classes_
        return made

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that it takes texts."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.classifier_tags.multi_label = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "classifier_")

    def _trained(self) -> Classifier:
        if not hasattr(self, "classifier_"):
            raise NotFittedError("this TextClassifier has learned nothing yet", do="call fit")
        return self.classifier_

    def _recipe(self, rows: Rows) -> Recipe:
        given = self.class_weight
        if given is not None and given != "balanced" and not isinstance(given, Mapping):
            raise InvalidInputError(
                f"expected class_weight to be a dict, 'balanced' or None, got {given!r}"
            )
        if not isinstance(self.head, str):
            raise InvalidInputError(f"expected the spec of a head, got {self.head!r}")
        if not self.budget >= 0:
            raise InvalidInputError(f"expected a budget of at least 0 s, got {self.budget}")
        if self.folds < 2:
            raise InvalidInputError(f"expected at least 2 folds, got {self.folds}")
        weights = (
            given
            if given is None or given == "balanced"
            else {rows.labels.number(label): float(weight) for label, weight in given.items()}
        )
        return Recipe(self.head, self.folds, self.budget, weights, self.random_state)

    def _embed(self, rows: Rows, home: Path, progress: Progress | None) -> tuple[Inputs, Model]:
        texts = rows.texts
        reads = FEW_READ if self.head == AUTO else make_head(self.head, rows.labels.task).reads
        if "vectors" not in reads:
            return Inputs.of_texts(texts), NO_MODEL
        opened = open_embedder(self.embedder, home)
        vectors = embed_for(opened, texts, home, progress=progress)
        references = None
        if "references" in reads and len(texts) <= FEW_ROWS:
            references = embed_for(opened, reference_texts(), home)
        spec = self.embedder if isinstance(self.embedder, str) else OBJECT
        names = tuple(map(str, rows.labels.names))
        return Inputs(texts, vectors, references, names), Model.of(opened, spec)


def _listed(texts: Any) -> list[Any]:
    """Return texts as a list: a column of a data frame or an array is one too."""
    if isinstance(texts, str):
        raise InvalidInputError("expected a list of texts, got one text", do="write [text]")
    column = _column(texts)
    if getattr(column, "ndim", 1) != 1:
        raise InvalidInputError(
            f"expected texts, got an array of shape {column.shape}", do="pass one column of texts"
        )
    return column.tolist() if hasattr(column, "tolist") else list(column)


def _labels(labels: Any) -> Any:
    column = _column(labels)
    if isinstance(column, np.ndarray) and column.ndim == 2:
        if column.shape[1] > 1:
            return column
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. It is taken as one label "
            "for each text.",
            DataConversionWarning,
            stacklevel=3,
        )
        column = column.ravel()
    return column.tolist() if hasattr(column, "tolist") else list(column)


def _column(given: Any) -> Any:
    """Return what can be read as an array as one, anything else as it is."""
    return (
        np.asarray(given)
        if not hasattr(given, "__len__") and hasattr(given, "__array__")
        else given
    )


def _weights(given: Any, n: int) -> NDArray[np.float64] | None:
    if given is None:
        return None
    weights = np.asarray(given, np.float64)
    if weights.shape != (n,):
        raise DimensionMismatchError(
            f"expected a weight for each of {n} texts, got shape {weights.shape}"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InvalidInputError("expected finite weights of at least 0")
    if not weights.any():
        raise InvalidInputError("expected weights above zero, got all sample weights zero")
    return weights


def _told(embedder: str | Embedder, home: Path) -> tuple[str, ...]:
    """Return what a person should know of an embedder that learned from labels."""
    if isinstance(embedder, str):
        if Spec.parse(embedder).name != "adapter":
            return ()
        embedder = open_embedder(embedder, home)
    saved = getattr(embedder, "saved", None)
    if saved is None or saved.report.learned_from != "labels":
        return ()
    return (
        f"the adapter {saved.name!r} learned from labels: where they are those of these rows, "
        "probabilities and figures of cross-validation are too good to be true; the head "
        "'adapted' learns an adapter that cross-validation judges too",
    )
