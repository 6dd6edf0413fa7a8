"""The values in a spec such as ``annoy?n_trees=50``: texts, read as a backend's parameters want."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from embedkit.errors import InvalidInputError


def parameters(target: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the annotations of the positional parameters and of the keyword-only ones."""
    called = target.__init__ if inspect.isclass(target) else target
    try:
        hints = typing.get_type_hints(called)
    except NameError:  # annotations that exist for type checkers only
        hints = {}
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for name, parameter in inspect.signature(target).parameters.items():
        annotation = hints.get(name, str)
        if parameter.kind is parameter.KEYWORD_ONLY:
            keywords[name] = annotation
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(annotation)
    return positional, keywords


def required(target: Callable[..., Any]) -> str:
    """Return the name of the first parameter, in capitals, if it must be given."""
    for name, parameter in inspect.signature(target).parameters.items():
        named = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if named and parameter.default is parameter.empty:
            return name.upper()
    return ""


def convert(value: str, annotation: Any, backend: str, option: str) -> Any:
    """Return what a text in a spec means where a value of that annotation is wanted.

    Parameters
    ----------
    backend, option : str
        What it is for, for the message.

    Raises
    ------
    InvalidInputError
    """
    choices = _members(annotation)
    text = value.strip()
    for kind in choices:
        if typing.get_origin(kind) is Literal:
            if text in typing.get_args(kind):
                return text
        elif kind is bool:
            if text.lower() in _BOOLEANS:
                return _BOOLEANS[text.lower()]
        elif kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        elif kind is type(None):
            if text.lower() in ("", "none"):
                return None
        elif kind is str:
            return value  # a prefix of texts may well end in a blank
    wanted = " or ".join(_describe(kind) for kind in choices)
    raise InvalidInputError(f"{backend}: expected {wanted} for {option}, got {value!r}")


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _members(annotation: Any) -> list[Any]:
    """Return the members of a union, the ones that take fewer texts first."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = list(typing.get_args(annotation))
    else:
        members = [annotation]
    order = {int: 1, float: 2, str: 9}
    return sorted(members, key=lambda kind: order.get(kind, 0))


def _describe(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(
        kind, "none"
    )
