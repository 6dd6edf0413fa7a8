"""CSV, TSV and their like, also gzip: delimiter, quoting and encoding found out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import compress
from pathlib import Path

import pyarrow as pa

from embedkit.errors import InvalidInputError, SourceError
from embedkit.types import Reject
from embedkit_connectors.arrays import strings
from embedkit_connectors.batch import (
    BATCH_BYTES,
    BATCH_ROWS,
    MAX_REJECTS,
    Batch,
    collector_paused,
    excerpt,
    line_array,
)
from embedkit_connectors.columns import unique_names
from embedkit_connectors.dialect import sniff
from embedkit_connectors.files import FileSource
from embedkit_connectors.inputs import Input
from embedkit_connectors.lines import Lines, fault
from embedkit_connectors.rows import LONE, RowParser

_SAID = re.compile(r"(?i:sep)=([,;|\t])\s*")
_NAMED = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "space": " ",
    "none": LONE,
}


class DelimitedSource(FileSource):
    """Rows of a file of delimited text; every column is text.

    The first row that is not blank is the header: names are stripped of outer blanks, an empty one
    becomes ``column_3`` and one that is there already, in whatever case, ``name_2``. Rows with
    more or fewer fields than the header, with quotes that do not close or with bytes that are no
    text are refused, each with its line; blank lines are skipped, and so are empty fields beyond
    the last column.

    Parameters
    ----------
    path : str or Path
        ``-`` is standard input.
    delimiter : str
        ``auto``, one character, ``tab``, ``comma``, ``semicolon``, ``pipe``, ``space``, or
        ``none`` where there is but one column.
    quote : str
        ``auto``, ``none`` where quotes are characters like others, or the quote character.
    encoding : str, optional
        Such as ``utf-8``, ``cp1252``, ``shift_jis``.
    header : bool
        False where the first row is data; columns are then ``column_1``, ``column_2``, …
    """

    typed = False

    def __init__(
        self,
        path: str | Path | Input,
        *,
        delimiter: str = "auto",
        quote: str = "auto",
        encoding: str | None = None,
        header: bool = True,
    ) -> None:
        super().__init__(path, encoding=encoding)
        self.delimiter = _one_character(delimiter)
        self.quote = quote
        self.header = header
        if quote not in ("auto", "none") and len(quote) != 1:
            raise InvalidInputError(
                f"expected quote to be auto, none or one character, got {quote!r}"
            )

    def batches(self) -> Iterator[Batch]:
        """Yield the rows in batches; see :class:`embedkit.protocols.Source`.

        Raises
        ------
        SourceError
            A source that is missing, empty, binary or damaged; in the last case after all rows
            before the damage.
        """
        reader = self.reader()
        table: _Table | None = None
        try:
            for lines in reader:
                if table is None:
                    table = self._begin(lines)
                table.add(lines)
                if table.full:
                    yield from table.drain()
            if table is not None:
                table.end()
        except SourceError:
            if table is not None and table.names:
                yield from table.drain()
            raise
        if table is None or not table.names:
            raise SourceError(f"{self.label} is empty", do="give a file with a header and rows")
        yield from table.drain()

    def _begin(self, lines: Lines) -> _Table:
        delimiter = self.delimiter
        said = _SAID.fullmatch(lines.lines[0])
        if said and delimiter is None:  # a line that some spreadsheets write first
            del lines.lines[0]
            delimiter = said.group(1)
        found = sniff(lines.lines, suffix=self.input.suffix, delimiter=delimiter, quote=self.quote)
        width = len(found.header) if found.header else None
        parser = RowParser(found.dialect, number=2 if said else 1, width=width)
        return _Table(parser, header=self.header)


class _Table:
    """Rows on their way into batches."""

    def __init__(self, parser: RowParser, *, header: bool) -> None:
        self.parser = parser
        self.names: list[str] = []
        self.rejects: list[Reject] = []
        self._parts: list[pa.RecordBatch] = []
        self._starts: list[int] = []
        self._header = header
        self._size = 0
        self._suspect = False
        self._yielded = False

    @property
    def full(self) -> bool:
        return (
            len(self._starts) >= BATCH_ROWS
            or (self._size >= BATCH_BYTES and bool(self._starts))
            or len(self.rejects) >= MAX_REJECTS
        )

    def add(self, lines: Lines) -> None:
        """Cut lines into rows; keep the sound ones."""
        self._size += lines.size
        self._suspect |= lines.suspect
        with collector_paused():
            self._keep(*self.parser.feed(lines.lines))

    def end(self) -> None:
        """Say that no lines follow."""
        self._keep(*self.parser.feed([], final=True))

    def drain(self) -> Iterator[Batch]:
        """Yield all rows that are there, and at least one batch in all."""
        starts, self._starts = line_array(self._starts), []
        parts, self._parts, self._size = self._parts, [], 0
        rejects, self.rejects = sorted(self.rejects, key=lambda r: r.line), []
        if not parts:
            if not rejects and self._yielded:
                return
            parts = [self._table([])]
        whole = pa.concat_batches(parts)
        for start in range(0, max(len(starts), 1), BATCH_ROWS):
            stop = start + BATCH_ROWS
            yield Batch(whole.slice(start, BATCH_ROWS), starts[start:stop], rejects)
            rejects, self._yielded = [], True

    def _table(self, rows: list[list[str]]) -> pa.RecordBatch:
        columns = zip(*rows, strict=True) if rows else ((),) * len(self.names)
        arrays = [strings(column) for column in columns]
        return pa.RecordBatch.from_arrays(arrays, names=self.names)

    def _keep(self, rows: list[list[str]], starts: list[int]) -> None:
        if not self.names and rows:
            rows, starts = self._name(rows, starts)
        width = len(self.names)
        if self._suspect:
            rows, starts = self._drop_faulty(rows, starts)
        if set(map(len, rows)) - {width}:
            rows, starts = self._drop_ragged(rows, starts, width)
        if rows:
            self._parts.append(self._table(rows))
            self._starts += starts
        self.rejects += self.parser.rejects
        self.parser.rejects = []

    def _name(self, rows: list[list[str]], starts: list[int]) -> tuple[list[list[str]], list[int]]:
        first = rows[0]
        broken = [reject for reject in self.parser.rejects if reject.line < starts[0]]
        if self._header and broken:
            raise SourceError(
                f"expected a header, got {broken[0].excerpt!r} in line {broken[0].line}: "
                f"{broken[0].reason}",
                do="mend that line, or write csv:PATH?quote=none",
            )
        if self._header and (reason := fault("\n".join(first))) is not None:
            raise SourceError(
                f"{reason} in the header, line {starts[0]}: {excerpt(' '.join(first))!r}",
                do="mend that line, or name the encoding: csv:PATH?encoding=NAME",
            )
        self.names = unique_names(first if self._header else [""] * len(first))
        self.parser.width = len(first)  # the survey did not see it in a very long first row
        return (rows[1:], starts[1:]) if self._header else (rows, starts)

    def _drop_faulty(
        self, rows: list[list[str]], starts: list[int]
    ) -> tuple[list[list[str]], list[int]]:
        sound = []
        for row, start in zip(rows, starts, strict=True):
            reason = fault("\n".join(row))
            if reason is not None:
                shown = excerpt(self.parser.dialect.delimiter.join(row))
                self.rejects.append(Reject(start, reason, shown))
            sound.append(reason is None)
        self._suspect = self.parser.holds > 0
        return list(compress(rows, sound)), list(compress(starts, sound))

    def _drop_ragged(
        self, rows: list[list[str]], starts: list[int], width: int
    ) -> tuple[list[list[str]], list[int]]:
        # Delimiters at the end of a row that separate nothing do no harm.
        rows = [row if any(row[width:]) else row[:width] for row in rows]
        sound = [len(row) == width for row in rows]
        delimiter = self.parser.dialect.delimiter
        for row, start, good in zip(rows, starts, sound, strict=True):
            if not good and (len(row) > 1 or row[0].strip()):
                reason = f"expected {width} fields, got {len(row)}"
                self.rejects.append(Reject(start, reason, excerpt(delimiter.join(row))))
        return list(compress(rows, sound)), list(compress(starts, sound))


def _one_character(delimiter: str) -> str | None:
    if delimiter == "auto":
        return None
    character = _NAMED.get(delimiter, delimiter)
    if len(character) != 1 or character in '\r\n"':
        raise InvalidInputError(
            f"expected delimiter to be one character or 'tab', got {delimiter!r}",
            do="in a spec write %3B for ; and %7C for |",
        )
    return character
