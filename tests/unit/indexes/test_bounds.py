from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.indexes.bounds import lower_bound, queries_needed, upper_bound

recalls = st.lists(st.integers(0, 10).map(lambda n: n / 10), min_size=1, max_size=60)


@given(recalls, st.sampled_from([0.001, 0.025, 0.05, 0.2]))
def test_bounds_enclose_what_was_seen(values, alpha):
    low, high = lower_bound(values, alpha), upper_bound(values, alpha)
    assert 0 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= 1


@given(recalls)
def test_the_order_of_queries_and_a_stricter_confidence(values):
    assert lower_bound(values, 0.05) == pytest.approx(lower_bound(values[::-1], 0.05))
    assert lower_bound(values, 0.01) <= lower_bound(values, 0.05)


@pytest.mark.parametrize("recall", [0.5, 0.9, 0.99, 0.999])
def test_so_many_perfect_answers_are_needed(recall):
    n = queries_needed(recall, 0.05)
    assert lower_bound(np.ones(n), 0.05) >= recall - 1e-4
    assert lower_bound(np.ones(n - n // 5 - 1), 0.05) < recall


def test_more_queries_tell_more():
    values = np.tile([1, 1, 1, 1, 0.9], 200)
    assert lower_bound(values[:100], 0.05) < lower_bound(values, 0.05) < 0.98
    assert upper_bound(values[:100], 0.05) > upper_bound(values, 0.05) > 0.98


@pytest.mark.parametrize("share", [0.005, 0.1])
def test_however_often_one_looks_the_bound_is_rarely_wrong(share):
    """The mean is 0.99: rare complete failures, or frequent small ones."""
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(300):
        missed = 0.01 / share * (rng.random(2000) < share)
        values = 1 - np.minimum(missed, 1)
        mean = 1 - min(0.01 / share, 1) * share
        wrong += any(lower_bound(values[:n], 0.05) > mean for n in (100, 200, 400, 800, 2000))
    assert wrong <= 15 + 3 * 4  # 5 %, and three standard deviations


def test_nothing_seen_tells_nothing():
    assert lower_bound([], 0.05) == 0
    assert upper_bound([], 0.05) == 1
