from __future__ import annotations

import math
from typing import Any

import pytest

from embedkit.errors import SettingsError
from embedkit.managed.prices import PRICES, check_table, price_of


def test_list_prices_hold_unless_settings_say_otherwise() -> None:
    assert price_of("cohere:embed-v4.0", {}) == PRICES["cohere:embed-v4.0"] == 0.12
    assert price_of("cohere:embed-v4.0", {"cohere:embed-v4.0": 0.0}) == 0.0
    assert price_of("cohere:another", {}) is None
    assert price_of("cohere:another", {"cohere:another": 3.0}) == 3.0


@pytest.mark.parametrize("price", ["0.1", True, -1, math.nan, math.inf, None, [1]])
def test_what_is_no_price_is_refused_by_name(price: Any) -> None:
    with pytest.raises(SettingsError, match=r"x\.a:b: expected US dollars"):
        check_table({"a:b": price}, "x")


def test_a_table_becomes_numbers() -> None:
    assert check_table({"a:b": 1}, "x") == {"a:b": 1.0}
    with pytest.raises(SettingsError, match="expected a table"):
        check_table([1], "x")
