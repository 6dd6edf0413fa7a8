"""The other side of a comparison, as one string says it: ``"mode=hybrid,rerank=lexical"``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from embedkit.errors import InvalidInputError
from embedkit.retrieval.options import SearchOptions

_KINDS: Mapping[str, type] = {
    "candidates": int,
    "diversity": float,
    "min_score": float,
    "min_confidence": float,
}
_LEFT_OUT = frozenset(("offset", "explain"))
_OPENING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Variant:
    """Another search.

    Attributes
    ----------
    collection : str
        Its collection; empty for the same.
    run : str
        A file of hits that were found elsewhere, in place of searching; empty for none.
    options : mapping of name to value
        Options that differ; None takes one back.
    """

    collection: str = ""
    run: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def applied(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of the other search, given those of the first."""
        merged = {**options, **self.options}
        if merged.get("mode", "dense") != "hybrid" and "fusion" not in self.options:
            merged.pop("fusion", None)  # there is nothing to fuse any more
        return {name: value for name, value in merged.items() if value is not None}


def parse_variant(text: str) -> Variant:
    """Read a variant.

    Parameters
    ----------
    text : str
        Names and values, separated by commas: options of a search (``mode=hybrid``, ``none`` takes
        one back), ``collection=NAME`` (or the name alone, first) and ``run=FILE``. Commas within
        quotes or brackets separate nothing: ``where=lang in ('de', 'en')``.

    Raises
    ------
    InvalidInputError
        A name that there is not (the nearest is offered), a value that cannot be meant, or nothing.
    """
    known = [name for name in SearchOptions.__annotations__ if name not in _LEFT_OUT]
    given: dict[str, str] = {}
    for place, part in enumerate(_parts(text)):
        name, equals, value = part.partition("=")
        name, value = name.strip().replace("-", "_"), value.strip()
        if not equals and not place:
            name, value = "collection", part
        if name not in (*known, "collection", "run"):
            near = difflib.get_close_matches(name, [*known, "collection", "run"], n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise InvalidInputError(f"a comparison has no {name!r}", do=hint)
        if not value:
            raise InvalidInputError(f"expected {name}=VALUE, got {part!r}")
        if name in given:
            raise InvalidInputError(f"expected {name} once, got it twice in {text!r}")
        given[name] = value
    if not given:
        raise InvalidInputError("expected what to compare with, such as 'mode=hybrid', got nothing")
    if "run" in given and len(given) > 1:
        raise InvalidInputError(
            f"expected run=FILE alone, got {text!r}", do="a run was made with options of its own"
        )
    return Variant(
        given.pop("collection", ""),
        given.pop("run", ""),
        {name: _value(name, value) for name, value in given.items()},
    )


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between the commas that are outside of quotes and brackets."""
    waiting, quote, closing = "", "", [""]
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in _OPENING:
            closing.append(_OPENING[character])
        elif character == closing[-1]:
            closing.pop()
        elif character == "," and len(closing) == 1:
            yield waiting.strip()
            waiting = ""
            continue
        waiting += character
    if waiting.strip():
        yield waiting.strip()


def _value(name: str, value: str) -> Any:
    if value.lower() == "none":
        return None
    kind = _KINDS.get(name, str)
    try:
        return kind(value)
    except ValueError:
        raise InvalidInputError(f"expected a number for {name}, got {value!r}") from None
