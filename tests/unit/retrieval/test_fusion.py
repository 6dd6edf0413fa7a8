"""Two lists in one: against the formulas, and what must hold of any fusion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.errors import InvalidInputError
from embedkit.retrieval.fusion import COVERED, Fused, ReciprocalRank, Weighted, fuse, parse
from embedkit.types import Neighbors


def listed(*rows: tuple[int, float], width: int | None = None) -> Neighbors:
    width = len(rows) if width is None else width
    keys, scores = np.full((1, width), -1, np.int64), np.full((1, width), -np.inf, np.float32)
    for i, (row, score) in enumerate(rows):
        keys[0, i], scores[0, i] = row, score
    return Neighbors(keys, scores)


DENSE = listed((3, 0.9), (1, 0.8), (2, 0.5))
LEXICAL = listed((2, 12.0), (7, 6.0), width=4)


def exact(_query: int, rows: np.ndarray) -> np.ndarray:
    return np.where(rows == 7, 0.3, 0.0).astype(np.float32)


def test_reciprocal_ranks_are_those_of_the_paper() -> None:
    fused = fuse(DENSE, LEXICAL, 5, ReciprocalRank(k=60, dense=0.5), exact)
    wanted = {3: 1 / 61, 1: 1 / 62, 2: 1 / 63 + 1 / 61, 7: 1 / 62}
    assert fused.keys[0].tolist() == [2, 3, 1, 7, -1]  # 1 before 7: it is more similar
    for row, score in zip(fused.keys[0][:4].tolist(), fused.scores[0], strict=False):
        assert score == pytest.approx(wanted[row] / 2)


def test_weighted_scores_are_the_sum_of_their_parts() -> None:
    fused = fuse(DENSE, LEXICAL, 5, Weighted(dense=0.7, norm="minmax"), exact)
    wanted = {3: 0.7, 1: 0.7 * 0.75, 2: 0.3, 7: 0.7 * -0.5 + 0.15}
    assert fused.keys[0].tolist() == [3, 1, 2, 7, -1]
    for place, row in enumerate(fused.keys[0][:4].tolist()):
        assert fused.scores[0, place] == pytest.approx(wanted[row], abs=1e-6)
        parts = fused.dense_part[0, place] + fused.lexical_part[0, place]
        assert fused.scores[0, place] == pytest.approx(parts)
    assert fused.scores[0, 4] == -np.inf


def test_deviations_are_from_the_mean_of_each_list() -> None:
    fused = fuse(DENSE, LEXICAL, 4, Weighted(dense=0.6), exact)
    near, words = np.array([0.9, 0.8, 0.5]), np.array([12.0, 6.0, 0.0])
    similar = {3: 0.9, 1: 0.8, 2: 0.5, 7: 0.3}
    shared = {3: 0.0, 1: 0.0, 2: 12.0, 7: 6.0}
    for place, row in enumerate(fused.keys[0].tolist()):
        dense = 0.6 * (similar[row] - near.mean()) / near.std()
        lexical = 0.4 * (shared[row] - words.mean()) / words.std()
        assert fused.dense_part[0, place] == pytest.approx(dense, abs=1e-5)
        assert fused.lexical_part[0, place] == pytest.approx(lexical, abs=1e-5)


def test_a_code_that_one_text_holds_comes_first() -> None:
    generator = np.random.default_rng(0)
    scores = np.sort(generator.normal(0.4, 0.1, 200).astype(np.float32))[::-1]
    dense = Neighbors(np.arange(200)[np.newaxis], scores[np.newaxis])
    fused = fuse(dense, listed((150, 9.0), width=200), 3, parse(None))
    assert fused.keys[0, 0] == 150


@pytest.mark.parametrize("norm", ["z", "minmax"])
def test_equal_scores_tell_nothing(norm: str) -> None:
    same = listed((4, 0.5), (1, 0.5), (9, 0.5))
    fused = fuse(same, listed((9, 3.0), (4, 1.0)), 3, parse(f"weighted?norm={norm}"))
    assert fused.keys[0].tolist() == [9, 4, 1]
    assert (fused.dense_part == 0).all()


def test_what_is_known_of_each_row_is_told() -> None:
    fused = fuse(DENSE, LEXICAL, 4, Weighted(), exact)
    at = fused.keys[0].tolist().index(7)
    assert fused.dense[0, at] == pytest.approx(0.3)
    assert (fused.dense_rank[0, at], fused.lexical_rank[0, at]) == (0, 2)
    at = fused.keys[0].tolist().index(3)
    assert np.isnan(fused.lexical[0, at])
    assert (fused.dense_rank[0, at], fused.lexical_rank[0, at]) == (1, 0)


def test_without_exact_scores_a_row_counts_as_the_last() -> None:
    fused = fuse(DENSE, LEXICAL, 4, Weighted(dense=0.5))
    at, last = (fused.keys[0].tolist().index(row) for row in (7, 2))
    assert fused.dense_part[0, at] == fused.dense_part[0, last]
    assert np.isnan(fused.dense[0, at])


@pytest.mark.parametrize("spec", ["rrf", "weighted"])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_whole_weight_is_one_list(spec: str, weight: float) -> None:
    fused = fuse(DENSE, LEXICAL, 5, parse(f"{spec}?dense={weight}"), exact)
    first = DENSE.keys[0].tolist() if weight else [2, 7]
    assert fused.keys[0].tolist()[: len(first)] == first


@pytest.mark.parametrize("spec", ["rrf", "weighted"])
def test_one_empty_list_leaves_the_other_as_it_is(spec: str) -> None:
    nothing = listed(width=3)
    assert fuse(DENSE, nothing, 3, parse(spec)).keys[0].tolist() == [3, 1, 2]
    assert fuse(nothing, LEXICAL, 2, parse(spec)).keys[0].tolist() == [2, 7]
    assert fuse(nothing, nothing, 2, parse(spec)).keys[0].tolist() == [-1, -1]


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["rrf", "rrf?k=1", "weighted", "weighted?norm=minmax"]),
)
def test_what_must_hold_of_any_fusion(seed: int, spec: str) -> None:
    dense, lexical, scores = drawn(seed)
    n = 12

    def missing(query: int, rows: np.ndarray) -> np.ndarray:
        return scores[query, rows]

    fused = fuse(dense, lexical, n, parse(spec), missing)
    again = fuse(dense, lexical, n, parse(spec), missing)
    for query in range(2):
        rows = fused.keys[query][fused.keys[query] >= 0]
        union = set(dense.keys[query].tolist()) | set(lexical.keys[query].tolist()) - {-1}
        assert len(set(rows.tolist())) == len(rows) == min(n, len(union - {-1}))
        assert set(rows.tolist()) <= union
        assert (np.diff(fused.scores[query][: len(rows)]) <= 0).all()
        np.testing.assert_allclose(fused.dense[query][: len(rows)], scores[query, rows], rtol=1e-6)
    np.testing.assert_array_equal(fused.keys, again.keys)
    _a_row_ahead_in_both_lists_is_ahead(fused)


def _a_row_ahead_in_both_lists_is_ahead(fused: Fused) -> None:
    for query in range(len(fused.keys)):
        rows = fused.keys[query]
        dense, lexical = fused.dense_rank[query], fused.lexical_rank[query]
        both = [i for i in range(len(rows)) if rows[i] >= 0 and dense[i] and lexical[i]]
        for i in both:
            for j in both:
                if dense[i] < dense[j] and lexical[i] < lexical[j]:
                    assert fused.scores[query, i] >= fused.scores[query, j] - 1e-6


def drawn(seed: int) -> tuple[Neighbors, Neighbors, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores = generator.random((2, 30)).astype(np.float32)
    words = generator.random((2, 30)).astype(np.float32) * 9
    width = int(generator.integers(1, 10))
    lists = []
    for values in (scores, words):
        order = np.argsort(-values, axis=1, kind="stable")[:, :width]
        lists.append(Neighbors(order, np.take_along_axis(values, order, axis=1)))
    return lists[0], lists[1], scores


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rff", "did you mean 'rrf'"),
        ("wieghted", "did you mean 'weighted'"),
        ("rrf?kk=3", "did you mean 'k'"),
        ("weighted?dens=0.3", "did you mean 'dense'"),
        ("weighted?dense=much", "expected a number"),
        ("weighted?dense=1.5", "from 0 to 1"),
        ("weighted?dense=nan", "from 0 to 1"),
        ("weighted?norm=l2", "expected norm"),
        ("rrf?k=0", "expected k > 0"),
        ("rrf?k=inf", "expected k > 0"),
        ("rrf:60", "expected a fusion"),
        ("", "expected a spec"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused(spec: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse(spec)


def test_specs_are_read() -> None:
    assert parse("rrf?k=10&dense=0.6") == ReciprocalRank(k=10, dense=0.6)
    assert parse(None) == parse("weighted") == Weighted()


def test_lists_of_other_queries_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="as many queries"):
        fuse(
            DENSE,
            Neighbors(np.zeros((2, 1), np.int64), np.zeros((2, 1), np.float32)),
            3,
            Weighted(),
        )


def test_words_that_cover_little_of_the_query_count_the_less() -> None:
    dense = listed((1, 0.9), (2, 0.8), (3, 0.7))
    lexical = listed((3, 2.0))

    def parts(masses: list[float] | None) -> dict[int, float]:
        fused = fuse(dense, lexical, 3, Weighted(), None, masses)
        return dict(zip(fused.keys[0].tolist(), fused.lexical_part[0].tolist(), strict=True))

    whole = parts(None)
    assert parts([2.0 / COVERED]) == pytest.approx(whole)
    assert parts([20.0]) == pytest.approx(
        {row: part * 2.0 / (20.0 * COVERED) for row, part in whole.items()}
    )
