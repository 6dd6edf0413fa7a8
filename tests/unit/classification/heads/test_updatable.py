"""Heads that take in single rows: as if the rows had been there from the start."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit import registry
from embedkit.classification.heads.updatable import UpdatableHead
from embedkit.classification.inputs import Inputs
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError

SPECS = ["centroid", "centroid?scale=3", "knn", "knn?k=1", "knn?k=3&weights=uniform"]


def make(spec: str) -> UpdatableHead:
    head: UpdatableHead = registry.create("head", spec)
    return head


def rows(n: int, dim: int = 8, seed: int = 0) -> Inputs:
    values = np.random.default_rng(seed).standard_normal((n, dim))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return Inputs([f"text {i}" for i in range(n)], values.astype(np.float32))


@pytest.fixture(params=SPECS)
def build(request: pytest.FixtureRequest) -> Callable[[], UpdatableHead]:
    return lambda: make(request.param)


@settings(max_examples=30, deadline=None)
@given(
    spec=st.sampled_from(SPECS),
    first=st.integers(1, 20),
    cuts=st.lists(st.integers(1, 5), max_size=6),
    seed=st.integers(0, 99),
)
def test_rows_added_later_count_as_those_fitted(
    spec: str, first: int, cuts: list[int], seed: int
) -> None:
    n = first + sum(cuts)
    inputs, queries = rows(n, seed=seed), rows(7, seed=seed + 100)
    generator = np.random.default_rng(seed)
    targets, weights = generator.integers(0, 3, n), generator.uniform(0.5, 2, n)
    whole, grown = make(spec), make(spec)
    whole.fit(inputs, targets, 3, weights=weights)
    some = np.arange(first)
    grown.fit(inputs.take(some), targets[some], 3, weights=weights[some])
    place = first
    for cut in cuts:
        some = np.arange(place, place + cut)
        grown.add(inputs.take(some), targets[some], weights=weights[some])
        place += cut
    np.testing.assert_allclose(grown.scores(queries), whole.scores(queries), atol=1e-9)


def test_a_class_more_may_come_later(build: Callable[[], UpdatableHead]) -> None:
    inputs, targets = rows(30), np.arange(30) % 3
    head = build()
    head.fit(inputs.take(np.flatnonzero(targets < 2)), targets[targets < 2], 2)
    assert head.scores(inputs).shape == (30, 2)
    new = np.flatnonzero(targets == 2)
    head.add(inputs.take(new), targets[new], n_classes=3)
    whole = build()
    whole.fit(inputs, targets, 3)
    np.testing.assert_allclose(head.scores(inputs), whole.scores(inputs), atol=1e-9)


def test_a_class_without_rows_is_never_the_likeliest(build: Callable[[], UpdatableHead]) -> None:
    head = build()
    head.fit(rows(12), np.arange(12) % 2, 4)
    assert set(head.scores(rows(50, seed=1)).argmax(axis=1)) == {0, 1}
    head.add(rows(0), np.empty(0, np.int64), n_classes=6)
    scores = head.scores(rows(50, seed=1))
    assert scores.shape == (50, 6)
    assert set(scores.argmax(axis=1)) == {0, 1}


def test_what_is_added_is_checked_and_changes_nothing(
    build: Callable[[], UpdatableHead],
) -> None:
    head = build()
    with pytest.raises(NotFittedError, match="call fit"):
        head.add(rows(1), np.zeros(1, np.int64))
    head.fit(rows(6), np.arange(6) % 2, 2)
    before = head.scores(rows(5))
    with pytest.raises(InvalidInputError, match=r"classes in \[0, 2\).*n_classes"):
        head.add(rows(1), np.array([2]))
    with pytest.raises(DimensionMismatchError, match="width 8, got 5"):
        head.add(rows(1, dim=5), np.array([1]))
    with pytest.raises(DimensionMismatchError, match="a class for each of 2 rows"):
        head.add(rows(2), np.array([1]))
    with pytest.raises(InvalidInputError, match="at least the 2 classes"):
        head.add(rows(1), np.array([0]), n_classes=1)
    np.testing.assert_array_equal(head.scores(rows(5)), before)


def test_a_restored_head_goes_on_learning(build: Callable[[], UpdatableHead]) -> None:
    inputs, targets = rows(20), np.arange(20) % 3
    head, copy = build(), build()
    head.fit(inputs.take(np.arange(12)), targets[:12], 3)
    copy.restore(head.state())
    np.testing.assert_allclose(copy.scores(inputs), head.scores(inputs), atol=1e-12)
    for each in (head, copy):
        each.add(inputs.take(np.arange(12, 20)), targets[12:])
    np.testing.assert_allclose(copy.scores(inputs), head.scores(inputs), atol=1e-12)
