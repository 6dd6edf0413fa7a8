"""What a generator can read at once, and a text in parts that it can."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.chunking.borders import IDEOGRAPH
from embedkit.chunking.split import split

if TYPE_CHECKING:
    from embedkit.protocols import Generator

CONTEXT = 8192
"""Tokens that a model is taken to read where it does not say: what all that are served today do."""
CHARACTERS_A_TOKEN = 3.0
"""Of a text whose tokens cannot be counted; English has about 4.5, so that this errs to the safe
side. In scripts without blanks each character is taken as a token and a half."""
MARGIN = 0.95
"""What of the context is used: a chat template adds some tokens."""
_BLOCK = 2**16
"""Characters that are counted together; a tokenizer may take quadratic time."""


class Reader:
    """A generator with what is known of how much it reads.

    Parameters
    ----------
    generator : Generator
        Its attributes ``context``, how many tokens it reads and writes together, and
        ``count_tokens(text)`` are asked where it has them.
    context : int or None
        What the caller says in place of the first.
    """

    def __init__(self, generator: Generator, context: int | None = None) -> None:
        self.generator = generator
        self._context = context

    @cached_property
    def context(self) -> int:
        """Tokens that are read and written together."""
        told: Any = getattr(self.generator, "context", None)
        known = told if isinstance(told, int) and told > 0 else CONTEXT
        return known if self._context is None else min(self._context, known)

    def tokens(self, text: str) -> int:
        """Return how many tokens a text has, or an estimate that errs to the long side."""
        count: Callable[[str], int] | None = getattr(self.generator, "count_tokens", None)
        if count is None:
            return estimate(text)
        return sum(count(text[i : i + _BLOCK]) for i in range(0, len(text), _BLOCK))

    def parts(self, text: str, budget: int) -> list[str]:
        """Return a text in parts of about equal length, of at most so many tokens each.

        Parts end with paragraphs or sentences where they have them. Nothing is left out.
        """
        whole = self.tokens(text)
        number = math.ceil(whole / budget)
        each = min(budget, math.ceil(whole / number * 1.1))  # so that the last is not a scrap
        # A token is taken to begin every so many characters; what each part has is then counted.
        step = max(1.0, len(text) / whole)
        starts = np.unique((np.arange(0.0, len(text), step)).astype(np.int64))
        spans = split(text, starts, each, 0, self.tokens)
        found = [text[span.start : span.stop].strip() for span in spans]
        return [part for part in found if part]


def estimate(text: str) -> int:
    """Return how many tokens a text has at most, by its characters."""
    import re

    single = len(re.findall(f"[{IDEOGRAPH}]", text))
    return math.ceil(1.5 * single + (len(text) - single) / CHARACTERS_A_TOKEN)
