"""What to label next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.audit.suggest import choose_next, distinct, far_from_all, margin
from embedkit.validate import normalize


def unit(*rows: tuple[float, ...]) -> np.ndarray:
    return normalize(np.array(rows, np.float32))


def test_unsure_rows_come_before_sure_ones() -> None:
    vectors = unit((1, 0, 0), (0, 1, 0), (1, 0, 0.1), (0, 0, 1))
    doubt = np.array([0.02, 1.0, 0.1, 0.9])
    chosen = choose_next(doubt, vectors, np.full(4, 0.5, np.float32), 2)
    assert chosen.places.tolist() == [1, 3]


def test_no_two_alike_while_others_are_left() -> None:
    vectors = unit((1, 0), (1, 0.01), (1, 0.02), (0, 1), (1, 1))
    chosen = choose_next(np.ones(5), vectors, np.zeros(5, np.float32), 3)
    assert len({0, 1, 2} & set(chosen.places.tolist())) == 1


def test_groups_unlike_all_labelled_rows_are_asked_once_the_largest_first() -> None:
    vectors = unit(*[(1, 0, 0)] * 6, *[(0, 1, 0)] * 4, (0, 0, 1))
    near = np.array([0.0] * 10 + [0.9], np.float32)
    chosen = choose_next(np.full(11, 0.5), vectors, near, 2)
    assert chosen.places[0] < 6
    assert 6 <= chosen.places[1] < 10
    assert chosen.stand_for.tolist() == [6, 4]


def worth(rows: list[int], doubt: np.ndarray, vectors: np.ndarray, near: np.ndarray) -> float:
    """What a choice is worth, by its definition."""
    covered = np.maximum(near, 0)
    for row in rows:
        covered = np.maximum(covered, vectors @ vectors[row])
    return float(doubt @ covered)


@given(st.integers(0, 1000), st.integers(1, 8), st.integers(1, 12))
def test_each_row_is_the_one_that_adds_most(seed: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = normalize(rng.normal(size=(n, 3)).astype(np.float32))
    near = rng.uniform(-0.2, 0.9, n).astype(np.float32)
    doubt = rng.random(n)
    chosen = choose_next(doubt, vectors, near, k).places.tolist()
    assert len(chosen) == len(set(chosen)) == min(k, n)
    for i, row in enumerate(chosen):
        before = chosen[:i]
        best = max(worth([*before, other], doubt, vectors, near) for other in range(n))
        assert worth([*before, row], doubt, vectors, near) == pytest.approx(best, abs=1e-5)


def test_margin_is_between_the_two_first() -> None:
    np.testing.assert_allclose(margin(np.array([[0.2, 0.7, 0.1], [0.4, 0.2, 0.4]])), [0.5, 0.0])


def test_texts_that_are_labelled_or_come_twice_are_passed_over() -> None:
    assert distinct(["A b", "new", "a  B!", "NEW?", "c"], ["a b"]).tolist() == [1, 4]


def test_far_is_what_few_labelled_rows_are() -> None:
    vectors = normalize(np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32))
    far = far_from_all(vectors, np.arange(500))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    assert 0 < (cosines.max(axis=1) < far).mean() <= 0.02
    assert far_from_all(vectors[:1], np.arange(1)) == -1
