"""Labels as they are written: several in a cell, none, ``1`` and ``1.0`` for one."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from embedkit.errors import InvalidInputError

SEPARATOR = ";"
_MISSING = frozenset(("nan", "<na>"))
"""What libraries write where there is no value."""

_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))(?:\.0*)?")
"""A whole number, also with a point; with a zero before it, it is a code."""


@dataclass(frozen=True, slots=True)
class How:
    """How labels are to be read.

    Attributes
    ----------
    multi : bool
        Whether a row may have several labels.
    separator : str
        What stands between them, where they are not a list.
    order : tuple of str
        All labels that there may be; empty where that is not said.
    """

    multi: bool = False
    separator: str = SEPARATOR
    order: tuple[str, ...] = ()


def is_missing(value: Any) -> bool:
    """Whether a value stands for no label: nothing, blanks, or not a number."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and (not value.strip() or value.strip().casefold() in _MISSING)


def labels_of(value: Any, how: How, line: int) -> tuple[str, ...]:
    """Return the labels of a row as text.

    Raises
    ------
    InvalidInputError
        A list, and only one label is expected.
    """
    if isinstance(value, list):
        if not how.multi:
            raise InvalidInputError(
                f"expected one label a row, got a list in line {line}", do="say --multi-label"
            )
        return tuple(label_text(one) for one in value if not is_missing(one))
    text = label_text(value)
    if not how.multi:
        return (text,)
    written = _json_list(text)
    parts = [part.strip() for part in (text.split(how.separator) if written is None else written)]
    return tuple(part for part in parts if part)


def _json_list(text: str) -> list[str] | None:
    """Return the texts of a JSON list, as `predict` writes them; None where it is none."""
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return value if texts else None


def check_known(labels: Iterable[str], order: Sequence[str], source: str, line: int) -> None:
    """Refuse a label that is not among those that there may be, where these are said.

    Raises
    ------
    InvalidInputError
        The nearest is offered.
    """
    for label in labels if order else ():
        if label not in order:
            raise InvalidInputError(
                f"{source}, line {line}: expected one of the labels {', '.join(order)},"
                f" got {label!r}",
                do=f"{nearest(label, order)}mend the row, or name all labels in their order",
            )


def nearest(label: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? `` where a label is much like a known one, else nothing."""
    near = difflib.get_close_matches(label, list(known), n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def label_text(value: Any) -> str:
    """Return a label as text: ``1`` for 1 and 1.0, ``true`` for True, without outer blanks."""
    from embedkit_connectors.columns import as_text

    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return as_text(value).strip()


def merged(counts: Counter[str], notes: list[str]) -> dict[str, str]:
    """Return the spellings that are others' labels, and note what was found."""
    groups: dict[str, list[str]] = {}
    for label in counts:
        groups.setdefault(label_key(label), []).append(label)
    found: dict[str, str] = {}
    for key, spellings in groups.items():
        if len(spellings) > 1:
            shown = ", ".join(repr(spelling) for spelling in spellings)
            notes.append(f"{shown} are taken for one label, {key!r}")
            found |= dict.fromkeys(spellings, key)
    alike: dict[str, list[str]] = {}
    for label in counts:
        alike.setdefault(" ".join(label.casefold().split()), []).append(label)
    for spellings in alike.values():
        if len({found.get(one, one) for one in spellings}) > 1:
            shown = " and ".join(f"{one!r} ({counts[one]:,})" for one in spellings)
            notes.append(f"{shown} differ only in case or blanks, and are labels of their own")
    return found


def label_key(label: str) -> str:
    """Return what all spellings of a label share: ``1`` of ``1.0``, ``true`` of ``True``."""
    whole = _WHOLE.fullmatch(label)
    if whole is not None:
        return str(int(whole[1]))
    return label.casefold() if label.casefold() in ("true", "false") else label
