"""A text in a language that nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.filters.base import BaseFilter
from embedkit.ranking.languages import language

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool


class OtherLanguageFilter(BaseFilter):
    """Rejects a candidate in another script or language than its source, and the question.

    Languages are told by their small words, for ten languages in Latin script; what does not tell,
    such as a title, passes.
    """

    name: ClassVar[str] = "other-language"

    def _reason(self, pool: Pool, place: int, text: str) -> str | None:
        said = language(text)
        asked = [language(each) for each in (pool.source, pool.question) if each.strip()]
        wanted = [each for each in asked if each.script]
        if not said.script or not wanted:
            return None
        if said.script not in {each.script for each in wanted}:
            return f"written in {said.script} script, the source in {wanted[0].script}"
        same = [each for each in wanted if each.script == said.script]
        if said.name and all(each.name not in ("", said.name) for each in same):
            return f"written in {said.name}, the source in {same[0].name}"
        return None
