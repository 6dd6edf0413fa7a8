"""A model in a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import BaseFilter, check_share, quoted
from embedkit.ranking.words import words

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

_TIMES = 3
"""Times that the same words follow each other in a loop."""
_LONGEST = 12
"""Words of a loop that is looked for."""
_SEQUENCE = 4


class RepetitiveFilter(BaseFilter):
    """Rejects a candidate that says the same again and again.

    That is: the same words three times in a row, a sentence that stands twice, or too large a
    share of sequences of four words that stood before.

    Parameters
    ----------
    most : float, from 0 to 1
        Share of its sequences of four words that may have stood before.
    """

    name: ClassVar[str] = "repetitive"
    extracts: ClassVar[bool] = False

    def __init__(self, *, most: float = 0.2) -> None:
        self.most = check_share(most, "most", self.name)

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        said = words(text)
        looped = _loop(said)
        if looped:
            return f"it repeats {quoted(looped)} {_TIMES} times or more in a row"
        seen: set[tuple[str, ...]] = set()
        for sentence in pool.candidate_sentences[place]:
            key = tuple(words(sentence.text))
            if len(key) >= _SEQUENCE and key in seen:
                return f"it says twice: {quoted(sentence.text)}"
            seen.add(key)
        sequences = [tuple(said[i : i + _SEQUENCE]) for i in range(len(said) - _SEQUENCE + 1)]
        again = len(sequences) - len(set(sequences))
        if again > self.most * len(sequences):
            return f"{again} of its {len(sequences)} sequences of four words stood before"
        return None


def _loop(said: list[str]) -> str:
    """Return the words that follow themselves often enough to be a loop; empty if none do."""
    for width in range(1, min(_LONGEST, len(said) // _TIMES) + 1):
        same = 0  # words in a row that are equal to those one loop before
        for i in range(width, len(said)):
            same = same + 1 if said[i] == said[i - width] else 0
            if same == (_TIMES - 1) * width and not all(
                map(str.isdigit, said[i - width + 1 : i + 1])
            ):
                return " ".join(said[i - width + 1 : i + 1])
    return ""
