"""Choosing sentences, against the formulas written out and against all sets of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from embedkit.generators.extracts.choosing import Length, by_cover, by_relevance
from embedkit.retrieval.diversity import diverse
from embedkit.validate import normalize

ONES = np.ones(12, np.int64)


def some(seed: int, n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    relevance = rng.random(n)
    relevance = (relevance - relevance.min()) / np.ptp(relevance)
    return relevance, normalize(rng.normal(size=(n, 5)).astype(np.float32))


@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_marginal_relevance_is_that_of_search(seed: int, diversity: float) -> None:
    relevance, vectors = some(seed)
    expected = diverse(relevance.astype(np.float32), vectors, 5, diversity)
    assert by_relevance(relevance, vectors, ONES, Length(5), diversity) == expected


def test_what_does_not_fit_is_passed_over() -> None:
    relevance = np.array([1.0, 0.9, 0.5, 0.0])
    vectors = np.eye(4, dtype=np.float32)
    words = np.array([6, 5, 4, 1])
    assert by_relevance(relevance, vectors, words, Length(9, 10), 0.0) == [0, 2]
    assert by_relevance(relevance, vectors, words, Length(9, 11), 0.0) == [0, 1]
    assert by_relevance(relevance, vectors, words, Length(9, 5), 0.0) == [1]
    assert by_relevance(relevance, vectors, words, Length(1, 99), 0.0) == [0]


@pytest.mark.parametrize("choose", [by_cover, lambda *given: by_relevance(*given, 0.3)])
def test_where_nothing_fits_the_best_is_taken(choose: object) -> None:
    relevance, vectors = some(0)
    words = np.full(12, 30)
    assert choose(relevance, vectors, words, Length(9, 5)) == [int(relevance.argmax())]  # type: ignore[operator]
    nothing = np.zeros(0)
    assert choose(nothing, np.zeros((0, 5), np.float32), nothing, Length(9, 5)) == []  # type: ignore[operator]


def cover(vectors: np.ndarray, chosen: tuple[int, ...]) -> float:
    likeness = np.clip(vectors @ vectors.T, 0, None)
    return float(likeness[:, list(chosen)].max(axis=1).sum())


@pytest.mark.parametrize("seed", range(5))
def test_cover_is_greedy_and_near_the_best_set(seed: int) -> None:
    relevance, vectors = some(seed)
    found = by_cover(relevance, vectors, ONES, Length(3))
    for step in range(3):
        before = tuple(found[:step])
        reached = max(cover(vectors, (*before, i)) for i in range(12) if i not in before)
        assert cover(vectors, (*before, found[step])) == pytest.approx(reached)
    best = max(cover(vectors, chosen) for chosen in combinations(range(12), 3))
    assert cover(vectors, tuple(found)) >= (1 - 1 / np.e) * best


def test_cover_keeps_to_the_words() -> None:
    relevance, vectors = some(3)
    words = np.arange(1, 13)
    assert words[by_cover(relevance, vectors, words, Length(99, 20))].sum() <= 20
