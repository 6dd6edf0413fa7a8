"""The words of a text, as filters and claims compare them: without case, accents and dashes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from embedkit.chunking.borders import IDEOGRAPH

_WORD = re.compile(rf"[{IDEOGRAPH}]|[^\W_{IDEOGRAPH}]+(?:['’][^\W_{IDEOGRAPH}]+)*")
_WHOLE = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i", "’": "'"}
)
"""Letters that Unicode does not take apart, and the apostrophe of typesetters."""
_SEQUENCES = 8
"""Words of a run that is looked for; a longer one is told by all the runs within it."""


def fold(word: str) -> str:
    """Return a word in lower case without accents: ``Žižek’s`` is ``zizek's``."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c)).translate(_WHOLE)


def words(text: str) -> list[str]:
    """Return the folded words of a text; where a script has no blanks, each character is one."""
    return _WORD.findall(fold(text))


def count_words(text: str) -> int:
    """Return how many words a text has.

    Two characters of a script without blanks (Chinese, Japanese) count as one word: the mean
    length of a word there.
    """
    found = _WORD.findall(text)
    single = sum(len(word) == 1 and _IDEOGRAPH.match(word) is not None for word in found)
    return len(found) - single + (single + 1) // 2


_IDEOGRAPH = re.compile(f"[{IDEOGRAPH}]")


def runs(candidate: Sequence[str], source: Sequence[str], least: int) -> list[tuple[int, int]]:
    """Return the maximal runs of at least some words of a candidate that the source holds too.

    Parameters
    ----------
    candidate, source : sequence of str
        Words.
    least : int, >= 1
        Shorter runs are left out.

    Returns
    -------
    list of (start, stop)
        Places in the candidate, in order, as far as sequences of up to eight words tell: two runs
        of the source that overlap by seven words count as one. Runs may overlap.
    """
    width = min(least, _SEQUENCES)
    if len(candidate) < width or width < 1:
        return []
    wanted = {tuple(candidate[i : i + width]) for i in range(len(candidate) - width + 1)}
    held = {
        each
        for i in range(len(source) - width + 1)
        if (each := tuple(source[i : i + width])) in wanted
    }
    found: list[tuple[int, int]] = []
    start: int | None = None
    for i in range(len(candidate) - width + 2):
        inside = i + width <= len(candidate) and tuple(candidate[i : i + width]) in held
        if inside and start is None:
            start = i
        elif not inside and start is not None:
            found.append((start, i + width - 1))
            start = None
    return [(first, stop) for first, stop in found if stop - first >= least]
