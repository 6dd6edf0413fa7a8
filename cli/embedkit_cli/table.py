"""Tables for people: as wide as the terminal at most, never broken by what is in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from embedkit_cli.text import clean, cut, pad, width

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    values: Sequence[Any]
    right: bool = False
    stretch: bool = False
    """Takes what the others leave, and is cut first. One at most."""
    optional: bool = False
    """Left out where there is no room."""
    comfortable: int = 60
    """What a column that stretches should have before optional ones are added."""
    widest: int = 0
    """Columns of the terminal that it may take; 0 for no limit of its own."""


def terminal_width() -> int:
    """Return the columns of the terminal, 80 where there is none."""
    return max(20, shutil.get_terminal_size((80, 24)).columns)


def render(columns: Sequence[Column], columns_wide: int | None = None) -> str:
    """Return the table as lines, the titles first."""
    total = columns_wide or terminal_width()
    # Nothing shows more than the terminal's width of a value, so nothing longer is cleaned.
    cells = [[cell(value, total) for value in column.values] for column in columns]
    widths = _widths(columns, cells, total)
    shown = [i for i, wide in enumerate(widths) if wide]
    lines = []
    heading = [pad(columns[i].title, widths[i], right=columns[i].right) for i in shown]
    lines.append(click.style((" " * GAP).join(heading).rstrip(), bold=True))
    for row in range(len(columns[0].values)):
        fitted = [
            pad(cut(cells[i][row], widths[i]), widths[i], right=columns[i].right) for i in shown
        ]
        lines.append((" " * GAP).join(fitted).rstrip())
    return "\n".join(lines)


def _widths(columns: Sequence[Column], cells: list[list[str]], total: int) -> list[int]:
    """Return the width of each column; 0 for one that is left out."""
    natural = [
        max([width(column.title), *map(width, listed)])
        for column, listed in zip(columns, cells, strict=True)
    ]
    capped = [
        min(wide, max(column.widest, width(column.title))) if column.widest else wide
        for column, wide in zip(columns, natural, strict=True)
    ]
    widths = [
        0 if column.stretch or column.optional else wide
        for column, wide in zip(columns, capped, strict=True)
    ]
    stretch = next((i for i, column in enumerate(columns) if column.stretch), None)
    left = total - sum(widths) - GAP * (sum(map(bool, widths)) + (stretch is not None) - 1)
    wanted = 0
    if stretch is not None:
        wanted = min(capped[stretch], max(columns[stretch].comfortable, left * 6 // 10))
    for i, column in enumerate(columns):
        if column.optional and left - capped[i] - GAP >= wanted:
            widths[i] = capped[i]
            left -= capped[i] + GAP
    if stretch is not None:
        widths[stretch] = max(min(capped[stretch], left), 8)
    return widths


def cell(value: Any, longest: int) -> str:
    """Return a value as a person reads it, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, (list, dict)):
        return clean(json.dumps(value, ensure_ascii=False, default=str)[: longest * 4])
    return clean(str(value)[: longest * 4 + 64])


def numeric(values: Sequence[Any]) -> bool:
    """Return whether a column holds numbers, which stand better to the right."""
    found = [value for value in values if value is not None]
    return bool(found) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in found
    )


def facts(pairs: Sequence[tuple[str, Any]]) -> str:
    """Return names and values, a pair a line, the values aligned and whole."""
    names = max(width(name) for name, _ in pairs)
    margin = names + GAP
    lines = []
    for name, value in pairs:
        told = value.splitlines() if isinstance(value, str) else [cell(value, 10_000)]
        first, *rest = _wrapped(told, terminal_width() - margin)
        lines.append((click.style(pad(clean(name), names), bold=True) + " " * GAP + first).rstrip())
        lines += [" " * margin + line for line in rest]
    return "\n".join(lines)


def _wrapped(paragraphs: Sequence[str], room: int) -> list[str]:
    """Return lines of at most ``room`` columns; paths and commands stay whole, to be copied."""
    import textwrap

    return [
        line
        for text in paragraphs
        for line in textwrap.wrap(
            clean(text), max(room, 30), break_long_words=False, break_on_hyphens=False
        )
    ] or [""]


def checklist(rows: Sequence[tuple[str, str, str, str]], colours: Mapping[str, str]) -> str:
    """Return lines of state, part, detail and remedy; long ones go on below, nothing is cut.

    Parameters
    ----------
    colours : mapping of state to colour
    """
    states = max(width(state) for state, *_ in rows)
    parts = max(width(part) for _, part, *_ in rows)
    margin = states + parts + 2 * GAP
    room = terminal_width() - margin
    lines = []
    for state, part, detail, remedy in rows:
        wrapped = _wrapped([detail, f"-> {remedy}"] if remedy else [detail], room)
        mark = click.style(pad(state, states), fg=colours.get(state))
        lines.append(f"{mark}  {pad(clean(part), parts)}  {wrapped[0]}".rstrip())
        lines += [" " * margin + line for line in wrapped[1:]]
    return "\n".join(lines)
