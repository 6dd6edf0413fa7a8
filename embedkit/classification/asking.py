"""What is wanted of a classifier's predictions, wherever the texts come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from embedkit.classification.classifier import Classifier
    from embedkit.classification.inputs import Inputs
    from embedkit.classification.predictions import Predictions


def opened(classifier: str | Classifier, home: Path) -> Classifier:
    """Return a classifier by its name in a home, or the one that was given.

    Raises
    ------
    ClassifierNotFoundError, InvalidInputError
    """
    from embedkit.classification.api import classifier as open_classifier
    from embedkit.classification.classifier import Classifier

    if isinstance(classifier, str):
        return open_classifier(classifier, home=home)
    trained = getattr(classifier, "classifier_", classifier)
    if not isinstance(trained, Classifier):
        raise InvalidInputError(
            f"expected the name of a classifier or one that was trained,"
            f" got {type(classifier).__name__}"
        )
    return trained


class Asking:
    """A classifier with what is wanted of its predictions.

    Parameters
    ----------
    abstain_below : float
        Give no label that is less probable than this.
    top : int
        How many labels are told.
    """

    def __init__(self, trained: Classifier, *, abstain_below: float = 0.0, top: int = 1) -> None:
        from embedkit.classification.columns import Shape
        from embedkit.validate import check_k

        self.trained = trained
        self._options: dict[str, Any] = {"abstain_below": abstain_below}
        labels = trained.fitted.labels
        multi = labels.task == "multi"
        if multi and top > 1:
            raise InvalidInputError(
                "expected one label a text where the next best are to be told",
                do="leave --labels out: this classifier gives all that apply",
            )
        tried = trained.classify([], **self._options)  # refuses at once what cannot be meant
        scoped = tried.typicality is not None
        self.shape = Shape(
            kind=labels.kind,
            multi=multi,
            abstains=abstain_below > 0 or scoped,
            scope=scoped,
            sets=tried.sets is not None,
            top=check_k(top, "labels"),
        )

    def ask(self, texts: Sequence[str]) -> Predictions:
        """Return predictions of texts."""
        return self.trained.classify(texts, **self._options)

    def ask_inputs(self, inputs: Inputs) -> Predictions:
        """Return predictions of texts whose vectors are there."""
        return self.trained.classify_inputs(inputs, **self._options)

    def column_types(self, name: str) -> dict[str, str]:
        """Return the metadata columns that hold the labels of records, and their SQL types."""
        kinds = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}
        label = "JSON" if self.shape.multi else kinds[self.shape.kind]
        return {name: label, f"{name}_probability": "DOUBLE", f"{name}_abstained": "BOOLEAN"}

    def check_access(self) -> None:
        """Refuse a missing key of a managed embedder before anything is read.

        Raises
        ------
        CredentialsError
        """
        if self.trained.reads_vectors:
            check = getattr(self.trained.embedder, "check_access", None)
            if check is not None:
                check()
