from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embedkit.managed.budget import Meter
from embedkit.managed.tokens import estimate_tokens

MILLION = 1_000_000.0
"""At this price a token costs a dollar."""


def test_without_a_line_nothing_is_refused() -> None:
    meter = Meter()
    assert meter.reserve(10**12, 96) is None
    meter.settle(10**12, 96, 5)
    assert (meter.billed_tokens, meter.estimated_tokens, meter.told) == (5, 10**12, True)


def test_what_is_reserved_is_not_promised_twice() -> None:
    meter = Meter(max_cost=100.0, price=MILLION)
    assert meter.reserve(10, 1) is None  # 42 + 2 at most
    assert meter.reserve(10, 1) is None
    refusal = meter.reserve(10, 1)
    assert refusal is not None
    assert "before --max-cost $100.00 is crossed" in str(refusal)
    meter.cancel(10, 1)
    assert meter.reserve(10, 1) is None


def test_a_cheap_bill_frees_the_rest() -> None:
    meter = Meter(max_cost=51.0, price=MILLION)
    assert meter.reserve(10, 1) is None
    assert meter.reserve(1, 1) is None
    assert meter.reserve(1, 1) is not None
    meter.settle(10, 1, 3)
    assert meter.reserve(1, 1) is None
    assert meter.cost == 3.0


def test_a_service_that_bills_more_than_bytes_is_believed() -> None:
    meter = Meter(max_cost=1000.0, price=MILLION)
    assert meter.reserve(10, 1) is None
    meter.settle(10, 1, 200)
    assert meter.reserve(30, 1) is None  # 30 × 20 × 1.15 = 690
    assert meter.reserve(5, 1) is not None


def test_what_the_service_does_not_bill_counts_by_its_estimate() -> None:
    meter = Meter(price=MILLION)
    meter.reserve(7, 1)
    meter.settle(7, 1, None)
    assert (meter.billed_tokens, meter.told, meter.cost) == (7, False, 7.0)


def test_lost_answers_count_against_the_line() -> None:
    meter = Meter(max_cost=100.0, price=MILLION)
    assert meter.reserve(10, 1) is None
    assert meter.lose(10, 1) is None
    assert "may be billed too" in str(meter.lose(10, 1))
    meter.cancel(10, 1)
    assert meter.reserve(1, 1) is None
    assert meter.reserve(5, 1) is not None
    assert meter.billed_tokens == 0


def test_nothing_may_be_spent_of_nothing() -> None:
    assert Meter(max_cost=0.0, price=MILLION).reserve(1, 1) is not None
    assert Meter(max_cost=0.0, price=0.0).reserve(1, 1) is None


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=20),
    budget=st.integers(0, 400),
    share=st.floats(0, 1),
)
def test_the_line_is_never_crossed(texts: list[str], budget: int, share: float) -> None:
    """Whatever a service bills, up to a token a byte and two for each text."""
    meter, spent = Meter(max_cost=float(budget), price=MILLION), 0
    for text in texts:
        tokens = estimate_tokens(text)
        if meter.reserve(tokens, 1) is None:
            bill = int(share * len(text.encode())) + 2
            spent += bill
            meter.settle(tokens, 1, bill)
    assert spent <= budget
