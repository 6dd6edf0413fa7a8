"""A text that ends in the middle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import BaseFilter, quoted
from embedkit.ranking.words import words

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

_CUT = frozenset({"length", "max_tokens", "model_length", "max_output_tokens"})
"""What backends say where a generation met its limit of tokens."""
_END = re.compile(r"[.!?…。！？｡．؟۔।॥።។][\"'”’»)\]}」』*_]*(?:\s*\[\d+(?:,\s*\d+)*\])*$")
_ITEM = re.compile(r"(?:[-*+•‣◦–—·]|\(?\d{1,3}[.)])\s")
_DANGLING = frozenset(
    """
    a an the of and or nor but to for with by from into onto upon between among within during
    than that which whose because although while whereas unless is are was were be been being am
    has have had will would shall should can could may might must such very its their his my our
    your these those this as at in on via towards toward per including e.g i.e
    der die das des dem den ein eine einen einem einer eines und oder aber zu zur zum von vom mit
    fur durch ist sind war wird werden dass weil sowie im am
    le la les un une des du de et ou mais que qui dans pour par sur avec sans est sont aux au
    el los las una del y o en con para por es son al
    il lo gli di della dei e per che con nel nella sono
    """.split()  # noqa: SIM905
)
"""Folded words that a sentence does not end with, or hardly ever."""
_ENDS_TOO = frozenset(
    """
    in on at is are was be has have had do can will may this that these those as
    his am per con sono son la o e y die den war will such very
    """.split()  # noqa: SIM905
)
"""Those of them that a title, or a sentence without its full stop, may end with all the same."""
_PAIRS = ("()", "[]", "“”", "«»", "「」")


class CutOffFilter(BaseFilter):
    """Rejects a text that met the limit of tokens, or that ends in the middle of a sentence.

    A text without a full stop that ends by itself, such as a title, is whole. It is cut off where
    its last word or sign wants something after it (``of``, a comma), where a bracket stays open,
    or where sentences before it have their full stops and the last has none.
    """

    name: ClassVar[str] = "cut-off"

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        if pool.candidates[place].finish_reason.lower() in _CUT:
            return f"cut at the limit of tokens, after {quoted(text[-40:])}"
        if place in pool.extracts:
            return None
        if _END.search(text[-200:]) and not text.endswith(("...", "…")):
            return None
        last = pool.candidate_sentences[place][-1].text
        if _ends_open(text, last) or self._lacks_stop(pool, place):
            return f"it ends in the middle of a sentence: {quoted(last[-40:])}"
        return None

    def _lacks_stop(self, pool: Pool, place: int) -> bool:
        """Whether sentences before the last one end with a full stop, and the last does not."""
        listed = [sentence.text for sentence in pool.candidate_sentences[place]]
        if len(listed) < 2 or _ITEM.match(listed[-1]) or listed[-1].endswith(":"):
            return False
        return all(_END.search(each[-200:]) for each in listed[:-1])


def _ends_open(text: str, last: str) -> bool:
    """Whether the last word or sign of a text wants something after it."""
    if text[-1] in ",;:-–—([{“«「/&=+" or text.endswith(("...", "…")):
        return True
    if any(last.count(pair[0]) > last.count(pair[1]) for pair in _PAIRS):
        return True
    said = words(last)
    if not said or not text[-1].isalnum():
        return False
    return said[-1] in _DANGLING and (said[-1] not in _ENDS_TOO or len(said) > 12)
