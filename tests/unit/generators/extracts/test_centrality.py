"""LexRank against its definition, solved as a system of equations."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.generators.extracts.centrality import DAMPING, lexrank, stretch
from embedkit.validate import normalize


def by_equations(vectors: np.ndarray) -> np.ndarray:
    """Return the fixed point of p = (1 - d) / n + d p W, for a W without empty rows."""
    n = len(vectors)
    weights = np.clip(vectors.astype(np.float64) @ vectors.T, 0, None)
    np.fill_diagonal(weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    share = np.linalg.solve(np.eye(n) - DAMPING * weights.T, np.full(n, (1 - DAMPING) / n))
    return share * n


@pytest.mark.parametrize("n", [2, 3, 10, 60])
def test_it_is_the_fixed_point_of_the_walk(n: int) -> None:
    rng = np.random.default_rng(n)
    vectors = normalize((rng.normal(size=(n, 8)) + 1.0).astype(np.float32))
    np.testing.assert_allclose(lexrank(vectors), by_equations(vectors), atol=1e-6)


def test_the_middle_of_a_cluster_is_most_central_and_what_stands_alone_is_least() -> None:
    angles = np.radians([-20, 0, 20, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = lexrank(vectors)
    assert found.argmax() == 1
    assert found.argmin() == 3
    assert found.mean() == pytest.approx(1)


def test_one_sentence_and_equal_ones() -> None:
    one = np.ones((1, 1), np.float32)
    assert lexrank(one).tolist() == pytest.approx([1.0])
    assert lexrank(np.ones((4, 1), np.float32)).tolist() == pytest.approx([1.0] * 4)


def test_stretch() -> None:
    assert stretch(np.array([2.0, 4.0, 3.0])).tolist() == [0.0, 1.0, 0.5]
    assert stretch(np.array([2.0, 2.0])).tolist() == [0.0, 0.0]
    assert stretch(np.array([])).tolist() == []
