from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from embedkit.classification.heads.knn import NeighborsHead
from embedkit.classification.inputs import Inputs
from embedkit.errors import InvalidInputError


def inputs_of(values: np.ndarray) -> Inputs:
    values = values / np.linalg.norm(values, axis=1, keepdims=True)
    return Inputs([""] * len(values), values.astype(np.float32))


@pytest.fixture
def inputs() -> Inputs:
    return inputs_of(np.random.default_rng(0).standard_normal((300, 6)))


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_agrees_with_scikit_learn(inputs: Inputs, weights: str) -> None:
    targets = np.random.default_rng(1).integers(0, 4, 300)
    queries = inputs_of(np.random.default_rng(2).standard_normal((500, 6)))
    head = NeighborsHead(k=7, weights=weights)  # type: ignore[arg-type]
    head.fit(inputs, targets, 4)
    scores = np.exp(head.scores(queries))
    # One vote more, split evenly over four classes.
    votes = scores * (7 + 1) - 1 / 4
    theirs = KNeighborsClassifier(n_neighbors=7, weights=weights).fit(inputs.vectors, targets)
    expected = theirs.predict_proba(queries.vectors)
    near = theirs.kneighbors(queries.vectors)[0].min(axis=1) > 0.1  # where nearness has no bound
    assert near.mean() > 0.5
    np.testing.assert_allclose((votes / 7)[near], expected[near], atol=1e-5)


def test_scores_are_logarithms_of_shares(inputs: Inputs) -> None:
    head = NeighborsHead(k=3)
    head.fit(inputs, np.arange(300) % 5, 5)
    np.testing.assert_allclose(np.exp(head.scores(inputs)).sum(axis=1), 1)


def test_a_copy_does_not_outvote_all_others() -> None:
    head = NeighborsHead(k=3)
    head.fit(inputs_of(np.array([[1, 0], [1, 0.02], [1, -0.02]])), np.array([0, 1, 1]), 2)
    assert head.scores(inputs_of(np.array([[1.0, 0.0]]))).argmax() == 1


def test_fewer_rows_than_neighbours(inputs: Inputs) -> None:
    head = NeighborsHead(k=50, weights="uniform")
    head.fit(inputs.take(np.arange(4)), np.array([0, 0, 0, 1]), 2)
    # Four votes of four, and one more that is split.
    np.testing.assert_allclose(np.exp(head.scores(inputs.take(np.arange(1)))), [[3.5 / 5, 1.5 / 5]])


def test_rows_one_at_a_time_are_copied_seldom(inputs: Inputs) -> None:
    head = NeighborsHead(k=1)
    head.fit(inputs.take(np.arange(1)), np.array([0]), 2)
    buffers = set()
    for i in range(1, 300):
        head.add(inputs.take(np.array([i])), np.array([i % 2]))
        buffers.add(id(head._vectors.base if head._vectors.base is not None else head._vectors))
    assert len(buffers) < 20
    assert (head.scores(inputs).argmax(axis=1) == np.arange(300) % 2).all()


def test_k_of_at_least_one() -> None:
    with pytest.raises(InvalidInputError, match="expected k of at least 1, got 0"):
        NeighborsHead(k=0)
