"""Texts of any length in bounded memory: what of a text is tokenized, and in what portions.

A model reads some hundred tokens, a text may have megabytes. Tokenizing all of it would cost more
than embedding it, so the tokens of a long text are counted up to a point and estimated beyond.
"""

from __future__ import annotations

from collections.abc import Iterator

HEAD = 2**16
"""Characters of a text whose tokens are counted exactly, about 16,000 tokens of English."""
READ = 2**20
"""Characters of a text that are read at all in search of tokens."""
PORTION = 2**21
"""Characters tokenized at a time."""


def portions(texts: list[str]) -> Iterator[tuple[int, int]]:
    """Yield ranges of texts whose heads have at most PORTION characters together."""
    first = total = 0
    for i, text in enumerate(texts):
        size = min(len(text), HEAD)
        if i > first and total + size > PORTION:
            yield first, i
            first, total = i, 0
        total += size
    yield first, len(texts)


def estimate(tokens: int, part: int, whole: int, *, special: int = 2) -> int:
    """Return the tokens of a whole text, given those of its first ``part`` characters.

    Parameters
    ----------
    special : int
        How many of the tokens stand once whatever the length, as [CLS] and [SEP] do.
    """
    return tokens if whole <= part else special + round((tokens - special) * whole / part)
