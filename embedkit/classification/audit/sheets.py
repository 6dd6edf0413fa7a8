"""Tables as CSV files that a spreadsheet opens as they are.

The files are UTF-8 with a byte-order mark, without which Excel takes them for the local code page.
A text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a return would be run as a formula by
spreadsheets: it gets an apostrophe before it, which they show as text. Numbers stay numbers.

Source
------
OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.errors import InvalidInputError
from embedkit.integrity import storage_error

if TYPE_CHECKING:
    from embedkit.types.audit import Audit

ASKED = ("leaks", "suggestions")
"""Tables that are there only where something was given for them."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")


def write_sheets(audit: Audit, folder: Path, *, force: bool = False) -> list[Path]:
    """Write the tables of an audit; see :meth:`embedkit.types.audit.Audit.write`."""
    from embedkit_connectors.write import written

    place = folder.expanduser()
    wanted = [name for name in audit.TABLES if name not in ASKED or getattr(audit, name)]
    files = [place / f"{name}.csv" for name in wanted]
    check_folder(place, force=force)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, place) from error
    for name, path in zip(wanted, files, strict=True):
        with written(path) as file:
            file.write(sheet(audit.table(name), audit.columns(name)))
    for name in set(audit.TABLES) - set(wanted):
        # One of an earlier audit would be taken for one of this.
        (place / f"{name}.csv").unlink(missing_ok=True)
    return files


def sheet(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Return a CSV file, its header first."""
    out = io.StringIO()
    # Excel on Windows wants CRLF between rows; others take it.
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(_cells(row, columns) for row in rows)
    return out.getvalue().encode("utf-8-sig", "replace")


def safe(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula.

    Examples
    --------
    >>> safe("=1+1"), safe("-3.5"), safe("- a dash")
    ("'=1+1", '-3.5', "'- a dash")
    """
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> Iterator[Any]:
    for column in columns:
        value = row[column]
        if isinstance(value, str):
            yield safe(value)
        elif isinstance(value, bool):
            yield "true" if value else "false"
        else:
            yield value


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Refuse to write over what is there.

    Raises
    ------
    InvalidInputError
    """
    from embedkit.types.audit import Audit

    place = folder.expanduser()
    if place.exists() and not place.is_dir():
        raise InvalidInputError(f"expected a folder to write to, got the file {folder}")
    names = [f"{name}.csv" for name in Audit.TABLES]
    there = [name for name in names if (place / name).exists()]
    if there and not force:
        raise InvalidInputError(
            f"{folder} holds {', '.join(there)} already", do="replace them with --force"
        )
