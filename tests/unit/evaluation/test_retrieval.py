"""Metrics of rankings, worked out by hand."""

from __future__ import annotations

from math import log2

import pytest

from embedkit.errors import InvalidInputError
from embedkit.evaluation.retrieval import ndcg, overlap


def test_ndcg_worked_out_by_hand():
    # Gains 3, 0, 2 at ranks 1, 2, 3; best order 3, 2, 1.
    relevance = {"a": 3, "b": 2, "c": 1, "d": 0}
    dcg = 3 / 1 + 0 / log2(3) + 2 / 2
    ideal = 3 / 1 + 2 / log2(3) + 1 / 2
    assert ndcg(["a", "x", "b"], relevance) == pytest.approx(dcg / ideal)
    assert dcg / ideal == pytest.approx(0.84000, abs=1e-5)


def test_only_the_first_k_count_on_both_sides():
    relevance = {"a": 1, "b": 1, "c": 1}
    assert ndcg(["x", "a", "b", "c"], relevance, 2) == pytest.approx(
        (1 / log2(3)) / (1 + 1 / log2(3))
    )
    assert ndcg(["a", "b", "x"], relevance, 2) == 1


@pytest.mark.parametrize(
    ("ranking", "relevance", "expected"),
    [
        (["a", "b"], {"a": 2, "b": 1}, 1),
        (["b", "a"], {"a": 1}, 1 / log2(3)),
        (["x"], {"a": 1}, 0),
        ([], {"a": 1}, 0),
        (["a", "b"], {"a": -1, "b": 1}, 1 / log2(3)),
        (["a"], {}, None),
        (["a"], {"a": 0}, None),
    ],
)
def test_ndcg_at_the_edges(ranking, relevance, expected):
    found = ndcg(ranking, relevance)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_a_k_that_cannot_be_meant_is_refused():
    with pytest.raises(InvalidInputError):
        ndcg(["a"], {"a": 1}, 0)


def test_overlap():
    assert overlap([1, 2, 3, 4], [4, 9, 8, 1]) == 0.5
    assert overlap([], []) == 1
    assert overlap([1], []) == 0
    assert overlap([1], [1, 2]) == 0.5
