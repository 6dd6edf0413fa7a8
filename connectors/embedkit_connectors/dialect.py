"""Finds out how a file of delimited text keeps its fields apart.

Method: the header is cut at each candidate delimiter, with quotes read as quotes and as characters
like others; of the candidates that cut it at all, the one is taken under which most of the first
rows have as many fields as the header. A file whose header no candidate cuts, or whose rows agree
with none while the header does not look like names, has one column.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from embedkit_connectors.rows import LONE, LONG, Dialect, RowParser

DELIMITERS = (",", "\t", ";", "|")
SAMPLE_LINES = 1_000
SAMPLE_SIZE = 128 * 1024
"""Characters."""
QUOTE = '"'


class Survey(NamedTuple):
    """How a sample reads under one dialect."""

    dialect: Dialect
    header: list[str] | None
    rows: int
    sound: int
    """Rows with as many fields as the header."""
    quoted: int
    """Sound rows with quotes in them."""
    broken: int
    """Lines whose quotes do not close."""

    @property
    def share(self) -> float:
        """Share of rows that are sound: of those that are rows at all."""
        return self.sound / self.rows if self.rows else 1.0


def sniff(
    lines: list[str], *, suffix: str = "", delimiter: str | None = None, quote: str = "auto"
) -> Survey:
    """Return the dialect of a file from its first lines, and how they read under it.

    Parameters
    ----------
    lines : list of str
        With their ends; what is beyond the sample's bounds is not looked at.
    suffix : str
        ``.tsv`` and ``.tab`` put the tab first where candidates are equal.
    delimiter : str, optional
        The delimiter, if it is known.
    quote : str
        ``auto``, ``none``, or the quote character, if it is known.
    """
    sample = _sample(lines)
    order = ("\t", ",", ";", "|") if suffix in (".tsv", ".tab") else DELIMITERS
    if delimiter:
        return _survey_quotes(sample, delimiter, quote)
    header = _header(sample)
    found = [_survey_quotes(sample, d, quote) for d in order if d in header]
    cutting = [survey for survey in found if survey.header is not None and len(survey.header) > 1]
    best = max(cutting, key=lambda s: (round(s.share, 2), len(s.header or ())), default=None)
    if best is None or (best.share < 0.5 and best.rows > 1 and not like_names(best.header)):
        return _survey_quotes(sample, LONE, quote)
    return best


def like_names(header: list[str] | None) -> bool:
    """Tell whether fields look like the names of columns and not like parts of a sentence."""
    return all(
        0 < len(name) <= 40 and len(name.split()) <= 4 and name[-1] not in ".?!:"
        for name in map(str.strip, header or [""])
    )


def _sample(lines: list[str]) -> list[str]:
    sample, size = [], 0
    for line in lines[:SAMPLE_LINES]:
        sample.append(line)
        size += len(line)
        if size > SAMPLE_SIZE:
            break
    return sample


def _header(sample: list[str]) -> str:
    """Return the first lines that are not blank, as many as its quotes may span."""
    text = ""
    for line in sample:
        text = (text + line).lstrip()
        if text and text.count(QUOTE) % 2 == 0:
            break
    return text


def _survey_quotes(sample: list[str], delimiter: str, quote: str) -> Survey:
    """Decide whether quotes enclose fields: not where too many of them do not close."""
    if quote != "auto":
        return _survey(sample, Dialect(delimiter, None if quote == "none" else quote))
    enclosing = _survey(sample, Dialect(delimiter, QUOTE))
    if enclosing.broken == 0 and enclosing.share == 1.0:
        return enclosing
    for dialect in _variants("".join(sample), delimiter):
        variant = _survey(sample, dialect)
        if variant.sound > enclosing.sound and variant.broken == 0 and variant.share >= 0.99:
            return variant
    if enclosing.broken == 0:
        return enclosing
    literal = _survey(sample, Dialect(delimiter, None))
    # Files cut at tabs, and files of one column, seldom need quotes; others do.
    tolerated = enclosing.quoted * 0.1 if delimiter in ("\t", LONE) else enclosing.quoted + 2
    if enclosing.broken > tolerated and literal.share >= 0.99:
        return literal
    return enclosing


def _variants(text: str, delimiter: str) -> Iterator[Dialect]:
    """Yield other ways to enclose fields of which a sample holds signs."""
    if delimiter + " " + QUOTE in text:
        yield Dialect(delimiter, QUOTE, skip=True)
    if "\\" + QUOTE in text:
        yield Dialect(delimiter, QUOTE, escape="\\")
    if delimiter + "'" in text and QUOTE not in text:
        yield Dialect(delimiter, "'")


def _survey(sample: list[str], dialect: Dialect) -> Survey:
    parser = RowParser(dialect)
    rows, starts = parser.feed(sample)
    if parser.holds > LONG:  # rather a quote that is never closed than a long field
        more, later = parser.feed([], final=True)
        rows, starts = rows + more, starts + later
    header = rows[0] if rows and not _rejected_before(parser, starts[0]) else None
    width = len(header) if header else 0
    rows = [row for row in rows if len(row) > 1 or row[0].strip()] if width > 1 else rows
    sound = [i for i in range(1, len(rows)) if len(rows[i]) == width]
    quoted = 0
    if dialect.quote:
        quoted = sum(1 for start in starts if dialect.quote in sample[start - 1])
    return Survey(dialect, header, len(rows) - 1, len(sound), quoted, len(parser.rejects))


def _rejected_before(parser: RowParser, line: int) -> bool:
    return any(reject.line < line for reject in parser.rejects)
