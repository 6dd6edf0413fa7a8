"""Data on stdout, in the format that was asked for."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import click

from embedkit_cli.session import is_terminal
from embedkit_cli.text import harmless

# JSON needs no escape for these, but a terminal does, and lone surrogates cannot be encoded.
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

CHUNK = 2**16
"""Characters that are written together."""


def emit(
    form: str,
    value: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    table: Callable[[], str],
) -> None:
    """Print an object or a list of objects.

    Parameters
    ----------
    form : str
        ``json`` (one value), ``jsonl`` (an object a line), ``csv`` or ``table``.
    table : callable
        Makes the table; called only for that format.
    """
    rows = [value] if isinstance(value, Mapping) else value
    if form == "json":
        click.echo(to_json(value, indent=2))
    elif form == "jsonl":
        write(to_json(row) + "\n" for row in rows)
    elif form == "csv":
        write(csv_lines(rows))
    else:
        text = table()
        if text:
            click.echo(text)


def write(parts: Iterable[str], *, cleaned: bool = False) -> None:
    """Print parts as they come, made harmless where a terminal reads them.

    Parameters
    ----------
    cleaned : bool
        The parts are harmless already, but for styles of ours.
    """
    shown = is_terminal(sys.stdout) and not cleaned
    waiting: list[str] = []
    held = 0
    for part in parts:
        waiting.append(harmless(part) if shown else part)
        held += len(part)
        # Every echo is a system call: a line each would cost more than the search.
        if held >= CHUNK:
            click.echo("".join(waiting), nl=False)
            waiting, held = [], 0
    click.echo("".join(waiting), nl=False)


def to_json(value: Any, indent: int | None = None) -> str:
    """Return JSON: dates in ISO 8601, null for what is no number, no raw control characters."""
    ascii_only = not (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    text = json.dumps(plain(value), ensure_ascii=ascii_only, allow_nan=False, indent=indent)
    # All of these can only stand inside strings, where an escape means the same.
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value)


def csv_lines(rows: Sequence[Mapping[str, Any]], header: Sequence[str] = ()) -> Iterable[str]:
    """Return the lines of a CSV file, its header first; nested values as JSON.

    Parameters
    ----------
    header : sequence of str
        The columns; all that occur, where it is not given.
    """
    columns = list(header) or list(dict.fromkeys(key for row in rows for key in row))
    yield csv_line(columns)
    for row in rows:
        yield csv_line([row.get(column) for column in columns])


def csv_line(values: Sequence[Any]) -> str:
    """Return one line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_csv_cell(value) for value in values])
    return line.getvalue()


def _csv_cell(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return to_json(value)
    if isinstance(value, str):
        # Lone surrogates cannot be encoded.
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value
