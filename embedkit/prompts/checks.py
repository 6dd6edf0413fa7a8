"""What an answer has to be: short enough, one of a list, JSON of a shape.

What is asked may hang on an input of the template: ``one_of = "labels"`` asks for one of the labels
that were given, ``max_words = "words"`` for as many words as were wanted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from embedkit.errors import TemplateError
from embedkit.prompts.choices import Choices
from embedkit.prompts.schemas import against_schema, check_schema

COUNTS = ("min_words", "max_words", "max_characters")
_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")
_KEYS = {"min_words", "max_words", "max_characters", "one_of", "list", "json", "schema"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer passes.

    Attributes
    ----------
    value : JSON value
        The answer as it is meant: the text without blanks around, the member of the list in its own
        spelling, the value that JSON tells; None where it does not pass.
    reason : str
        Why it does not; empty where it does.
    """

    value: Any = None
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether there is nothing against it."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """What is asked of an answer; what is None or empty is not asked.

    Attributes
    ----------
    min_words, max_words, max_characters : int, str or None
        Or the name of the input that holds the number.
    one_of : tuple of str, or str
        Compared without case, and without the marks, blanks and words such as ``Label:`` around;
        the first line that says something counts. Or the name of the input that holds the list.
    list : bool
        Whether it is a list: a text a line, or texts between commas. Repeats are passed over.
    json : bool
        Whether it has to be JSON; a fence of three backticks around it is taken off.
    schema : mapping or None
        JSON Schema, draft 2020-12, of that JSON.
    """

    min_words: int | str | None = None
    max_words: int | str | None = None
    max_characters: int | str | None = None
    one_of: tuple[str, ...] | str = ()
    list: bool = False
    json: bool = False
    schema: Mapping[str, Any] | None = field(default=None, hash=False)

    @classmethod
    def parse(cls, body: Any, where: str) -> OutputCheck:
        """Read the table ``[check]`` of a template's file.

        Raises
        ------
        TemplateError
        """
        if not isinstance(body, Mapping):
            raise TemplateError(f"{where}: expected a table [check], got {body!r}")
        for key, value in body.items():
            _check_entry(key, value, where)
        if "schema" in body:
            check_schema(body["schema"], where)
        one_of = body.get("one_of", ())
        return cls(
            **{
                **body,
                "one_of": one_of if isinstance(one_of, str) else tuple(map(str, one_of)),
                "json": bool(body.get("json", "schema" in body)),
            }
        )

    def refuse_unknown(self, kinds: Mapping[str, str], where: str) -> None:
        """Refuse the name of an input that is not there, or holds something else.

        Parameters
        ----------
        kinds : mapping of str to str
            The inputs and their types.

        Raises
        ------
        TemplateError
        """
        for check, name in self._named().items():
            kind = "list" if check == "one_of" else "integer"
            if kinds.get(name) != kind:
                fitting = ", ".join(each for each, told in kinds.items() if told == kind) or "none"
                raise TemplateError(
                    f"{where}: the check {check} asks for {name!r}, which is no input of type "
                    f"{kind}",
                    do=f"name one of: {fitting}",
                )

    def settled(self, values: Mapping[str, Any]) -> OutputCheck:
        """Return the check with the values of the inputs that it names."""
        found: dict[str, Any] = {check: values[name] for check, name in self._named().items()}
        if "one_of" in found:
            found["one_of"] = tuple(map(str, found["one_of"]))
        return replace(self, **found) if found else self

    def _named(self) -> dict[str, str]:
        told = {name: getattr(self, name) for name in (*COUNTS, "one_of")}
        return {name: value for name, value in told.items() if isinstance(value, str)}

    def judge(self, text: str) -> Verdict:
        """Say whether an answer passes, and what it means."""
        told = text.strip()
        if not told:
            return Verdict(reason="empty")
        reason = self._wrong_size(told)
        if reason:
            return Verdict(reason=reason)
        if self.one_of:
            return self._member(told)
        if self.list:
            return _listed(told)
        return self._read_json(told) if self.json else Verdict(told)

    def _wrong_size(self, told: str) -> str:
        words = len(told.split())
        for count, least, most, unit in (
            (words, self.min_words, self.max_words, "words"),
            (len(told), None, self.max_characters, "characters"),
        ):
            if isinstance(least, int) and count < least:
                return f"{count} {unit}, expected at least {least}"
            if isinstance(most, int) and count > most:
                return f"{count} {unit}, expected at most {most}"
        return ""

    def _member(self, told: str) -> Verdict:
        choices = tuple(self.one_of)
        place = Choices(choices).place(told)
        if place is None:
            return Verdict(reason=f"{told[:40]!r} is not one of {', '.join(choices)[:400]}")
        return Verdict(choices[place])

    def _read_json(self, told: str) -> Verdict:
        fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", told, re.DOTALL | re.IGNORECASE)
        try:
            value = json.loads(fenced.group(1) if fenced else told)
        except (ValueError, RecursionError) as error:
            return Verdict(reason=f"not JSON: {error}")
        if self.schema is None:
            return Verdict(value)
        reason = against_schema(value, self.schema)
        return Verdict(reason=reason) if reason else Verdict(value)


def _listed(told: str) -> Verdict:
    lines = [line for line in told.splitlines() if line.strip()]
    parts = lines if len(lines) > 1 else told.split(",")
    items = (_MARK.sub("", part).strip(" \t\"'.;") for part in parts)
    unique: dict[str, str] = {}
    for item in items:
        if item:
            unique.setdefault(item.casefold(), item)
    return Verdict(list(unique.values())) if unique else Verdict(reason="a list of nothing")


def _check_entry(key: str, value: Any, where: str) -> None:
    if key not in _KEYS:
        raise TemplateError(
            f"{where}: the check {key!r} is not known", do=f"there are: {', '.join(sorted(_KEYS))}"
        )
    name = isinstance(value, str) and value.isidentifier()
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    right = {
        "one_of": name or (isinstance(value, list) and len(value) > 1),
        "json": isinstance(value, bool),
        "list": isinstance(value, bool),
        "schema": isinstance(value, Mapping),
    }.get(key, name or whole)
    if not right:
        raise TemplateError(f"{where}: {value!r} cannot be meant for the check {key!r}")
