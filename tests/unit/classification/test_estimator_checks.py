"""scikit-learn's own checks of an estimator, over rows of numbers told in words."""

from __future__ import annotations

import functools
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator
from sklearn.utils.validation import check_is_fitted, validate_data

from embedkit import TextClassifier
from embedkit.embedders.hashing import HashingEmbedder

HOME = tempfile.mkdtemp(prefix="embedkit-checks-")
EXCUSED = {
    # A row that counts twice is in one fold of the cross-validation that calibrates, two equal
    # rows may be in two: scikit-learn's CalibratedClassifierCV is excused for the same reason.
    "check_sample_weight_equivalence_on_dense_data",
    # Texts are no arrays that a GPU could hold, and decisions are told as probabilities.
    "check_array_api_input",
    "check_classifiers_multilabel_output_format_decision_function",
}


class Told(TextClassifier):
    """Takes rows of numbers, as scikit-learn's checks have them, and classifies what tells them."""

    def __init__(
        self,
        embedder: str | HashingEmbedder = "hashing?dim=32",
        head: str = "logreg",
        *,
        task: Any = None,
        order: Any = None,
        class_weight: Any = None,
        folds: int = 2,
        budget: float = 1.0,
        keep_examples: bool = True,
        home: str = HOME,
        random_state: int = 0,
    ) -> None:
        super().__init__(
            embedder,
            head,
            task=task,
            order=order,
            class_weight=class_weight,
            folds=folds,
            budget=budget,
            keep_examples=keep_examples,
            home=home,
            random_state=random_state,
        )

    def _tell(self, rows: Any, *, reset: bool) -> list[str]:
        checked = validate_data(self, rows, reset=reset)
        steps = np.rint(np.asarray(checked, np.float64) * 4).astype(int)
        return [
            " ".join(f"c{i}{'p' if v > 0 else 'm'}{abs(v)}" for i, v in enumerate(row))
            for row in steps
        ]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Told:  # noqa: N803
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        told = X if isinstance(X, list) and isinstance(X[0], str) else self._tell(X, reset=True)
        super().fit(told, y, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Told:  # noqa: N803
        super().partial_fit(self._tell(X, reset=not hasattr(self, "classifier_")), y, classes)
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        check_is_fitted(self)
        return super().predict(self._tell(X, reset=False))

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        check_is_fitted(self)
        return super().predict_proba(self._tell(X, reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = False
        tags.input_tags.string = False
        tags.classifier_tags.poor_score = True
        return tags


def name_of(check: Any) -> str:
    return str(getattr(check, "func", check).__name__) if callable(check) else str(check)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    CHECKS = [(e, c) for e, c in estimator_checks_generator(Told()) if name_of(c) not in EXCUSED]


def test_scikit_learn_has_many_checks() -> None:
    assert len(CHECKS) > 50


@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=[name_of(c) for _, c in CHECKS])
@pytest.mark.filterwarnings("ignore")
def test_check(estimator: Told, check: Callable[[Any], None] | functools.partial[None]) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore")
def test_the_classifier_itself_is_an_estimator_of_texts() -> None:
    check_estimator(TextClassifier("hashing", head="logreg", home=HOME))
