from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestCentroid

from embedkit.classification.heads.centroid import CentroidHead
from embedkit.classification.inputs import Inputs


def unit(*rows: list[float]) -> Inputs:
    values = np.array(rows, np.float64)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return Inputs([""] * len(values), values.astype(np.float32))


def test_agrees_with_scikit_learn() -> None:
    values = np.random.default_rng(0).standard_normal((200, 6))
    inputs = unit(*values.tolist())
    targets = np.random.default_rng(1).integers(0, 5, 200)
    head = CentroidHead()
    head.fit(inputs, targets, 5)
    theirs = NearestCentroid().fit(inputs.vectors, targets)
    assert (head.scores(inputs).argmax(axis=1) == theirs.predict(inputs.vectors)).all()


def test_scores_are_distances_up_to_a_constant() -> None:
    head = CentroidHead(scale=2)
    head.fit(unit([1, 0], [0, 1], [-1, 0]), np.array([0, 0, 1]), 2)
    # The means are (.5, .5) and (-1, 0); squared distances from (0, 1) are .5 and 2.
    (scores,) = head.scores(unit([0, 1]))
    assert np.isclose(scores[0] - scores[1], 2 * (2 - 0.5))


def test_weights_count_as_copies() -> None:
    inputs = unit([1, 0], [0, 1], [-1, -1])
    weighted, copied = CentroidHead(), CentroidHead()
    weighted.fit(inputs, np.array([0, 0, 1]), 2, weights=np.array([3.0, 1.0, 2.0]))
    copied.fit(inputs.take(np.array([0, 0, 0, 1, 2])), np.array([0, 0, 0, 0, 1]), 2)
    np.testing.assert_allclose(weighted.scores(inputs), copied.scores(inputs))
