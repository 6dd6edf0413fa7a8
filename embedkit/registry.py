"""Every backend is a name: the specs that name backends, built in or registered by others.

A spec is ``name``, ``name:argument`` or ``name:argument?option=value&option=value``. The argument
is the first positional parameter of the backend's constructor, the options are its keyword-only
parameters, converted by their annotations. A backend is imported when its name is used, not before.

A new backend is one module and one row of :data:`embedkit.builtin.ROWS`. Others register through
entry-point groups (``embedkit.embedders`` and so on, one a family), which are read only when a name
is not built in.
"""

from __future__ import annotations

import difflib
import importlib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embedkit.builtin import ROWS as ROWS
from embedkit.builtin import Family as Family
from embedkit.builtin import Row as Row
from embedkit.errors import InvalidInputError, MissingDependencyError, UnknownBackendError
from embedkit.spec_values import convert, parameters, required

GROUPS: dict[Family, str] = {
    "embedder": "embedkit.embedders",
    "index": "embedkit.indexes",
    "reranker": "embedkit.rerankers",
    "generator": "embedkit.generators",
    "ranker": "embedkit.rankers",
    "filter": "embedkit.filters",
    "head": "embedkit.heads",
    "source": "embedkit.sources",
}


@dataclass(frozen=True, slots=True)
class Spec:
    """A backend's name, its argument and its options, as written in a string."""

    name: str
    argument: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read ``name[:argument][?option=value&…]``.

        Raises
        ------
        InvalidInputError
            Where there is no name, or an option without a value.
        """
        head, _, tail = text.partition("?")
        name, colon, argument = head.strip().partition(":")
        if not name:
            raise InvalidInputError(
                f"expected a spec such as 'minilm' or 'annoy?n_trees=50', got {text!r}"
            )
        options: dict[str, str] = {}
        for pair in filter(None, tail.split("&")):
            option, equals, value = pair.partition("=")
            if not equals or not option:
                raise InvalidInputError(
                    f"expected option=value after '?' in the spec {text!r}, got {pair!r}"
                )
            options[option] = value
        return cls(name, argument if colon else None, options)

    def __str__(self) -> str:
        head = self.name if self.argument is None else f"{self.name}:{self.argument}"
        tail = "&".join(f"{option}={value}" for option, value in self.options.items())
        return f"{head}?{tail}" if tail else head


def rows(family: Family | None = None) -> list[Row]:
    """Return the built-in backends, of one family or all."""
    return [row for row in ROWS if family is None or row.family == family]


def names(family: Family) -> list[str]:
    """Return the names of a family's backends: built in first, then registered from outside."""
    built_in = [row.name for row in rows(family)]
    outside = sorted(point.name for point in _entry_points(family))
    return built_in + [name for name in outside if name not in built_in]


def resolve(family: Family, name: str) -> Callable[..., Any]:
    """Import the backend of that name and return its class.

    Raises
    ------
    UnknownBackendError
        No backend of that family has the name; the nearest one is offered.
    MissingDependencyError
        Its library is not installed; the message holds the line that installs it.
    """
    for row in rows(family):
        if row.name == name:
            return _load(row)
    for point in _entry_points(family):
        if point.name == name:
            loaded: Callable[..., Any] = point.load()
            return loaded
    raise UnknownBackendError(
        f"expected the name of {_article(family)}, got {name!r}", do=_suggest(name, names(family))
    )


def create(family: Family, spec: str | Spec, *arguments: Any) -> Any:
    """Build the backend that a spec names.

    Parameters
    ----------
    arguments
        Passed before the options, in place of the spec's own argument.

    Raises
    ------
    InvalidInputError
        An option that the backend does not have, or a value of the wrong type.
    """
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    target = resolve(family, spec.name)
    positional, keywords = parameters(target)
    if not arguments and spec.argument is not None:
        if not positional:
            raise InvalidInputError(
                f"{spec.name} takes nothing after a colon, got {spec.argument!r}",
                do=f"write {spec.name!r}, with options after '?'",
            )
        arguments = (convert(spec.argument, positional[0], spec.name, "the part after ':'"),)
    if not arguments and required(target):
        raise InvalidInputError(
            f"{spec.name} needs something after a colon",
            do=f"write {spec.name}:{required(target)}",
        )
    unknown = [option for option in spec.options if option not in keywords]
    if unknown:
        raise InvalidInputError(
            f"{spec.name} has no option {unknown[0]!r}",
            do=_suggest(unknown[0], list(keywords)) if keywords else "it takes no options",
        )
    options = {
        option: convert(value, keywords[option], spec.name, option)
        for option, value in spec.options.items()
    }
    return target(*arguments, **options)


def _load(row: Row) -> Callable[..., Any]:
    module, _, attribute = row.target.partition(":")
    try:
        loaded: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in row.requires:
            raise
        raise MissingDependencyError(
            f"{row.family} {row.name!r} needs {missing}, which is not installed",
            do=f"run: {row.install}",
        ) from error
    return loaded


def _entry_points(family: Family) -> typing.Iterable[Any]:
    from importlib.metadata import entry_points

    return entry_points(group=GROUPS[family])


def _article(family: Family) -> str:
    return f"{'an' if family[0] in 'aeiou' else 'a'} {family}"


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    listed = "there are: " + ", ".join(known)
    return f"did you mean {near[0]!r}? {listed}" if near else listed
