from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.indexes import exact

SMALL = settings(max_examples=80, deadline=None, derandomize=True)


def oracle(
    queries: Any, vectors: Any, k: int, keep: Any, ties: Any = None
) -> tuple[list[list[int]], list[list[float]]]:
    """Pair by pair in float64, rounded once; ties by number."""
    rows, scores = [], []
    for query in queries.astype(np.float64):
        line = [
            (-np.float32(float(np.dot(query, vectors[row].astype(np.float64)))), tie, row)
            for row, tie in enumerate(np.arange(len(vectors)) if ties is None else ties)
            if keep[row]
        ]
        best = sorted(line)[:k]
        rows.append([row for _, _, row in best])
        scores.append([float(-score) for score, _, _ in best])
    return rows, scores


def whole_numbers(seed: int, n: int, dim: int) -> Any:
    """Few small whole numbers: many ties, and every order of summing gives the same."""
    return np.random.default_rng(seed).integers(-2, 3, (n, dim)).astype(np.float32)


@SMALL
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 60),
    dim=st.integers(1, 9),
    k=st.integers(1, 70),
    n_queries=st.integers(0, 4),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    how=st.sampled_from(["all", "mask", "rows", "slice"]),
    tied=st.booleans(),
)
def test_equals_brute_force(
    seed: int, n: int, dim: int, k: int, n_queries: int, share: float, how: str, tied: bool
) -> None:
    vectors, queries = whole_numbers(seed, n, dim), whole_numbers(seed + 1, n_queries, dim)
    rng = np.random.default_rng(seed)
    keep = np.ones(n, bool) if how == "all" else rng.random(n) < share
    if how == "slice":
        keep = (np.arange(n) >= n // 4) & (np.arange(n) < n // 4 + int(share * n))
    ties = rng.permutation(n) if tied else None
    rows, scores = exact.top_k(
        queries,
        vectors,
        k,
        rows=np.flatnonzero(keep) if how in ("rows", "slice") else None,
        mask=keep if how == "mask" else None,
        norms=np.linalg.norm(vectors, axis=1),
        ties=ties,
    )
    expected = oracle(queries, vectors, k, keep, ties)
    assert rows.tolist() == expected[0]
    assert scores.tolist() == expected[1]


@pytest.mark.parametrize("block", [1, 2**13, 2**22])
@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
def test_blocks_change_nothing(block: int, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "BLOCK_VALUES", block)
    vectors, queries = whole_numbers(1, 3000, 5), whole_numbers(2, 3, 5)
    keep = np.random.default_rng(3).random(3000) < share
    got = exact.top_k(queries, vectors, 40, mask=keep, norms=np.linalg.norm(vectors, axis=1))
    expected = oracle(queries, vectors, 40, keep)
    assert (got[0].tolist(), got[1].tolist()) == expected


def test_float_noise_loses_no_neighbour() -> None:
    """A thousand vectors that float32 can hardly tell apart."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal(300)
    vectors = (base + 1e-6 * rng.standard_normal((1000, 300))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = rng.standard_normal((3, 300)).astype(np.float32)
    rows, scores = exact.top_k(queries, vectors, 10)
    expected = oracle(queries, vectors, 10, np.ones(1000, bool))
    assert np.allclose(scores, expected[1], rtol=1e-7)
    assert rows.tolist() == expected[0]


def test_a_score_depends_on_its_pair_alone() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5000, 97)).astype(np.float32)
    queries = rng.standard_normal((70, 97)).astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1)
    together = exact.top_k(queries, vectors, 30, norms=norms)
    for i in range(0, 70, 9):
        alone = exact.top_k(queries[i : i + 1], vectors, 30, norms=norms)
        assert np.array_equal(together[0][i], alone[0][0])
        assert np.array_equal(together[1][i], alone[1][0])
        some = together[0][i : i + 1, 3:4]
        assert exact.score_rows(queries[i : i + 1], vectors, some)[0, 0] == together[1][i, 3]


def test_equal_vectors_have_equal_scores_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((2000, 33)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    at = [0, 7, 1023, 1024, 1999]
    vectors[at] = vectors[7]
    rows, scores = exact.top_k(vectors[7:8], vectors, 6)
    assert rows[0, :5].tolist() == at
    assert len(set(scores[0, :5].tolist())) == 1


def test_one_long_row_does_not_blur_the_others() -> None:
    """The margin follows each row's length: an outlier must not make all rows candidates."""
    vectors = whole_numbers(0, 4000, 8)
    vectors[17] *= 1e9
    norms = np.linalg.norm(vectors, axis=1)
    scan = exact._Scan(vectors, None, None, norms)
    assert len(exact._propose(whole_numbers(1, 1, 8), 5, scan)[0]) < 400


def test_empty_cells_have_no_score() -> None:
    vectors = np.eye(3, dtype=np.float32)
    scores = exact.score_rows(vectors[:1], vectors, np.array([[0, -1, 2]]))
    assert scores.tolist() == [[1.0, -np.inf, 0.0]]
    rows, ordered = exact.order(np.array([[-1, 2, 0]]), np.array([[-np.inf, 0, 0]], np.float32), 3)
    assert rows.tolist() == [[0, 2, -1]]
    assert ordered.tolist() == [[0.0, 0.0, -np.inf]]


def test_memory_stays_bounded(tmp_path: Path) -> None:
    shape = (60_000, 64)
    vectors = np.memmap(tmp_path / "v", np.float32, "w+", shape=shape)
    vectors[:] = np.random.default_rng(0).standard_normal(shape)
    matrix = vectors.view(np.ndarray)
    tracemalloc.start()
    exact.top_k(matrix[:1].copy(), matrix, 10, norms=np.full(60_000, 20, np.float32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < matrix.nbytes / 5
