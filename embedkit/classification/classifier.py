"""A trained classifier: it predicts, explains itself, is saved and loaded. It never trains.

Nothing here imports scikit-learn, so that a prediction in a fresh process is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import catalog
from embedkit.classification import files
from embedkit.classification.embedding import Progress, embed_for, open_trained
from embedkit.classification.fitted import Examples, Fitted
from embedkit.classification.inputs import Inputs
from embedkit.classification.learning import learn
from embedkit.classification.predictions import Predictions
from embedkit.classification.references import reference_texts
from embedkit.embedders.base import Lazy, check_unicode
from embedkit.errors import InvalidInputError, UnsupportedOperationError
from embedkit.managed.addresses import refuse_foreign
from embedkit.protocols import Embedder
from embedkit.store.manifest import OBJECT, Model
from embedkit.types.classification import TrainingReport
from embedkit.validate import check_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types.explanations import Explanation, Portrait


class Classifier:
    """What was learned, with the embedder that it was learned with.

    Made by :class:`embedkit.TextClassifier` and by :func:`embedkit.classifier`.

    Parameters
    ----------
    fitted : Fitted
    model : Model
        What made the vectors.
    embedder : str, Embedder or None
        Default: what the model's spec names.
    home : str, Path or None
        Whose vector cache is used.
    examples : callable
        Returns the rows that were learned from, or None.
    """

    def __init__(
        self,
        fitted: Fitted,
        model: Model,
        *,
        embedder: str | Embedder | None = None,
        home: str | Path | None = None,
        examples: Callable[[], Examples | None] = lambda: None,
    ) -> None:
        self.fitted = fitted
        self.model = model
        self.home = catalog.resolve_home(home)
        self._given = embedder
        self._opened = Lazy(self._open)
        self._examples = Lazy(examples)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        embedder: str | Embedder | None = None,
        home: str | Path | None = None,
    ) -> Classifier:
        """Read a classifier that ``save`` wrote. No code of it is run.

        Parameters
        ----------
        embedder : str or Embedder, optional
            Default: the one that it was trained with, by name.

        Raises
        ------
        ClassifierNotFoundError, DamagedError, FormatVersionError
        """
        path = Path(folder)
        contents = files.load(path)
        return cls(
            contents.fitted,
            contents.model,
            embedder=embedder,
            home=home,
            examples=lambda: files.load_examples(path),
        )

    def save(self, folder: str | Path, *, keep_examples: bool = True) -> None:
        """Write it to a folder, in place of a classifier that is there.

        Parameters
        ----------
        keep_examples : bool
            Whether the texts learned from and their vectors go with it: explanations show them.
            Without them a classifier can be handed on, but a head that compares with rows, such as
            ``knn``, still holds their vectors, and ``prompted`` their texts.

        Raises
        ------
        StorageError, CollectionLockedError
        """
        examples = self.examples if keep_examples else None
        files.save(Path(folder), self.fitted, self.model, examples)

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, shape (n_labels,), in the order of the columns of probabilities."""
        return self.fitted.labels.array()

    @property
    def report(self) -> TrainingReport:
        """How it was trained, and what cross-validation says of it."""
        return self.fitted.report

    @property
    def examples(self) -> Examples | None:
        """The rows that it learned from; None where they were not kept."""
        return self._examples.get()

    @property
    def embedder(self) -> Embedder:
        """What makes its vectors.

        Raises
        ------
        ModelMismatchError
            The embedder that was given is another model.
        """
        return self._opened.get()

    def inputs(
        self, texts: Sequence[str], *, keep: bool = False, progress: Progress | None = None
    ) -> Inputs:
        """Return texts as the head sees them; they are embedded only where it reads vectors.

        Parameters
        ----------
        keep : bool
            Whether their vectors are kept in the home's cache: for texts that come again.
        """
        listed = check_unicode(check_texts(texts))
        if not self.reads_vectors:
            return Inputs.of_texts(listed)
        vectors = embed_for(self.embedder, listed, self.home, keep=keep, progress=progress)
        return Inputs(listed, vectors)

    @property
    def reads_vectors(self) -> bool:
        """Whether texts have to be embedded."""
        return self.model.dim > 0

    def predict(self, texts: Sequence[str]) -> NDArray[Any]:
        """Return the most probable label of each text, shape (n,); tuples of several labels."""
        return self.classify(texts).best()

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how probable each label is of each text, shape (n, n_labels)."""
        return self.fitted.probabilities(self.inputs(texts))

    def classify(
        self,
        texts: Sequence[str],
        *,
        abstain_below: float = 0.0,
        precision: float | None = None,
        coverage: float | None = None,
        scope_level: float = 0.0,
        progress: Progress | None = None,
    ) -> Predictions:
        """Return predictions that say also how sure they are.

        Parameters
        ----------
        texts : sequence of str
        abstain_below : float
            Give no label that is less probable than this.
        precision : float, optional
            Abstain as often as it takes for that share of the answers to be right, in (0, 1). The
            threshold comes from rows that were held out in training, and is 90 % sure.
        coverage : float, optional
            Give each text the set of labels that holds the true one that often, in (0, 1).
        scope_level : float
            Give no label to texts less typical than this: of 0.05, one in twenty texts like those
            trained on is turned away, and most of those that are unlike all of them.
        progress : callable, optional
            Called with (what, done, total).

        Raises
        ------
        InvalidInputError
            Texts that are no text, a number outside its bounds, or a precision that cannot be
            reached.
        ModelMismatchError
        """
        return self.classify_inputs(
            self.inputs(texts, progress=progress),
            abstain_below=abstain_below,
            precision=precision,
            coverage=coverage,
            scope_level=scope_level,
        )

    def classify_inputs(
        self,
        inputs: Inputs,
        *,
        abstain_below: float = 0.0,
        precision: float | None = None,
        coverage: float | None = None,
        scope_level: float = 0.0,
    ) -> Predictions:
        """Return predictions for texts whose vectors are there already."""
        for name, value in (("abstain_below", abstain_below), ("scope_level", scope_level)):
            if not 0 <= value <= 1:
                raise InvalidInputError(f"expected {name} to be from 0 to 1, got {value}")
        if precision is not None:
            abstain_below = max(abstain_below, self.threshold_for(precision))
        probabilities = self.fitted.probabilities(inputs)
        sets = None
        if coverage is not None:
            sets = self._held_out("sets").sets(probabilities, coverage)
        scope = self.fitted.scope
        return Predictions(
            self.fitted.labels,
            probabilities,
            None if scope is None else scope.typicality(inputs.vectors),
            abstain_below=abstain_below,
            scope_level=scope_level,
            sets=sets,
        )

    def learn(self, texts: Sequence[str], labels: Sequence[Any]) -> None:
        """Learn from rows more, without forgetting the others.

        The heads ``centroid`` and ``knn`` take them in at once; any other head, and any head that
        meets a label that it does not know, is trained again on the rows that were kept. Figures
        of cross-validation change only then. Save it to keep what it learned.

        Parameters
        ----------
        texts : sequence of str, length n
        labels : sequence, length n
            As those that it was trained on.

        Raises
        ------
        InvalidInputError, DimensionMismatchError
        UnsupportedOperationError
            The rows that it learned from are needed, and were not kept.
        """
        inputs = self.inputs(texts)
        self.fitted, examples = learn(
            self.fitted,
            self.examples,
            inputs,
            list(labels),
            spec=self.model.spec if self.reads_vectors and self.model.spec != OBJECT else None,
            references=lambda: embed_for(self.embedder, reference_texts(), self.home),
        )
        self._examples = Lazy(lambda: examples)

    def threshold_for(self, precision: float) -> float:
        """Return below which probability to abstain so that this share of the answers is right.

        Raises
        ------
        InvalidInputError
            It cannot be reached on the rows that were held out.
        """
        found = self._held_out("answers").abstain_for(precision)
        if found.threshold is None:
            raise InvalidInputError(str(found), do="ask for less, or train on more rows")
        return float(found.threshold)

    def _held_out(self, name: str) -> Any:
        learned = getattr(self.fitted, name)
        if learned is None:
            raise UnsupportedOperationError(
                "this classifier was made without labelled rows, so nothing could be held out",
                do="train one on labelled rows, or leave precision and coverage out",
            )
        return learned

    def explain(
        self,
        text: str,
        *,
        label: Any = None,
        against: Any = None,
        words: int = 32,
        neighbours: int = 5,
    ) -> Explanation:
        """Tell why a text has a label: its words, and the rows learned from that are nearest.

        Parameters
        ----------
        text : str
        label : optional
            Default: the most probable one.
        against : optional
            The label to hold it against. Default: the most probable of the others.
        words : int
            How many words are left out at most; at most ``words`` + 19 texts are embedded.
        neighbours : int

        Raises
        ------
        InvalidInputError
            An empty text, or a label that it does not know.
        """
        from embedkit.classification.explain import explain

        return explain(
            self.fitted,
            self.inputs,
            text,
            examples=self.examples,
            label=label,
            against=against,
            words=words,
            neighbours=neighbours,
        )

    def portraits(
        self, labels: Sequence[Any] | None = None, *, count: int = 5, words: int = 10
    ) -> list[Portrait]:
        """Return what labels look like: typical rows, borderline rows, and their words.

        Parameters
        ----------
        labels : sequence, optional
            Default: all.
        count : int
            Rows of each kind.
        words : int

        Raises
        ------
        InvalidInputError
            A label that it does not know; the nearest is offered.
        UnsupportedOperationError
            The rows learned from were not kept.
        """
        from embedkit.classification.likeness import portraits

        return portraits(self._kept(), self.fitted.labels, labels, count=count, words=words)

    def _kept(self) -> Examples:
        examples = self.examples
        if examples is None:
            raise UnsupportedOperationError(
                "the classifier was saved without the rows that it learned from",
                do="train it again, keeping them",
            )
        return examples

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model out: whoever unpickles it opens it anew, unless it was given."""
        return {
            "fitted": self.fitted,
            "model": self.model,
            "embedder": self._given,
            "home": self.home,
            "examples": self.examples,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        examples = state.pop("examples")
        self.__init__(**state, examples=lambda: examples)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"<Classifier {self.fitted.head_spec} on {self.model.spec}: {self.fitted.labels}>"

    def check_trusted(self) -> None:
        """Refuse to send a key to an address that only a file names.

        Raises
        ------
        CredentialsError
        """
        if self._given is None:
            refuse_foreign(self.model.spec, kind="classifier")
        check = getattr(self.fitted.head, "check_trusted", None)
        if check is not None:
            check()

    def _open(self) -> Embedder:
        return open_trained(self.model, self._given, self.home)
