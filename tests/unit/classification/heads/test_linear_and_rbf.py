from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from embedkit.classification.heads.linear import SvmHead
from embedkit.classification.heads.majority import MajorityHead
from embedkit.classification.heads.rbf import RbfHead
from embedkit.classification.inputs import Inputs
from embedkit.testing.heads import head_case


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_rbf_is_the_recipe_of_scikit_learn(classes: int) -> None:
    inputs, targets = head_case(90)
    targets = (targets + np.arange(90)) % classes
    new, _ = head_case(40, seed=2)
    recipe = SVC(class_weight="balanced", decision_function_shape="ovo")
    theirs = make_pipeline(StandardScaler(), recipe)
    theirs.fit(inputs.vectors.astype(np.float64), targets)
    head = RbfHead()
    head.fit(inputs, targets, classes)
    duels = theirs.decision_function(new.vectors).reshape(len(new), -1)
    if classes == 2:  # scikit-learn tells how much the second is ahead
        duels = -duels
    wins = np.full((len(new), classes, classes), np.inf)
    for place, (one, other) in enumerate(combinations(range(classes), 2)):
        wins[:, one, other], wins[:, other, one] = duels[:, place], -duels[:, place]
    np.testing.assert_allclose(head.scores(new), wins.min(axis=2), atol=1e-5)
    # Where no class wins all its duels, votes are tied, and scikit-learn takes the first.
    winners = (wins > 0).all(axis=2)
    clear = winners.any(axis=1)
    assert clear.mean() > 0.7
    assert (winners[clear].argmax(axis=1) == theirs.predict(new.vectors)[clear]).all()
    assert (head.scores(new)[clear].argmax(axis=1) == winners[clear].argmax(axis=1)).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_svm_is_that_of_scikit_learn(classes: int) -> None:
    inputs, targets = head_case(90)
    targets = targets % classes
    head = SvmHead()
    head.fit(inputs, targets, classes)
    theirs = LinearSVC(dual=False, random_state=0).fit(inputs.vectors, targets)
    scores, expected = head.scores(inputs), theirs.decision_function(inputs.vectors)
    if classes == 2:
        scores = scores[:, 1] - scores[:, 0]
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_majority_is_how_frequent_classes_are() -> None:
    head = MajorityHead()
    head.fit(Inputs.of_texts([""] * 4), np.array([1, 1, 1, 0]), 3)
    (scores,) = head.scores(Inputs.of_texts(["anything"]))
    np.testing.assert_allclose(np.exp(scores), np.array([1.5, 3.5, 0.5]) / 5.5)
