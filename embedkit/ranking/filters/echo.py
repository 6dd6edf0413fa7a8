"""The template over again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import BaseFilter, check_count, quoted
from embedkit.ranking.words import runs, words

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

_MARKER = re.compile(
    r"""
    ^[^\S\n]*[>#*_"“]*[^\S\n]*(?P<marker>
        (?: (?:one[\ -]sentence\ |short\ |brief\ )? summary | tl;?dr | abstract | text | article
          | passage | document | title | headline | keywords | bullet\ points | source s? | context
          | question | answer | instructions? | input | output | response | prompt
          | example (?:\ \d+)?
          | user | assistant | system | human | ai | bot
          | zusammenfassung | frage | antwort | résumé | pregunta | respuesta | resumen
        ) [*_]* \s* [:：]
    )""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|</?s>|<</?SYS>>|</?(?:think|answer|summary)>"
    r"|^(?:###|---|===)",
    re.MULTILINE,
)
"""What chat templates and few-shot prompts separate their parts with."""
_PREAMBLE = re.compile(
    r"^\W*(?:(?:sure|certainly|of course|okay|ok)\W+)?"
    r"(?:sure|certainly|here(?:'s|’s| is| are)|the following is|below is)\b"
    r"[^.!?\n]{0,80}\b(?:summary|summaries|headline|answer|sentences?|points?|title|version)\b"
    r"|^\W*(?:as an ai\b|as a language model\b|i(?:'m| am) sorry\b"
    r"|i can(?:not|'t|’t) (?:help|assist)\b)",
    re.IGNORECASE,
)
_LEAST_QUESTION = 4
"""Words of a question that is noticed when it comes again; fewer may be part of an answer."""


class EchoFilter(BaseFilter):
    """Rejects what repeats the prompt in place of following it.

    That is: a run of words of the instructions or the examples that the source does not hold, the
    question again, a marker such as ``Summary:`` at the beginning of a line or ``<|im_end|>``
    anywhere that the source does not have, and what an assistant says before it begins.

    Parameters
    ----------
    run : int, >= 1
        Words of the prompt that must follow each other in the candidate, or all of it if it has
        fewer and more than two.
    """

    name: ClassVar[str] = "echo"
    extracts: ClassVar[bool] = False

    def __init__(self, *, run: int = 6) -> None:
        self.run = check_count(run, "run", self.name)

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        for found in (_MARKER.search(text), _TOKEN.search(text), _PREAMBLE.search(text)):
            if found and found[0].strip() not in pool.source:
                return f"it repeats the form of a prompt, {quoted(found[0])}"
        said = words(text)
        asked = words(pool.question)
        if len(asked) >= _LEAST_QUESTION and runs(said, asked, len(asked)):
            return f"it repeats the question, {quoted(pool.question)}"
        return self._repeats_prompt(pool, said)

    def _repeats_prompt(self, pool: Pool, said: list[str]) -> str | None:
        least = min(self.run, len(said))
        if not pool.prompt or least < min(self.run, 3):
            return None
        told = words(pool.prompt.replace(pool.source, "\n") if pool.source else pool.prompt)
        held = pool.source_words
        for start, stop in runs(said, told, least):
            part = said[start:stop]
            if not runs(part, held, len(part)):
                return f"it repeats the prompt, {quoted(' '.join(part))}"
        return None
