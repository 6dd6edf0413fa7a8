"""Maximal marginal relevance against a plain reading of its formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.retrieval.diversity import diverse
from embedkit.validate import normalize


def drawn(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    vectors = normalize(generator.normal(size=(n, 5)).astype(np.float32))
    return generator.random(n).astype(np.float32), vectors


def plain(scores: np.ndarray, vectors: np.ndarray, k: int, diversity: float) -> list[int]:
    """The formula of the paper, one pair at a time."""
    low, high = float(scores.min()), float(scores.max())
    relevance = [(float(s) - low) / (high - low) if high > low else 0.0 for s in scores]
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):
        best, best_gain = -1, -np.inf
        for i in range(len(scores)):
            if i in chosen:
                continue
            gain = relevance[i]
            if chosen:
                likest = max(float(vectors[i] @ vectors[j]) for j in chosen)
                gain = (1 - diversity) * relevance[i] - diversity * likest
            if gain > best_gain + 1e-7:
                best, best_gain = i, gain
        chosen.append(best)
    return chosen


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 12), st.floats(0, 1))
def test_it_is_the_formula(seed: int, n: int, k: int, diversity: float) -> None:
    scores, vectors = drawn(seed, n)
    assert diverse(scores, vectors, k, diversity) == plain(scores, vectors, k, diversity)


def test_none_is_the_order_of_the_scores() -> None:
    scores, vectors = drawn(1, 20)
    assert diverse(scores, vectors, 20, 0.0) == np.argsort(-scores, kind="stable").tolist()


def test_copies_are_passed_over_for_what_is_new() -> None:
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([0.9, 0.89, 0.88, 0.5], np.float32)
    assert diverse(scores, vectors, 2, 0.6) == [0, 3]
    assert diverse(scores, vectors, 2, 0.1) == [0, 1]


@pytest.mark.parametrize("k", [1, 5])
def test_of_nothing_nothing_is_chosen(k: int) -> None:
    assert diverse(np.empty(0, np.float32), np.empty((0, 3), np.float32), k, 0.5) == []
