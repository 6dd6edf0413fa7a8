"""What an adapter does to vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.adapters.adapter import Adapter
from embedkit.adapters.measuring import nearest_classes
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError
from embedkit.validate import normalize

DIM = 24
NOISE = np.array([1.0] * 7 + [1.8] * 13 + [0.0] * 4)


def clouds(n: int, classes: int, seed: int = 0) -> tuple[Any, Any]:
    """Return unit vectors whose class shows in a few components, under the noise of 20."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % classes
    centres = np.zeros((classes, DIM))
    centres[:, :6] = np.random.default_rng(99).standard_normal((classes, 6)) * 1.2
    centres[:, 6] = 3  # all of them speak of one thing
    vectors = centres[targets] + rng.standard_normal((n, DIM)) * NOISE
    return normalize(vectors.astype(np.float32)), targets


@pytest.fixture(scope="module")
def learned() -> Adapter:
    vectors, targets = clouds(600, 4)
    return Adapter().fit(vectors, targets)


def accuracy(adapter: Adapter | None) -> float:
    vectors, targets = clouds(600, 4)
    asked, truth = clouds(400, 4, seed=1)
    if adapter is not None:
        vectors, asked = adapter.apply(vectors), adapter.apply(asked)
    return float((nearest_classes(vectors, targets, 4, asked) == truth).mean())


def test_neighbours_of_new_vectors_are_more_often_of_their_class(learned: Adapter) -> None:
    assert accuracy(learned) > accuracy(None) + 0.05


def test_labels_that_mean_nothing_teach_nothing() -> None:
    vectors, _ = clouds(600, 4)
    chance = np.random.default_rng(5).integers(0, 4, 600)
    adapter = Adapter().fit(vectors[:400], chance[:400])
    moved = adapter.apply(vectors)
    right = nearest_classes(moved[:400], chance[:400], 4, moved[400:]) == chance[400:]
    assert right.mean() < 0.4


@settings(max_examples=25, deadline=None)
@given(n=st.integers(0, 40), seed=st.integers(0, 2**31), strength=st.floats(0, 1))
def test_what_comes_out_has_length_1(learned: Adapter, n: int, seed: int, strength: float) -> None:
    vectors = normalize(np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32))
    other = Adapter()
    other.restore(learned.state())
    other.strength = strength
    moved = other.apply(vectors)
    assert moved.shape == vectors.shape
    assert moved.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)


def test_with_no_strength_vectors_stay() -> None:
    vectors, targets = clouds(200, 3)
    adapter = Adapter(strength=0).fit(vectors, targets, rounds=2)
    np.testing.assert_allclose(adapter.apply(vectors), vectors, atol=1e-6)


def test_far_from_all_that_was_learned_vectors_stay(learned: Adapter) -> None:
    vectors, _ = clouds(50, 4)
    away = normalize(np.eye(DIM, dtype=np.float32)[20:] + 0.01 * vectors[:4])
    np.testing.assert_allclose(learned.apply(away), away, atol=1e-5)
    assert np.abs(learned.apply(vectors) - vectors).max() > 0.05


def test_more_keeping_moves_less() -> None:
    vectors, targets = clouds(400, 4)
    moved = [
        1 - np.einsum("ij,ij->i", Adapter(keep=keep).fit(vectors, targets).apply(vectors), vectors)
        for keep in (0.0, 1.0, 10.0)
    ]
    means = [float(one.mean()) for one in moved]
    assert means[0] > means[1] > means[2] > 0


def test_equal_seeds_learn_equal_adapters() -> None:
    vectors, targets = clouds(200, 3)
    first, second, other = (Adapter().fit(vectors, targets, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.apply(vectors), second.apply(vectors))
    assert not np.array_equal(first.apply(vectors), other.apply(vectors))


def test_what_is_kept_does_the_same(learned: Adapter) -> None:
    vectors, _ = clouds(100, 4)
    other = Adapter()
    other.restore(learned.state())
    assert np.array_equal(other.apply(vectors), learned.apply(vectors))


def test_each_vector_is_moved_by_itself(learned: Adapter) -> None:
    vectors, _ = clouds(100, 4)
    together = learned.apply(vectors)
    alone = np.concatenate([learned.apply(vectors[i : i + 1]) for i in range(100)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_rows_without_weight_are_not_learned_from() -> None:
    vectors, targets = clouds(200, 3)
    weights = np.ones(200)
    weights[::7] = 0
    spoiled = targets.copy()
    spoiled[::7] = (spoiled[::7] + 1) % 3
    first = Adapter().fit(vectors, targets, weights=weights, rounds=3)
    second = Adapter().fit(vectors, spoiled, weights=weights, rounds=3)
    assert np.array_equal(first.apply(vectors), second.apply(vectors))


def pairs(n: int, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Return pairs of which half share what a few components say, whatever the others say."""
    rng = np.random.default_rng(seed)
    meaning = rng.standard_normal((n, 6))
    left, right = rng.standard_normal((2, n, DIM))
    same = np.arange(n) % 2 == 0
    left[:, :6], right[:, :6] = meaning, np.where(same[:, None], meaning, rng.permutation(meaning))
    vectors = normalize(np.concatenate([left, right]).astype(np.float32))
    return vectors, np.arange(n), np.arange(n) + n, same


def test_pairs_that_mean_the_same_come_nearer_than_others() -> None:
    from embedkit.adapters.measuring import auc

    adapter = Adapter().fit_pairs(*pairs(800))
    vectors, left, right, same = pairs(400, seed=1)
    scores = []
    for moved in (vectors, adapter.apply(vectors)):
        scores.append(auc(np.einsum("ij,ij->i", moved[left], moved[right]), same))
    assert scores[1] > scores[0] + 0.03


def test_pairs_alone_are_enough() -> None:
    from embedkit.adapters.measuring import ndcg_of

    vectors, left, right, same = pairs(800)
    adapter = Adapter().fit_pairs(vectors, left[same], right[same])
    new, left, right, same = pairs(400, seed=1)
    meanings = np.arange(800)
    meanings[right[same]] = left[same]
    before, after = (ndcg_of(one, meanings, left[same]).mean() for one in (new, adapter.apply(new)))
    assert after > before + 0.03


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda v, t: Adapter(strength=2), InvalidInputError, "strength"),
        (lambda v, t: Adapter(keep=-1), InvalidInputError, "keep"),
        (lambda v, t: Adapter().apply(v), NotFittedError, "nothing yet"),
        (lambda v, t: Adapter().fit(v, t * 0), InvalidInputError, "one class"),
        (lambda v, t: Adapter().fit(v, t[1:]), DimensionMismatchError, "30 vectors"),
        (lambda v, t: Adapter().fit(v[:0], t[:0]), InvalidInputError, "none"),
        (lambda v, t: Adapter().fit(v * np.nan, t), InvalidInputError, "NaN"),
        (lambda v, t: Adapter().fit(v, t, weights=-np.ones(30)), InvalidInputError, "weight"),
        (
            lambda v, t: Adapter().fit_pairs(v, t, t + 1, np.zeros(30, bool)),
            InvalidInputError,
            "mean the same",
        ),
        (lambda v, t: Adapter().fit(v, t).apply(v[:, 1:]), DimensionMismatchError, "23"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call(*clouds(30, 3))
