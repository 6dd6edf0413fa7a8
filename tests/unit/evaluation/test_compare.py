"""Two models on the same texts."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.evaluation.compare import Judge, Side, compare_by_queries, compare_by_records
from embedkit.validate import normalize


def unit(rng, n, dim=16):
    return normalize(rng.standard_normal((n, dim)).astype(np.float32))


def test_a_model_agrees_with_itself_wherever_its_rows_are(rng):
    vectors = unit(rng, 300)
    vectors[100:120] = vectors[99]  # equal scores must not look like disagreement
    shuffled = rng.permutation(400)[:300]
    matrix = unit(rng, 400)
    matrix[shuffled] = vectors
    found = compare_by_records(Side(vectors, np.arange(300)), Side(matrix, shuffled))
    assert found.overlap.mean == found.overlap.low == 1
    assert (found.overlap.n, found.by) == (200, "records")


def test_models_that_know_nothing_of_each_other_agree_by_chance(rng):
    rows = np.arange(1000)
    found = compare_by_records(Side(unit(rng, 1000), rows), Side(unit(rng, 1000, 24), rows))
    assert found.overlap.mean == pytest.approx(0.01, abs=0.01)


def test_the_record_itself_is_left_out():
    def on_a_circle(*degrees):
        angles = np.radians(degrees)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    old, new = on_a_circle(0, 10, 90), on_a_circle(0, 90, 10)
    found = compare_by_records(Side(old, np.arange(3)), Side(new, np.arange(3)))
    assert found.overlap.mean == 1, "of three texts, both others are always the nearest"
    assert compare_by_records(Side(old[:1], np.arange(1)), Side(new[:1], np.arange(1))).by == ""


def test_queries_and_their_judgements_worked_out_by_hand():
    eye = np.eye(4, dtype=np.float32)
    query = normalize(np.array([[4, 3, 2, 1]], np.float32))
    turned = normalize(np.array([[1, 2, 3, 4]], np.float32))
    rows = np.arange(4)
    judge = Judge(["q"], {"q": {"a": 1}}, lambda places: {p: ["abcd"[p]] for p in places})
    found = compare_by_queries(Side(eye, rows, query), Side(eye, rows, turned), judge)
    assert found.overlap.mean == 1, "all four are found, in whatever order"
    assert found.ndcg_old.mean == 1
    assert found.ndcg_new.mean == pytest.approx(1 / np.log2(5))
    unjudged = compare_by_queries(
        Side(eye, rows, query), Side(eye, rows, turned), Judge(["q"], {}, dict)
    )
    assert unjudged.ndcg_old is None
