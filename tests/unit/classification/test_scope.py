"""Texts that are unlike all that was learned from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from embedkit.classification import scope as module
from embedkit.classification.scope import Scope
from embedkit.classification.scope_shapes import ClassShapes
from embedkit.classification.state import State
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError
from embedkit.validate import normalize

DIM = 32


def world(n: int, seed: int = 0, *, classes: int = 8, other: bool = False) -> tuple[Any, Any]:
    """Vectors of classes of one world, or of another one, and their classes."""
    centres = np.random.default_rng(99 + other).standard_normal((classes, DIM))
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, n)
    vectors = centres[targets] + rng.standard_normal((n, DIM))
    return normalize(vectors.astype(np.float32)), targets


def fitted(*data: Any, **options: Any) -> Scope:
    scope = Scope()
    scope.fit(*data, **options)
    return scope


def auroc(inside: Any, outside: Any) -> float:
    truth = np.repeat([1, 0], [len(inside), len(outside)])
    return float(roc_auc_score(truth, np.concatenate([inside, outside])))


@pytest.mark.parametrize("n", [60, 300, 1500])
@pytest.mark.parametrize("level", [0.05, 0.2])
def test_false_alarms_are_as_many_as_the_level_says(n: int, level: float) -> None:
    seeds, fresh = 10, 400
    rates = [
        (fitted(*world(n, seed)).typicality(world(fresh, 1000 + seed)[0]) <= level).mean()
        for seed in range(seeds)
    ]
    # Drawing the rows and the fresh texts: four standard deviations of the mean over the seeds.
    doubt = 4 * np.sqrt(level * (1 - level) * (1 / n + 1 / fresh) / seeds)
    assert np.mean(rates) < level + doubt
    assert np.mean(rates) > level / 2 - doubt


def test_another_world_is_foreign() -> None:
    scope = fitted(*world(1500))
    inside, outside = (
        scope.typicality(world(500, 1)[0]),
        scope.typicality(world(500, 2, other=True)[0]),
    )
    assert auroc(inside, outside) > 0.95
    assert (outside <= 0.05).mean() > 0.8


def test_a_class_that_was_left_out_is_noticed_by_the_shapes_of_the_others() -> None:
    # All classes differ in a few directions, while texts vary in many: only the former count.
    rng = np.random.default_rng(0)
    centres = np.zeros((12, DIM))
    centres[:, :6] = rng.standard_normal((12, 6)) * 2
    spread = np.concatenate([np.full(6, 0.4), np.full(DIM - 6, 1.2)])

    def rows(n: int) -> tuple[Any, Any]:
        targets = rng.integers(0, 12, n)
        vectors = centres[targets] + rng.standard_normal((n, DIM)) * spread
        return normalize(vectors.astype(np.float32)), targets

    vectors, targets = rows(3000)
    known = targets < 9
    fresh, truth = rows(2000)
    told = fitted(vectors[known], targets[known]).typicality(fresh)
    without = fitted(vectors[known]).typicality(fresh)
    found = auroc(told[truth < 9], told[truth >= 9])
    assert found > 0.8
    assert found > auroc(without[truth < 9], without[truth >= 9]) + 0.05


def test_examples_of_what_is_foreign_sharpen_it_and_cost_no_false_alarms() -> None:
    rng = np.random.default_rng(5)
    noise, centres = 2.0, np.random.default_rng(99).standard_normal((8, DIM))

    def rows(n: int, classes: tuple[int, int]) -> tuple[Any, Any]:
        targets = rng.integers(*classes, n)
        vectors = centres[targets] + noise * rng.standard_normal((n, DIM))
        return normalize(vectors.astype(np.float32)), targets

    (vectors, targets), (inside, _) = rows(800, (0, 6)), rows(1000, (0, 6))
    foreign = rows(420, (6, 8))[0]
    plain, taught = fitted(vectors, targets), fitted(vectors, targets, out_of_scope=foreign[:20])
    before = auroc(plain.typicality(inside), plain.typicality(foreign[20:]))
    after = auroc(taught.typicality(inside), taught.typicality(foreign[20:]))
    assert after > before + 0.05
    alarms = (taught.typicality(inside) <= 0.05).mean()
    assert alarms < 0.05 + 4 * np.sqrt(0.0475 * (1 / 800 + 1 / 1000))


def test_memory_is_bounded_and_rows_that_were_not_compared_are_the_yardstick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REFERENCES", 300)
    monkeypatch.setattr(module, "PROBES", 400)
    monkeypatch.setattr(module, "SHAPED_ROWS", 1200)
    scope = fitted(*world(3000))
    assert scope.state().arrays["own/references"].shape == (300, DIM)
    assert scope.state().arrays["own/yardstick"].shape == (400,)
    assert scope.notes == ("texts are compared with 300 of 3,000 rows to tell their scope",)
    alarms = (scope.typicality(world(2000, 1)[0]) <= 0.1).mean()
    assert alarms == pytest.approx(0.1, abs=4 * np.sqrt(0.09 * (1 / 400 + 1 / 2000)))


def test_few_rows_say_what_they_cannot_say() -> None:
    scope = fitted(*world(10))
    assert scope.least == pytest.approx(1 / 11)
    assert scope.notes == ("10 rows are few: no text can have a typicality below 0.09",)
    assert scope.typicality(world(5, 1, other=True)[0]).min() >= scope.least


def test_rows_that_are_there_twice_count_once() -> None:
    vectors, targets = world(200)
    once = fitted(vectors, targets)
    twice = fitted(np.concatenate([vectors, vectors]), np.concatenate([targets, targets]))
    fresh = world(100, 1)[0]
    # Otherwise every row would have a copy as its neighbour, and every new text be foreign.
    assert twice.typicality(fresh) == pytest.approx(once.typicality(fresh))


def test_a_row_itself_is_typical() -> None:
    vectors, targets = world(500)
    assert np.median(fitted(vectors, targets).typicality(vectors)) > 0.5


def test_several_labels_a_row_are_learned_from_without_shapes() -> None:
    vectors, targets = world(1200)
    flags = np.eye(8, dtype=np.bool_)[targets]
    assert "shapes/square" not in fitted(vectors, flags).state().arrays
    assert "shapes/square" in fitted(vectors, targets).state().arrays


@pytest.mark.parametrize("n", [50, 1200])
@pytest.mark.parametrize("foreign", [False, True])
def test_state_brings_it_back(n: int, foreign: bool) -> None:
    given = world(30, 7, other=True)[0] if foreign else None
    scope = fitted(*world(n), out_of_scope=given)
    state, copy = scope.state(), Scope()
    copy.restore(State(json.loads(json.dumps(state.facts)), state.arrays))
    fresh = np.concatenate([world(100, 1)[0], world(100, 2, other=True)[0]])
    assert (copy.typicality(fresh) == scope.typicality(fresh)).all()
    assert copy.notes == scope.notes
    assert copy.least == scope.least


def test_equal_seeds_learn_equally() -> None:
    fresh = world(50, 1)[0]
    assert (fitted(*world(300)).typicality(fresh) == fitted(*world(300)).typicality(fresh)).all()


def test_the_distance_is_the_one_of_the_formula() -> None:
    vectors, targets = world(400, classes=3)
    shapes = ClassShapes.fit(vectors, targets)
    n, share = len(vectors), 0.3

    def inverse(rows: Any) -> Any:
        covariance = rows.T @ rows / n
        even = np.trace(covariance) / DIM * np.eye(DIM)
        return np.linalg.inv((1 - share) * covariance + share * even)

    x = vectors.astype(np.float64)
    means = np.stack([x[targets == k].mean(axis=0) for k in range(3)])
    within, around = inverse(x - means[targets]), inverse(x - x.mean(axis=0))
    fresh = world(20, 1, classes=3)[0].astype(np.float64)
    apart = fresh[:, None] - means
    nearest = np.einsum("ikd,de,ike->ik", apart, within, apart).min(axis=1)
    whole = fresh - x.mean(axis=0)
    expected = nearest - np.einsum("id,de,ie->i", whole, around, whole)
    assert shapes.closeness(fresh.astype(np.float32)) == pytest.approx(-expected, abs=1e-3)


def test_shapes_of_other_rows_are_those_without_the_fold() -> None:
    vectors, targets = world(200, classes=4)
    targets[0] = 4  # a class of one row, which its own fold leaves empty
    crossed = ClassShapes.crossed(vectors, targets, seed=0)
    folds = np.random.default_rng(0).permutation(200) % 10
    here = folds == folds[0]
    rest = np.unique(targets[~here], return_inverse=True)[1]
    shapes = ClassShapes.fit(vectors[~here], rest)
    assert crossed[here] == pytest.approx(shapes.closeness(vectors[here]), abs=1e-3)


def test_what_cannot_be_meant_is_refused() -> None:
    vectors, targets = world(50)
    with pytest.raises(NotFittedError, match="call fit"):
        Scope().typicality(vectors)
    with pytest.raises(NotFittedError, match="call fit"):
        Scope().state()
    with pytest.raises(InvalidInputError, match="at least two different texts, got 1"):
        fitted(np.repeat(vectors[:1], 5, axis=0))
    with pytest.raises(InvalidInputError, match="add rows, or use a head that reads vectors"):
        fitted(np.empty((5, 0), np.float32))
    with pytest.raises(InvalidInputError, match="expected the class of each of 50 rows"):
        fitted(vectors, targets[:10])
    with pytest.raises(DimensionMismatchError, match=r"shape \(n, 32\)"):
        fitted(vectors, targets).typicality(np.ones((2, 5), np.float32))
    with pytest.raises(DimensionMismatchError, match=r"shape \(n, 32\)"):
        fitted(vectors, targets, out_of_scope=np.ones((2, 5), np.float32))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 80), st.integers(1, 6), st.integers(0, 99))
def test_typicality_is_a_rank(n: int, classes: int, seed: int) -> None:
    vectors, targets = world(n, seed, classes=classes)
    scope = fitted(vectors, targets)
    told = scope.typicality(np.concatenate([vectors, world(20, seed + 1, other=True)[0]]))
    assert (told >= scope.least - 1e-12).all()
    assert (told <= 1).all()
    ranks = told * (n + 1)
    assert ranks == pytest.approx(np.round(ranks))


def test_no_texts_have_no_typicality() -> None:
    assert fitted(*world(50)).typicality(np.empty((0, DIM), np.float32)).shape == (0,)
