from __future__ import annotations

import numpy as np
import pytest

from embedkit.classification.labels import LabelSet
from embedkit.classification.predictions import Predictions, confidence

LABELS = LabelSet(["a", "b", "c"])
ROWS = np.array([[0.2, 0.7, 0.1], [0.5, 0.1, 0.4]])


def test_the_best_label_and_how_probable_it_is() -> None:
    found = Predictions(LABELS, ROWS)
    assert [(p.label, p.probability, p.why) for p in found] == [("b", 0.7, ""), ("a", 0.5, "")]
    assert found[0].probabilities == {"a": 0.2, "b": 0.7, "c": 0.1}
    assert found[-1] == found[1] == found[0:2][1]
    with pytest.raises(IndexError, match="among 2 predictions"):
        found[2]


def test_foreign_is_said_before_unsure() -> None:
    typical = np.array([0.01, 0.9])
    found = Predictions(LABELS, ROWS, typical, abstain_below=0.8, scope_level=0.05)
    assert [(p.label, p.best, p.why) for p in found] == [
        (None, "b", "scope"),
        (None, "a", "probability"),
    ]
    assert found.abstained.tolist() == [True, True]
    assert found.foreign.tolist() == [True, False]


def test_a_set_tells_the_most_probable_label_first() -> None:
    found = Predictions(LABELS, ROWS, sets=np.array([[1, 1, 0], [1, 0, 1]], bool))
    assert [p.labels for p in found] == [("b", "a"), ("a", "c")]


def test_several_labels_are_as_sure_as_all_decisions_together() -> None:
    several = LabelSet(["a", "b"], "multi")
    found = Predictions(several, np.array([[0.9, 0.2], [0.4, 0.3]]))
    assert [p.best for p in found] == [("a",), ()]
    np.testing.assert_allclose(found.confidence, [0.9 * 0.8, 0.6 * 0.7])
    assert confidence(np.empty((0, 2)), multi=True).shape == (0,)
