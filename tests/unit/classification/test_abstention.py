"""When to say nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.classification.abstention import Abstention, abstain_for, costs, risk_curve
from embedkit.errors import InvalidInputError


def drawn(n: int, seed: int = 0, *, low: float = 0.5) -> tuple[Any, Any]:
    """Confidences that are true, and what was right."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(low, 1, n)
    return confidence, rng.random(n) < confidence


def test_the_threshold_gives_the_wished_precision_on_new_rows() -> None:
    found = abstain_for(*drawn(4000), precision=0.9)
    confidence, right = drawn(200_000, seed=1)
    answered = confidence >= found.threshold
    assert right[answered].mean() >= 0.9
    # Evenly from t to 1, so right by (1 + t) / 2: a threshold of .8 would do if all were known.
    assert 0.8 <= found.threshold < 0.86  # type: ignore[operator]
    assert found.coverage == pytest.approx(answered.mean(), abs=0.03)
    assert found.measured >= 0.9
    assert found.reached


def test_the_promise_holds_as_often_as_it_says() -> None:
    kept = broken = 0
    for seed in range(300):
        found = abstain_for(*drawn(600, seed), precision=0.85, sure=0.8)
        if found.threshold is not None:
            kept += 1
            broken += (1 + found.threshold) / 2 < 0.85
    assert kept > 250
    # Of 300, 60 may be; three standard deviations more would be 81.
    assert broken <= 60


def test_rows_all_right_need_no_abstaining() -> None:
    found = abstain_for(np.linspace(0.3, 1, 200), np.ones(200, bool), precision=0.95)
    assert found.threshold == pytest.approx(0.3)
    assert found.coverage == 1
    assert found.measured == 1


def test_a_precision_out_of_reach_is_a_clear_answer() -> None:
    found = abstain_for(*drawn(500, low=0.4), precision=0.999)
    assert not found.reached
    assert found.threshold is None
    assert found.coverage == 0
    assert math.isnan(found.measured)
    assert "cannot be reached" in str(found)


def test_few_rows_are_told_how_many_are_needed() -> None:
    found = abstain_for(np.full(30, 0.99), np.ones(30, bool), precision=0.95)
    assert not found.reached
    # With half of a doubt of 10 % each: ln(.05) / ln(.95) rows, all of them right.
    assert found.needed == 59
    assert "59 are needed" in str(found)
    assert abstain_for(np.full(59, 0.99), np.ones(59, bool), precision=0.95).reached
    assert not abstain_for(np.full(58, 0.99), np.ones(58, bool), precision=0.95).reached


def test_rows_of_one_confidence_are_answered_together() -> None:
    confidence = np.repeat([0.9, 0.6], 500)
    right = np.concatenate([np.ones(500, bool), np.arange(500) < 250])
    found = abstain_for(confidence, right, precision=0.9)
    assert found.threshold == 0.9
    assert found.coverage == 0.5


def test_more_precision_costs_more_answers() -> None:
    told = costs(*drawn(20_000, low=0.2))
    assert [each.precision for each in told] == [0.8, 0.9, 0.95, 0.99]
    shares = [each.coverage for each in told]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[2] > 0


def test_the_risk_curve_of_four_rows_worked_by_hand() -> None:
    curve = risk_curve(np.array([0.6, 0.9, 0.7, 0.8]), np.array([True, True, False, True]))
    assert curve.coverage == (0.25, 0.5, 0.75, 1.0)
    assert curve.threshold == (0.9, 0.8, 0.7, 0.6)
    assert curve.risk == pytest.approx((0, 0, 1 / 3, 1 / 4))
    assert curve.area == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert curve.least == pytest.approx(1 / 16)


def test_where_confidence_says_nothing_risk_is_the_same_everywhere() -> None:
    curve = risk_curve(np.full(10, 0.5), np.arange(10) < 7)
    assert curve.risk == pytest.approx([0.3] * 10)
    assert curve.area == pytest.approx(0.3)


def test_a_result_survives_json() -> None:
    for found in (abstain_for(*drawn(900), precision=0.8), abstain_for(*drawn(20), precision=0.8)):
        copy = Abstention.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
        assert str(copy) == str(found)
        assert copy.threshold == found.threshold


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"precision": 1.0}, "expected precision to be between 0 and 1, got 1.0"),
        ({"precision": 95}, "got 95"),
        ({"sure": 0.0}, "expected sure to be between 0 and 1"),
    ],
)
def test_a_rate_that_is_none_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        abstain_for(*drawn(100), **options)


@pytest.mark.parametrize("confidence", [[], [[0.5]], [0.5, 0.6], [np.nan]])
def test_rows_that_cannot_be_meant_are_refused(confidence: Any) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        abstain_for(np.array(confidence, np.float64), np.array([True]))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.floats(0.5, 0.99), st.integers(0, 99))
def test_what_is_answered_was_right_often_enough(n: int, precision: float, seed: int) -> None:
    confidence, right = drawn(n, seed)
    found = abstain_for(confidence, right, precision)
    if found.threshold is not None:
        answered = confidence >= found.threshold
        assert right[answered].mean() >= precision
        assert answered.sum() >= found.needed
        assert found.coverage == answered.mean()
    curve = risk_curve(confidence, right)
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(1 - right.mean())
    assert curve.least <= curve.area + 1e-12
