"""Checks of the fields of a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ApiError(Exception):
    """A reply that is no success.

    Parameters
    ----------
    status : int
        The status of HTTP.
    message : str
        What the body says.
    code : str, optional
        A service's name for the error, where it has one.
    headers : dict of str to str
        More headers.
    """

    status: int
    message: str
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A type that a field may have."""

    name: str
    fits: Callable[[Any], bool]


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


STRING = Kind("a string", lambda value: isinstance(value, str))
TEXTS = Kind("an array of strings", _texts)
TEXT_OR_TEXTS = Kind(
    "a string or an array of strings", lambda value: isinstance(value, str) or _texts(value)
)
INTEGER = Kind("an integer", _integer)
NUMBER = Kind("a number", lambda value: _integer(value) or isinstance(value, float))
BOOLEAN = Kind("a boolean", lambda value: isinstance(value, bool))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
OBJECTS = Kind(
    "an array of objects",
    lambda value: isinstance(value, list) and all(isinstance(part, dict) for part in value),
)
LIST = Kind("an array", lambda value: isinstance(value, list))
ANY = Kind("anything", lambda value: True)


def checked(
    body: Mapping[str, Any], known: Mapping[str, Kind], *, wrong: int = 422
) -> dict[str, Any]:
    """Return the fields that are not null, all of them known and of the right type.

    Raises
    ------
    ApiError
        With the status ``wrong``.
    """
    for name, value in body.items():
        if name not in known:
            raise ApiError(wrong, f"unknown field: parameter '{name}' is not a valid field")
        if value is not None and not known[name].fits(value):
            got = type(value).__name__
            raise ApiError(wrong, f"invalid type: '{name}' should be {known[name].name}, is {got}")
    return {name: value for name, value in body.items() if value is not None}


def within(values: Mapping[str, Any], name: str, low: float, high: float) -> None:
    """Refuse a number outside its bounds with status 400."""
    if name in values and not low <= values[name] <= high:
        raise ApiError(400, f"invalid request: {name} must be between {low} and {high}")


def one_of(values: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is none of those allowed with status 400."""
    if name in values and values[name] not in allowed:
        raise ApiError(400, f"invalid request: {name} must be one of {', '.join(allowed)}")
