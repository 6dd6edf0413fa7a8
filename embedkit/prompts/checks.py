"""What an answer has to be: short enough, one of a list, JSON of a shape."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embedkit.errors import MissingDependencyError, TemplateError

_KEYS = {"min_words", "max_words", "max_characters", "one_of", "json", "schema"}


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
    min_words, max_words, max_characters : int or None
    one_of : tuple of str
        Compared without case, and without the marks and blanks around.
    json : bool
        Whether it has to be JSON; a fence of three backticks around it is taken off.
    schema : mapping or None
        JSON Schema, draft 2020-12, of that JSON.
    """

    min_words: int | None = None
    max_words: int | None = None
    max_characters: int | None = None
    one_of: tuple[str, ...] = ()
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
        return cls(
            **{
                **body,
                "one_of": tuple(map(str, body.get("one_of", ()))),
                "json": bool(body.get("json", "schema" in body)),
            }
        )

    def judge(self, text: str) -> Verdict:
        """Say whether an answer passes, and what it means."""
        told = text.strip()
        words = len(told.split())
        if not told:
            return Verdict(reason="empty")
        if self.min_words is not None and words < self.min_words:
            return Verdict(reason=f"{words} words, expected at least {self.min_words}")
        if self.max_words is not None and words > self.max_words:
            return Verdict(reason=f"{words} words, expected at most {self.max_words}")
        if self.max_characters is not None and len(told) > self.max_characters:
            return Verdict(reason=f"{len(told)} characters, expected at most {self.max_characters}")
        if self.one_of:
            return self._member(told)
        return self._read_json(told) if self.json else Verdict(told)

    def _member(self, told: str) -> Verdict:
        folded = _folded(told)
        for choice in self.one_of:
            if _folded(choice) == folded:
                return Verdict(choice)
        return Verdict(reason=f"{told[:40]!r} is not one of {', '.join(self.one_of)}")

    def _read_json(self, told: str) -> Verdict:
        fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", told, re.DOTALL | re.IGNORECASE)
        try:
            value = json.loads(fenced.group(1) if fenced else told)
        except (ValueError, RecursionError) as error:
            return Verdict(reason=f"not JSON: {error}")
        if self.schema is None:
            return Verdict(value)
        wrong = next(_validator(self.schema).iter_errors(value), None)
        if wrong is None:
            return Verdict(value)
        return Verdict(reason=f"not of the schema: {wrong.message} at {wrong.json_path}")


def _validator(schema: Mapping[str, Any]) -> Any:
    try:
        import jsonschema
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "checking JSON by a schema needs jsonschema, which is not installed",
            do="run: pip install 'embedkit[generate]'",
        ) from error
    # References lead nowhere but into the schema itself: nothing is fetched.
    return jsonschema.Draft202012Validator(dict(schema))


def _folded(text: str) -> str:
    return re.sub(r"^\W+|\W+$", "", text).casefold()


def _check_entry(key: str, value: Any, where: str) -> None:
    if key not in _KEYS:
        raise TemplateError(
            f"{where}: the check {key!r} is not known", do=f"there are: {', '.join(sorted(_KEYS))}"
        )
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    right = {
        "one_of": isinstance(value, list) and len(value) > 1,
        "json": isinstance(value, bool),
        "schema": isinstance(value, Mapping),
    }.get(key, whole)
    if not right:
        raise TemplateError(f"{where}: {value!r} cannot be meant for the check {key!r}")
