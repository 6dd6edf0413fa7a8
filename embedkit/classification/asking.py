"""What is wanted of a classifier's predictions, wherever the texts come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.classification.columns import Shape
from embedkit.errors import InvalidInputError, UnsupportedOperationError

if TYPE_CHECKING:
    from embedkit.classification.classifier import Classifier
    from embedkit.classification.estimator import TextClassifier
    from embedkit.classification.inputs import Inputs
    from embedkit.classification.predictions import Predictions


def opened(classifier: str | Classifier | TextClassifier, home: Path) -> Classifier:
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


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted beside the label.

    Attributes
    ----------
    abstain_below : float
        Give no label that is less probable than this.
    precision : float or None
        Abstain as often as it takes for that share of the answers to be right.
    coverage : float or None
        Tell the set of labels that holds the true one that often.
    scope_level : float
        Give no label to texts less typical than this.
    top : int
        How many labels are told.
    """

    abstain_below: float = 0.0
    precision: float | None = None
    coverage: float | None = None
    scope_level: float = 0.0
    top: int = 1


class Asking:
    """A classifier with what is wanted of its predictions.

    Parameters
    ----------
    trained : Classifier
    wishes : Wishes

    Attributes
    ----------
    notes : tuple of str
        What a person should know.

    Raises
    ------
    InvalidInputError, UnsupportedOperationError
        What is wanted cannot be had of this classifier.
    """

    def __init__(self, trained: Classifier, wishes: Wishes) -> None:
        from embedkit.validate import check_k

        self.trained = trained
        labels = trained.fitted.labels
        multi = labels.task == "multi"
        if multi and wishes.top > 1:
            raise InvalidInputError(
                "expected one label a text where the next best are to be told",
                do="leave --labels out: this classifier gives all that apply",
            )
        if wishes.scope_level > 0 and trained.fitted.scope is None:
            raise UnsupportedOperationError(
                "this classifier has not learned which texts are like those it was trained on",
                do="train one on vectors, or leave the scope out",
            )
        least = wishes.abstain_below
        self.notes: tuple[str, ...] = ()
        if wishes.precision is not None:
            # Once, and not for each batch: it takes a search over all rows that were held out.
            least = max(least, trained.threshold_for(wishes.precision))
            self.notes = (f"no label below a probability of {least:.4f}: so that"
                          f" {wishes.precision:.0%} of the answers are right",)  # fmt: skip
        self._options: dict[str, Any] = {
            "abstain_below": least,
            "coverage": wishes.coverage,
            "scope_level": wishes.scope_level,
        }
        trained.classify([], **self._options)  # refuses at once what cannot be meant
        self.shape = Shape(
            kind=labels.kind,
            multi=multi,
            abstains=least > 0 or wishes.scope_level > 0,
            typicality=trained.fitted.scope is not None,
            scope=wishes.scope_level > 0,
            sets=wishes.coverage is not None,
            top=check_k(wishes.top, "labels"),
        )

    def ask(self, texts: Sequence[str]) -> Predictions:
        """Return predictions of texts."""
        return self.trained.classify(texts, **self._options)

    def ask_inputs(self, inputs: Inputs) -> Predictions:
        """Return predictions of texts whose vectors are there."""
        return self.trained.classify_inputs(inputs, **self._options)

    def unanswered(self) -> dict[int, str]:
        """Return which of the texts that were asked last got no answer, by place, and why.

        Only heads that ask a generator leave texts without one.
        """
        listed = getattr(self.trained.fitted.head, "unanswered", ())
        return {each.place: each.reason for each in listed}

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
