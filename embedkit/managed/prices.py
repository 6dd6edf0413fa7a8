"""What a million tokens cost, in US dollars: list prices, unless settings say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embedkit.errors import SettingsError

PRICES: dict[str, float] = {
    "cohere:embed-v4.0": 0.12,
    "cohere:embed-english-v3.0": 0.10,
    "cohere:embed-multilingual-v3.0": 0.10,
    "cohere:embed-english-light-v3.0": 0.10,
    "cohere:embed-multilingual-light-v3.0": 0.10,
    "openai:text-embedding-3-small": 0.02,
    "openai:text-embedding-3-large": 0.13,
    "openai:text-embedding-ada-002": 0.10,
}
"""By ``provider:model``, as published; prices change, so ``[prices]`` in a settings file wins."""


def price_of(model: str, settings: Mapping[str, float]) -> float | None:
    """Return the price of a million tokens of ``provider:model``; None where it is not known."""
    return settings.get(model, PRICES.get(model))


def check_table(value: Any, where: str) -> dict[str, float]:
    """Return the table ``[prices]`` of a settings file, or say what in it cannot be meant."""
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: expected a table of prices, got {value!r}")
    for model, price in value.items():
        number = isinstance(price, (int, float)) and not isinstance(price, bool)
        if not number or not 0 <= price < 1e6:
            raise SettingsError(
                f"{where}.{model}: expected US dollars for a million tokens, got {price!r}"
            )
    return {model: float(price) for model, price in value.items()}
