from __future__ import annotations

import pytest

RECORDS = [
    {
        "id": "hours",
        "text": "The bakery opens at six in the morning and closes at two in the afternoon. "
        "On Sundays the bakery opens at eight. It stays closed on public holidays.",
        "part": "shop",
    },
    {
        "id": "returns",
        "text": "How do I get my money back? Bring the receipt within 14 days. "
        "Then we refund the full price. Opened goods cannot be returned.",
        "part": "shop",
    },
    {
        "id": "delivery",
        "text": "We deliver within the city for 3 euros. Orders above 40 euros cost nothing. "
        "Anna Berger has run the delivery service since 2019.",
        "part": "service",
    },
    {
        "id": "bread",
        "text": "Our rye bread rests for 24 hours. Sourdough makes it rise. It holds no yeast. "
        "The oven reaches 280 degrees. A loaf weighs two pounds. We sell 90 loaves a day.",
        "part": "goods",
    },
]


@pytest.fixture
def shop(opened):
    """A collection of whole records."""
    collection = opened("shop")
    collection.upsert(RECORDS)
    return collection


@pytest.fixture
def cut_shop(opened):
    """The same records, cut into passages."""
    collection = opened("cut", chunk="tokens=14,overlap=4")
    collection.upsert(RECORDS)
    return collection
