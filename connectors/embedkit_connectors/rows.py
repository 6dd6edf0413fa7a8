"""Rows of fields out of lines, so that a bad line costs that line and no other."""

from __future__ import annotations

import csv
from itertools import pairwise
from typing import NamedTuple

from embedkit.types import Reject
from embedkit_connectors.batch import MAX_RECORD, excerpt

OPEN_LINES = 20_000
"""Lines after which a quote that was opened counts as never closed."""
LONG = 50
"""Lines from which on a quoted field is suspected to have swallowed rows."""
LONE = "\x1f"
"""What a file of one column is cut at: the ASCII unit separator."""
_OPEN = "unexpected end of data"
_UNCLOSED = "a quote is opened here and never closed"
_INNER = "a quote within a quoted field must be written twice"

csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_RECORD))


class Dialect(NamedTuple):
    """How fields are kept apart.

    Attributes
    ----------
    delimiter : str
        One character; ``LONE`` in a file of one column.
    quote : str or None
        What fields may be enclosed in; None where quotes are characters like others.
    escape : str or None
        What takes the next character literally; within quotes, a quote is also written twice.
    skip : bool
        Whether blanks after a delimiter are left out.
    """

    delimiter: str
    quote: str | None
    escape: str | None = None
    skip: bool = False


class Row(NamedTuple):
    """The fields of a row and the number of the line where it begins."""

    line: int
    fields: list[str]


class RowParser:
    """Cuts lines into rows.

    Lines are held until their row is complete, within bounds: a row that is still open after
    OPEN_LINES lines or MAX_RECORD characters is given up, its first line is refused and reading
    goes on with the next line. So is a quoted field that turns out to have swallowed whole rows.

    Parameters
    ----------
    width : int, optional
        Fields of a sound row, where that is known.
    """

    def __init__(self, dialect: Dialect, *, number: int = 1, width: int | None = None) -> None:
        self.dialect = dialect
        self.width = width
        self.rejects: list[Reject] = []
        self._held: list[str] = []
        self._number = number
        """Of the first line that is held."""
        self._enough = 0
        """Characters to wait for before an open row is tried again."""

    @property
    def holds(self) -> int:
        """How many lines are held whose row is not complete."""
        return len(self._held)

    def feed(self, lines: list[str], *, final: bool = False) -> tuple[list[list[str]], list[int]]:
        """Return the rows that are complete, and the number of the line where each begins.

        Blank lines are left out. Lines that are no rows are added to ``rejects``.
        """
        held = [*self._held, *lines] if self._held else lines
        rows: list[list[str]] = []
        starts: list[int] = []
        position = 0
        if self._enough:
            size = sum(map(len, held))
            if size < self._enough and len(held) <= OPEN_LINES and not final:
                self._held = held
                return rows, starts
            self._enough = 0
        while position < len(held):
            position, problem = self._run(held, position, rows, starts)
            if problem is None:
                break
            if problem == _OPEN and not final and self._may_close(held, position):
                break
            reason = _UNCLOSED if problem == _OPEN else problem
            self.rejects.append(Reject(self._number + position, reason, excerpt(held[position])))
            position += 1
        self._held = held[position:]
        self._number += position
        return rows, starts

    def _may_close(self, held: list[str], position: int) -> bool:
        size = sum(len(held[i]) for i in range(position, len(held)))
        if size > MAX_RECORD or len(held) - position > OPEN_LINES:
            return False
        self._enough = 2 * size
        return True

    def _run(
        self, held: list[str], position: int, rows: list[list[str]], starts: list[int]
    ) -> tuple[int, str | None]:
        """Read rows up to the first problem; return where that is and what it is."""
        quote = self.dialect.quote
        reader = csv.reader(
            map(held.__getitem__, range(position, len(held))),
            delimiter=self.dialect.delimiter,
            quotechar=quote,
            escapechar=self.dialect.escape,
            skipinitialspace=self.dialect.skip,
            quoting=csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL,
            strict=True,
        )
        found: list[list[str]] = []
        ends = [0]
        problem = None
        try:
            for row in reader:
                found.append(row)
                ends.append(reader.line_num)
        except csv.Error as error:
            problem = _reason(str(error), reader.line_num - ends[-1])
        if ends[-1] != len(found):
            problem = self._find_swallowed(held, position, found, ends) or problem
        first = self._number + position
        if self.dialect.delimiter == LONE:
            found = [[LONE.join(row)] if row else row for row in found]
        if all(found):
            rows += found
            starts += [first + end for end in ends[:-1]]
        else:
            kept = [i for i, row in enumerate(found) if row]
            rows += [found[i] for i in kept]
            starts += [first + ends[i] for i in kept]
        return position + ends[-1], problem

    def _find_swallowed(
        self, held: list[str], position: int, found: list[list[str]], ends: list[int]
    ) -> str | None:
        """Cut the rows found before the first that has swallowed others; say whether there is."""
        if self.width is None or self.width < 2:
            return None
        for i, (start, end) in enumerate(pairwise(ends)):
            sound = len(found[i]) == self.width
            if end - start > (LONG if sound else 1):
                inner = held[position + start + 1 : position + end]
                if self._are_rows(inner):
                    del found[i:], ends[i + 1 :]
                    return _UNCLOSED
        return None

    def _are_rows(self, lines: list[str]) -> bool:
        """Tell whether nine in ten lines are sound rows by themselves."""
        parser = RowParser(self.dialect)
        sound = 0
        for line in lines:
            rows, _ = parser.feed([line], final=True)
            sound += [len(row) for row in rows] == [self.width]
        return sound * 10 >= len(lines) * 9


def _reason(message: str, lines: int) -> str:
    if message == _OPEN:
        return _OPEN
    if "expected after" in message:
        return _INNER if lines == 1 else f"{_UNCLOSED}, or {_INNER}"
    if "new-line character" in message:
        return "a carriage return outside quotes"
    if "field limit" in message:
        return f"expected a field of at most {MAX_RECORD // 2**20} MiB, got a longer one"
    return message
