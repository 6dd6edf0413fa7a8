"""Texts and labels without what tells them from others that read the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedkit.types import Keys

_BETWEEN = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Return a text in lower case, its words set apart by one blank, without punctuation.

    A text without letters and digits keeps its signs, for they are all it says.

    Examples
    --------
    >>> fold("  Where's my CARD?! ")
    'where s my card'
    >>> fold(":-)")
    ':-)'
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _BETWEEN.sub(" ", plain).strip() or " ".join(plain.split())


def group_equal(texts: Sequence[str]) -> Keys:
    """Return for each text the first place at which an equal one stands, shape (n,)."""
    first: dict[str, int] = {}
    folded = (first.setdefault(fold(text), i) for i, text in enumerate(texts))
    return np.fromiter(folded, np.int64, len(texts))
