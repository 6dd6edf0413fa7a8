"""The inputs of a template: their names, types and defaults."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from embedkit.errors import InvalidInputError, TemplateError

Kind = Literal["text", "integer", "number", "boolean", "list", "object"]
KINDS: dict[Kind, str] = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "object": "an object",
}
REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Variable:
    """One input.

    Attributes
    ----------
    name : str
    kind : {"text", "integer", "number", "boolean", "list", "object"}
    default : JSON value
        Taken where none is given; ``REQUIRED`` where one has to be.
    description : str
    choices : tuple
        The values that it may have, where not every one will do.
    """

    name: str
    kind: Kind = "text"
    default: Any = REQUIRED
    description: str = ""
    choices: tuple[Any, ...] = ()

    @property
    def required(self) -> bool:
        """Whether a value has to be given."""
        return self.default is REQUIRED

    def check(self, value: Any) -> Any:
        """Return the value in the variable's type; a text is read as one where that is clear.

        Raises
        ------
        InvalidInputError
        """
        read = _read(value, self.kind)
        if read is None:
            raise InvalidInputError(f"expected {KINDS[self.kind]} for {self.name!r}, got {value!r}")
        if self.choices and read not in self.choices:
            listed = ", ".join(map(str, self.choices))
            raise InvalidInputError(f"expected {self.name!r} to be one of {listed}, got {read!r}")
        return read


def settle(variables: Sequence[Variable], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for every variable.

    Raises
    ------
    InvalidInputError
        A value is missing, of another type, or for no variable; the nearest name is offered.
    """
    known = {variable.name: variable for variable in variables}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InvalidInputError(
                f"the template has no input {name!r}",
                do=f"{hint}it takes: {', '.join(known) or 'none'}",
            )
    missing = [v.name for v in variables if v.required and given.get(v.name) is None]
    if missing:
        raise InvalidInputError(
            f"expected a value for {', '.join(map(repr, missing))}, got none",
            do=f"pass {missing[0]}=…",
        )
    return {
        variable.name: (
            variable.default
            if given.get(variable.name) is None
            else variable.check(given[variable.name])
        )
        for variable in variables
    }


def parse_variables(body: Any, where: str) -> tuple[Variable, ...]:
    """Read the inputs of a template's file: a table of tables, one an input.

    Raises
    ------
    TemplateError
    """
    if not isinstance(body, Mapping):
        raise TemplateError(f"{where}: expected a table [inputs.NAME] for each input")
    return tuple(_variable(name, each, where) for name, each in body.items())


def _variable(name: str, body: Any, where: str) -> Variable:
    at = f"{where}, input {name!r}"
    if not name.isidentifier():
        raise TemplateError(f"{at}: expected a name of letters, digits and _")
    if not isinstance(body, Mapping):
        raise TemplateError(f"{at}: expected a table, got {body!r}")
    unknown = set(body) - {"type", "default", "description", "choices"}
    if unknown:
        raise TemplateError(
            f"{at}: {sorted(unknown)[0]!r} is not known",
            do="there are: type, default, description, choices",
        )
    kind = body.get("type", "text")
    if kind not in KINDS:
        raise TemplateError(
            f"{at}: type {kind!r} is not known", do=f"there are: {', '.join(KINDS)}"
        )
    choices = body.get("choices", ())
    if not isinstance(choices, (list, tuple)):
        raise TemplateError(f"{at}: expected choices to be a list, got {choices!r}")
    made = Variable(name, kind, REQUIRED, str(body.get("description", "")), tuple(choices))
    if "default" not in body:
        return made
    try:
        default = made.check(body["default"])
    except InvalidInputError as error:
        raise TemplateError(f"{at}: its default: {error.message}") from error
    return Variable(name, kind, default, made.description, made.choices)


def _read(value: Any, kind: Kind) -> Any:
    """Return the value as that type, None where it is of none such."""
    if kind == "text":
        return value if isinstance(value, str) else _told(value)
    if isinstance(value, str):
        return _parsed(value, kind)
    right = {
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "list": isinstance(value, (list, tuple)),
        "object": isinstance(value, Mapping),
    }[kind]
    if not right or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return list(value) if isinstance(value, tuple) else value


def _told(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else None


def _parsed(text: str, kind: Kind) -> Any:
    """Read a value out of a text, as a cell of a table or an option of a command holds it."""
    if kind == "list" and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return None if isinstance(value, str) else _read(value, kind)
