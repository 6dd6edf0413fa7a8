"""Spellings of one label: ``1`` and ``1.0``, ``true`` and ``True``."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))(?:\.0*)?")
"""A whole number, also with a point; with a zero before it, it is a code."""


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
