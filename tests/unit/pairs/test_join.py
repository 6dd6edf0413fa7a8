from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.errors import DimensionMismatchError, InvalidInputError
from embedkit.indexes.exact import top_k
from embedkit.pairs import join, near_pairs, order, sketch
from embedkit.pairs.join import Join, together
from embedkit.quantized import CodedMatrix, encode
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.types import Vectors

Triple = tuple[int, int, float]


def families(seed: int, n: int, dim: int, spread: float) -> Vectors:
    """Unit vectors of which many are near others, some equal, most energy in few directions."""
    random = np.random.default_rng(seed)
    scale = 0.85 ** np.arange(dim)
    centres = random.standard_normal((max(1, n // 4), dim)) * scale
    picked = random.integers(len(centres), size=n)
    near = centres[picked] + spread * random.standard_normal((n, dim)) * scale
    near[n // 2 :: 7] = near[: len(near[n // 2 :: 7])]
    return normalize(near.astype(np.float32))


def brute_force(vectors: Vectors, threshold: float) -> list[Triple]:
    """All pairs as the exact index scores them, best first."""
    vectors = normalize(vectors)  # as near_pairs does, which changes the last bits of some
    rows, scores = top_k(vectors, vectors, len(vectors))
    found = [
        (left, int(right), min(1.0, float(score)))
        for left in range(len(vectors))
        for right, score in zip(rows[left], scores[left], strict=True)
        if left < right and score >= np.float32(threshold)
    ]
    return sorted(found, key=lambda pair: (-pair[2], pair[0], pair[1]))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(0, 150),
    dim=st.integers(1, 90),
    spread=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    threshold=st.floats(0.01, 1),
    high=st.integers(1, 40),
    tried=st.sampled_from([2, 10_000]),
)
def test_finds_exactly_what_brute_force_finds(
    seed: int, n: int, dim: int, spread: float, threshold: float, high: int, tried: int
) -> None:
    vectors = families(seed, n, dim, spread)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(join, "HIGH", high)
        patch.setattr(join, "WIDE", 2 * high + 1)
        patch.setattr(join, "SCORED", 50)
        patch.setattr(join, "LOOKED_AT", 30)
        patch.setattr(sketch, "TRIED", tried)
        patch.setattr(sketch, "DEPTHS", (3, 8, 20))
        found = list(near_pairs(vectors, threshold))
    assert found == brute_force(vectors, threshold)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), dim=st.integers(50, 100))
def test_a_score_that_is_the_threshold_itself_counts(seed: int, dim: int) -> None:
    vectors = families(seed, 60, dim, 0.3)
    scores = sorted({pair[2] for pair in brute_force(vectors, 0.05)})
    for boundary in scores[:: max(1, len(scores) // 5)]:
        if boundary <= 1:
            found = list(near_pairs(vectors, boundary))
            assert found == brute_force(vectors, boundary)
            assert found[-1][2] == np.float32(boundary)


def test_sketches_are_used_and_lose_nothing() -> None:
    vectors = families(3, 3000, 128, 0.3)
    joined = Join(vectors, None, 0.9)
    assert not joined.whole
    assert joined.sketches.shape[1] < 128
    found = together(joined.pairs())
    expected = np.argwhere(
        np.triu(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 1) > 0.9
    )
    assert sorted(zip(found.left.tolist(), found.right.tolist(), strict=True)) == sorted(
        map(tuple, expected.tolist())
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), depth=st.integers(1, 30), size=st.floats(0, 1))
def test_a_sketch_never_bounds_too_low(seed: int, depth: int, size: float) -> None:
    vectors = families(seed, 80, 40, 0.2) * np.float32(size)
    directions = sketch._directions(vectors.astype(np.float64), depth)
    made = sketch.sketches(vectors, np.arange(80), sketch.Plan(directions, depth))
    exact = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    assert (made @ made.T >= exact - sketch.rounding(made.shape[1])).all()


def test_only_some_rows_are_joined() -> None:
    vectors = families(5, 80, 30, 0.1)
    rows = np.array([70, 3, 40, 11, 60])
    found = together(Join(vectors, rows, 0.05).pairs())
    named = {(int(rows[a]), int(rows[b])) for a, b in zip(found.left, found.right, strict=True)}
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    expected = {(a, b) for a, b in itertools.combinations(rows.tolist(), 2) if scores[a, b] >= 0.05}
    assert named == expected


def test_vectors_kept_as_8_bit_integers() -> None:
    vectors = families(9, 90, 64, 0.2)
    coded = CodedMatrix(encode(vectors, "int8"), "int8", 64)
    found = together(Join(coded, None, 0.8).pairs())
    assert len(found.left) == len(brute_force(coded[:], 0.8)) > 0


def test_equal_vectors_are_a_pair_and_scores_are_cosines() -> None:
    assert list(near_pairs([[3.0, 4.0], [6.0, 8.0], [4.0, -3.0]], 1.0)) == [(0, 1, 1.0)]
    found = list(near_pairs([[1, 0], [1, 1], [0, 1]], 0.5))
    assert [(left, right) for left, right, _ in found] == [(0, 1), (1, 2)]
    assert found[0][2] == pytest.approx(math.sqrt(0.5))


def test_none_and_one_vector_have_no_pair() -> None:
    assert list(near_pairs(np.empty((0, 8), np.float32))) == []
    assert list(near_pairs(np.ones((1, 8), np.float32))) == []


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_a_limit_keeps_the_best(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = families(2, 120, 20, spread)
    everything = list(near_pairs(vectors, 0.2))
    monkeypatch.setattr(order, "CHUNK", 5)
    monkeypatch.setattr(join, "HIGH", 9)
    monkeypatch.setattr(join, "WIDE", 13)
    for limit in (1, 7, len(everything), len(everything) + 5):
        assert list(near_pairs(vectors, 0.2, limit=limit)) == everything[:limit]


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, float("nan"), "0.9", True, None])
def test_a_threshold_that_is_no_cosine_is_refused(threshold: object) -> None:
    with pytest.raises(InvalidInputError, match="threshold"):
        near_pairs(np.eye(3), threshold)  # type: ignore[arg-type]


def test_what_is_no_matrix_is_refused() -> None:
    with pytest.raises(DimensionMismatchError):
        near_pairs(np.ones(3))
    with pytest.raises(InvalidInputError):
        near_pairs(np.eye(3), limit=0)
