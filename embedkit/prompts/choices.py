"""Which of some choices an answer is, whatever a generator puts around it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WRAPPED = " \t\r\n\"'`*.,:;!<>[]()“”„«»"
_LEAD = re.compile(r"^(the )?(label|answer|class|category)( is)?\s*[:=]?\s+", re.IGNORECASE)


class Choices:
    """Which of some texts an answer is.

    Of two that differ in case or blanks alone, it is only the one that it spells exactly.

    Parameters
    ----------
    choices : sequence of str
    """

    def __init__(self, choices: Sequence[str]) -> None:
        self._exact = {choice: i for i, choice in enumerate(choices)}
        folded: dict[str, int | None] = {}
        for i, choice in enumerate(choices):
            folded[_folded(choice)] = None if _folded(choice) in folded else i
        self._folded = folded

    def place(self, answer: str) -> int | None:
        """Return the place of the choice that an answer is, None where it is none.

        The first line that says something counts. Around the choice there may be quotes, marks and
        a word such as ``Label:``, no other words: an answer that names a choice within a sentence
        may as well say that it is not that one.
        """
        lines = [line for line in answer.splitlines() if line.strip()]
        if not lines:
            return None
        for said in (lines[0].strip(), lines[0].strip(_WRAPPED), _LEAD.sub("", lines[0].strip())):
            if said in self._exact:
                return self._exact[said]
            found = self._folded.get(_folded(said))
            if found is not None:
                return found
        return None


def _folded(choice: str) -> str:
    return " ".join(choice.strip(_WRAPPED).replace("_", " ").casefold().split())
