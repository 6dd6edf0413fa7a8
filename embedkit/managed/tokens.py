"""How many tokens a text has, about: services keep their tokenizers to themselves.

A token of a modern vocabulary is 4 to 5 characters of European text (4.1 to 5.4 by MiniLM's own
tokenizer over questions, titles and abstracts); scripts of more bytes a character have shorter
tokens. An estimate, and called one wherever a person sees it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedkit.types import Keys

CHARACTERS = 4.2
"""Characters of a token."""
EXTRA = 0.25
"""Tokens for each byte of UTF-8 beyond one a character."""


_LONGER = (0x80, 0x800, 0x10000)
"""The first characters that take two, three and four bytes of UTF-8."""


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, at least 1."""
    characters = len(text)
    size = characters if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return max(1, math.ceil(characters / CHARACTERS + (size - characters) * EXTRA))


def estimate_offsets(text: str) -> Keys:
    """Return where each token of a text begins, about, in characters: as many as are estimated."""
    import numpy as np

    if not text:
        return np.zeros(1, np.int64)
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    extra = np.searchsorted(_LONGER, characters, "right")
    # Whole numbers of 1/420 token, so that sums of any length are exact.
    before = np.cumsum(100 + 105 * extra)
    count = estimate_tokens(text)
    return np.searchsorted(before, 420 * np.arange(count, dtype=np.int64), "right")


def estimate_sql(column: str) -> str:
    """Return the same estimate as SQL over a column of texts."""
    return (
        f"greatest(1, ceil(length({column}) / {CHARACTERS}"
        f" + (strlen({column}) - length({column})) * {EXTRA}))::BIGINT"
    )
