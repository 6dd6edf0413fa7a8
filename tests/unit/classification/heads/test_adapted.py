"""A head whose adapter is learned with it."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit import registry
from embedkit.classification.crossfit import crossfit
from embedkit.classification.heads.adapted import AdaptedHead
from embedkit.classification.heads.knn import NeighborsHead
from embedkit.classification.inputs import Inputs
from embedkit.errors import InvalidInputError
from embedkit.validate import normalize


def rows(n: int, seed: int = 0) -> tuple[Inputs, np.ndarray]:
    """Return vectors of three classes that a few noisy components tell apart."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    vectors = rng.standard_normal((n, 20)) * ([1.0] * 4 + [1.6] * 16)
    vectors[:, :3] += 2 * np.eye(3)[targets]
    return Inputs([f"text {i}" for i in range(n)], normalize(vectors.astype(np.float32))), targets


def test_neighbours_are_better_on_moved_vectors_in_cross_validation() -> None:
    inputs, targets = rows(300)
    right = [
        (crossfit(make, inputs, targets, 3, folds=3, seed=0).argmax(axis=1) == targets).mean()
        for make in (NeighborsHead, AdaptedHead)
    ]
    assert right[1] > right[0] + 0.03


@pytest.mark.parametrize("inner", ["knn", "centroid", "logreg", "majority"])
def test_what_is_kept_scores_the_same(inner: str) -> None:
    inputs, targets = rows(90)
    head = registry.create("head", f"adapted?inner={inner}")
    head.fit(inputs, targets, 3)
    other = registry.create("head", f"adapted?inner={inner}")
    other.restore(head.state())
    np.testing.assert_allclose(other.scores(inputs), head.scores(inputs), atol=1e-6)


def test_one_class_and_absent_classes_are_taken() -> None:
    inputs, targets = rows(30)
    head = AdaptedHead()
    head.fit(inputs, targets * 0, 2)
    assert (head.scores(inputs).argmax(axis=1) == 0).all()
    other = AdaptedHead()
    other.restore(head.state())
    assert np.array_equal(other.scores(inputs), head.scores(inputs))
    head.fit(inputs, np.where(targets == 1, 3, 0), 5)
    assert set(head.scores(inputs).argmax(axis=1)) <= {0, 3}


def test_a_head_within_itself_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="another head"):
        AdaptedHead(inner="adapted")
