"""What temperature, top-k and top-p leave, by hand, by law, and against transformers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.errors import InvalidInputError
from embedkit.generators.decoding.cutting import (
    BY_TEMPERATURE,
    BY_TOP_K,
    BY_TOP_P,
    LEFT,
    cut,
)

FIVE = np.log([0.4, 0.1, 0.3, 0.15, 0.05])
"""The likeliest are the first, third, fourth, second and fifth."""

logits = st.lists(st.floats(-30, 30), min_size=1, max_size=40).map(np.array)
temperatures = st.floats(0.05, 5)
shares = st.floats(0, 1)


def test_nothing_asked_cuts_nothing() -> None:
    found = cut(FIVE)
    assert found.left == pytest.approx([0.4, 0.1, 0.3, 0.15, 0.05])
    assert (found.fate == LEFT).all()


def test_top_k_leaves_the_likeliest_and_shares_out_the_rest() -> None:
    found = cut(FIVE, top_k=2)
    assert found.left == pytest.approx([4 / 7, 0, 3 / 7, 0, 0])
    assert found.fate.tolist() == [LEFT, BY_TOP_K, LEFT, BY_TOP_K, BY_TOP_K]
    assert found.by_top_k == pytest.approx(0.3)


def test_top_p_leaves_the_fewest_that_reach_it() -> None:
    assert cut(FIVE, top_p=0.69).left == pytest.approx([4 / 7, 0, 3 / 7, 0, 0])
    assert cut(FIVE, top_p=0.7).left == pytest.approx([4 / 7, 0, 3 / 7, 0, 0]), "0.7 is enough"
    found = cut(FIVE, top_p=0.71)
    assert found.left == pytest.approx([40 / 85, 0, 30 / 85, 15 / 85, 0])
    assert found.fate.tolist() == [LEFT, BY_TOP_P, LEFT, LEFT, BY_TOP_P]
    assert found.by_top_p == pytest.approx(0.15)


def test_top_p_is_a_share_of_what_top_k_leaves() -> None:
    # Of the two that are left the first has 4/7 = 0.571: enough for 0.57, where 0.4 would not be.
    found = cut(FIVE, top_k=2, top_p=0.57)
    assert found.left == pytest.approx([1, 0, 0, 0, 0])
    assert found.fate.tolist() == [LEFT, BY_TOP_K, BY_TOP_P, BY_TOP_K, BY_TOP_K]
    assert (found.by_top_k, found.by_top_p) == (pytest.approx(0.3), pytest.approx(0.3))


def test_temperature_comes_first() -> None:
    # At temperature 0.5 shares are squared: 0.16, 0.09, 0.0225, 0.01, 0.0025 of 0.285 in all.
    found = cut(FIVE, temperature=0.5, top_p=0.56)
    assert found.tempered == pytest.approx(np.array([0.16, 0.01, 0.09, 0.0225, 0.0025]) / 0.285)
    assert found.left == pytest.approx([1, 0, 0, 0, 0]), "0.16 / 0.285 = 0.561"
    assert cut(FIVE, temperature=0.5, top_p=0.57).left == pytest.approx([0.64, 0, 0.36, 0, 0])


def test_temperature_0_leaves_the_likeliest_and_the_first_of_equals() -> None:
    found = cut(np.log([0.2, 0.4, 0.4]), temperature=0, top_k=3, top_p=0.5)
    assert found.left.tolist() == found.tempered.tolist() == [0, 1, 0]
    assert found.fate.tolist() == [BY_TEMPERATURE, LEFT, BY_TEMPERATURE]


def test_of_equals_the_first_are_left() -> None:
    equal = np.zeros(5)
    assert np.flatnonzero(cut(equal, top_k=2).left).tolist() == [0, 1]
    assert np.flatnonzero(cut(equal, top_p=0.5).left).tolist() == [0, 1, 2]


def test_0_and_1_are_the_ends() -> None:
    assert (cut(FIVE, top_k=0).fate == LEFT).all()
    assert (cut(FIVE, top_p=1).fate == LEFT).all()
    assert cut(FIVE, top_p=0).left.tolist() == [1, 0, 0, 0, 0]


def test_a_tiny_temperature_does_not_overflow() -> None:
    with np.errstate(all="raise", under="ignore"):
        assert cut([0.0, 700.0, -700.0], temperature=5e-324).left.tolist() == [0, 1, 0]


def test_a_token_that_cannot_come_has_no_share() -> None:
    assert cut([0.0, -math.inf], temperature=2).left.tolist() == [1, 0]


@given(logits, temperatures, st.integers(1, 45))
def test_top_k_keeps_k(values: Any, temperature: float, k: int) -> None:
    found = cut(values, temperature=temperature, top_k=k)
    kept = found.fate == LEFT
    assert kept.sum() == min(k, len(values))
    if not kept.all():
        assert values[kept].min() >= values[~kept].max()


@given(logits, temperatures, st.floats(0, 1, exclude_max=True))
def test_top_p_keeps_the_smallest_set_that_has_it(
    values: Any, temperature: float, p: float
) -> None:
    found = cut(values, temperature=temperature, top_p=p)
    kept = found.fate == LEFT
    assert found.tempered[kept].sum() >= p - 1e-8
    assert kept.sum() == 1 or found.tempered[kept].sum() - found.tempered[kept].min() < p
    if not kept.all():
        assert values[kept].min() >= values[~kept].max()


@given(logits, st.just(0.0) | temperatures, st.none() | st.integers(0, 45), st.none() | shares)
def test_what_is_left_is_a_distribution(
    values: Any, temperature: float, k: int | None, p: float | None
) -> None:
    found = cut(values, temperature=temperature, top_k=k, top_p=p)
    assert found.left.sum() == pytest.approx(1)
    assert found.tempered.sum() == pytest.approx(1)
    assert (found.left[found.fate != LEFT] == 0).all()
    gone = found.by_top_k + found.by_top_p
    assert found.tempered[found.fate == LEFT].sum() + gone == pytest.approx(1)
    # Shares that are left keep their proportions.
    kept = found.tempered[found.fate == LEFT]
    assert found.left[found.fate == LEFT] == pytest.approx(kept / kept.sum())


@given(logits, temperatures, shares, st.integers(1, 40), st.data())
def test_the_likeliest_alone_are_cut_as_among_all(
    values: Any, temperature: float, p: float, k: int, data: Any
) -> None:
    whole = cut(values, temperature=temperature, top_k=k, top_p=p)
    order = np.argsort(-values, kind="stable")
    many = data.draw(st.integers(min(k, len(values)), len(values)))
    first, others = order[:many], order[many:]
    part = cut(
        values[first],
        temperature=temperature,
        top_k=min(k, len(values)),
        top_p=p,
        rest=float(whole.tempered[others].sum()),
    )
    assert part.decided
    assert part.left == pytest.approx(whole.left[first], abs=1e-9)
    assert part.by_top_k == pytest.approx(whole.by_top_k, abs=1e-9)


def test_where_the_rest_may_be_left_it_has_its_share() -> None:
    found = cut(FIVE[[0, 2]], rest=0.3)
    assert found.left == pytest.approx([0.4, 0.3])
    assert found.rest_left == pytest.approx(0.3)
    assert found.decided
    assert not cut(FIVE[[0, 2]], rest=0.3, top_p=0.71).decided, "it is somewhere in the rest"
    assert cut(FIVE[[0, 2]], rest=0.3, top_p=0.69).rest_left == 0


@pytest.mark.slow
def test_it_leaves_what_transformers_leaves() -> None:
    import torch
    import transformers

    rng = np.random.default_rng(5)
    for _ in range(300):
        values = rng.normal(scale=3, size=rng.integers(2, 60))
        temperature, p = float(rng.uniform(0.2, 2)), float(rng.uniform(0.01, 1))
        k = int(rng.integers(1, len(values) + 5))
        scores = torch.tensor(values)[None]
        for warper in (
            transformers.TemperatureLogitsWarper(temperature),
            transformers.TopKLogitsWarper(k),
            transformers.TopPLogitsWarper(p),
        ):
            scores = warper(torch.zeros((1, 1), dtype=torch.long), scores)
        found = cut(values, temperature=temperature, top_k=k, top_p=p)
        assert found.left == pytest.approx(scores.softmax(-1)[0].numpy(), abs=1e-9)


@pytest.mark.parametrize(
    ("given_", "options", "said"),
    [
        ([], {}, "shape"),
        ([[0.0]], {}, "shape"),
        ([math.nan, 0.0], {}, "infinity"),
        ([math.inf, 0.0], {}, "infinity"),
        ([-math.inf], {}, "infinity"),
        (FIVE, {"temperature": -1}, "temperature"),
        (FIVE, {"temperature": math.nan}, "temperature"),
        (FIVE, {"temperature": math.inf}, "temperature"),
        (FIVE, {"top_k": -1}, "top_k"),
        (FIVE, {"top_p": 1.1}, "top_p"),
        (FIVE, {"top_p": math.nan}, "top_p"),
        (FIVE, {"rest": 1.0}, "rest"),
        (FIVE, {"rest": 0.1, "top_k": 6}, "top_k"),
    ],
)
def test_what_cannot_be_meant_is_refused(given_: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        cut(given_, **options)
