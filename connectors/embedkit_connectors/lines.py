"""Lines of text out of bytes, numbered, in bounded memory, whatever the encoding.

A byte-order mark decides the encoding. Without one, a file is UTF-8 unless its first bytes beyond
ASCII are not: then it is read as Windows-1252 if they look like that, which is noted. In a UTF-8
file, bytes that are not UTF-8 spoil their row, not the file: they come out as marks (see ``mark``)
and the row is refused by whoever reads the lines.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from embedkit.errors import InvalidInputError, SourceError
from embedkit_connectors.batch import MAX_RECORD
from embedkit_connectors.inputs import DamagedInputError, Input

TOO_LONG = "\udfff"
"""Begins what is left of a line of more than MAX_RECORD bytes."""
WESTERN = "cp1252"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BAD = re.compile("[\0\ud800-\udfff]")
_MARKS = re.compile("[\udc80-\udcff]")
_BEYOND = re.compile("[^\0-\x7f]")
_RUNS = re.compile(rb"[\x80-\xff]{2,}")


def mark(error: UnicodeError) -> tuple[str, int]:
    """Turn undecodable bytes into U+DC00 + byte, which no text holds: an error handler."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


codecs.register_error("embedkit.mark", mark)


@dataclass(frozen=True, slots=True)
class Lines:
    """Some whole lines, with their ends, and the number of the first."""

    lines: list[str]
    number: int
    size: int
    """Bytes."""
    suspect: bool
    """Whether some line may hold what a text must not: see ``fault``."""


class LineReader:
    """Reads the lines of an input.

    Parameters
    ----------
    encoding : str, optional
        The encoding, if it is known; a byte-order mark still wins.

    Attributes
    ----------
    notes : list of str
        What a user should know about how the text was read.
    """

    def __init__(self, source: Input, encoding: str | None = None) -> None:
        self.source = source
        self.encoding = _known(encoding) if encoding else None
        self.notes: list[str] = []
        self._number = 1

    def __iter__(self) -> Iterator[Lines]:
        """Yield the lines, at least once.

        Raises
        ------
        SourceError
            A source that is empty, binary, of an unknown encoding, or damaged; in the last case
            after all whole lines before the damage.
        """
        try:
            first, blocks = self._begin()
            carriage = _ends_with_carriage_return(first)
            for piece in _pieces(blocks, b"\r" if carriage else b"\n"):
                yield self._lines(piece, carriage)
        except DamagedInputError as error:
            raise SourceError(
                f"{error.message} after line {self._number - 1:,}",
                do="get the file again: its rows would be incomplete",
            ) from error

    def _begin(self) -> tuple[bytes, Iterator[bytes]]:
        """Return the first block and all blocks, in an encoding that lines can be cut in."""
        blocks = iter(self.source.blocks())
        first = next(blocks, b"")
        if not first.strip():
            blocks, first = _skip_blank(blocks, first)
        first = first[self._look(first) :]
        if self.encoding and "\n".encode(self.encoding) != b"\n":
            blocks = _transcode(chain([first], blocks), self.encoding)
            self.encoding = "utf-8"
            first = next(blocks, b"")
        if not first:
            raise SourceError(f"{self.source.label} is empty", do="give a file with records in it")
        return first, chain([first], blocks)

    def _look(self, first: bytes) -> int:
        """Find the encoding that a byte-order mark names, refuse binary data."""
        for bom, encoding in _BOMS:
            if first.startswith(bom):
                self.encoding = encoding
                return len(bom)
        if not self.encoding or "\n".encode(self.encoding) == b"\n":
            refuse_binary(first, self.source.label)
        return 0

    def _lines(self, piece: _Piece, carriage: bool) -> Lines:
        text, suspect = self._decode(piece.data)
        if piece.too_long:
            text, suspect = TOO_LONG + text + "\n", True
        lines = _split(text, carriage)
        number, self._number = self._number, self._number + len(lines)
        return Lines(lines, number, len(piece.data), suspect)

    def _decode(self, data: bytes) -> tuple[str, bool]:
        suspect = b"\0" in data
        if self.encoding is None:
            if data.isascii():
                return data.decode("ascii"), suspect
            self.encoding = self._choose(data)
        try:
            return data.decode(self.encoding), suspect
        except UnicodeDecodeError:
            return data.decode(self.encoding, "embedkit.mark"), True

    def _choose(self, data: bytes) -> str:
        """Choose between UTF-8 and Windows-1252 on the first lines that are not all ASCII."""
        text = data.decode("utf-8", "embedkit.mark")
        bad = len(_MARKS.findall(text))
        good = len(_BEYOND.findall(text)) - bad
        if bad <= 4 * good:  # what is not UTF-8 rarely looks like it
            return "utf-8"
        if _looks_western(data):
            self.notes.append(
                f"{self.source.label} is not UTF-8 and was read as Windows-1252; "
                "if that is wrong, name the encoding: csv:PATH?encoding=NAME"
            )
            return WESTERN
        bad_lines = sum(1 for line in text.split("\n") if _MARKS.search(line))
        if self._number == 1 and bad_lines > 1 and bad_lines * 5 > text.count("\n"):
            where = text.count("\n", 0, next(_MARKS.finditer(text)).start()) + 1
            raise SourceError(
                f"expected UTF-8 text, got another encoding in {self.source.label}, line {where}",
                do="name it: csv:PATH?encoding=NAME (also jsonl:, text:), or save as UTF-8",
            )
        return "utf-8"


class _Piece(NamedTuple):
    data: bytes
    too_long: bool = False


def fault(text: str) -> str | None:
    """Say what a text holds that it must not, or None."""
    found = _BAD.search(text)
    if found is None:
        return None
    code = ord(found.group())
    if code == 0:
        return "expected text, got a NUL character"
    if found.group() == TOO_LONG:
        return f"expected a line of at most {MAX_RECORD // 2**20} MiB, got a longer one"
    if 0xDC00 <= code <= 0xDCFF:
        return (
            f"expected UTF-8, got the byte 0x{code - 0xDC00:02X}; "
            "if the file has another encoding, name it: ?encoding=NAME"
        )
    return f"expected Unicode text, got half a surrogate pair (U+{code:04X})"


def glimpse(head: bytes, label: str) -> str:
    """Return the first bytes of a file as text, as well as it goes; refuse binary data."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return head[len(bom) :].decode(encoding, "replace")
    refuse_binary(head, label)
    return head.decode("utf-8", "replace")


def read_text(data: bytes, label: str, encoding: str | None = None) -> str:
    """Return the whole text of a small file.

    Raises
    ------
    SourceError
        Binary data, or bytes that do not fit the encoding.
    """
    known = _known(encoding) if encoding else None
    for bom, named in _BOMS:
        if data.startswith(bom):
            data, known = data[len(bom) :], named
            break
    else:
        refuse_binary(data, label)
    for candidate in [known] if known else ["utf-8", WESTERN]:
        try:
            text = data.decode(candidate)
        except UnicodeDecodeError:
            continue
        if candidate == known or candidate == "utf-8" or _looks_western(data):
            if (reason := fault(text)) is not None:
                raise SourceError(f"{reason} in {label}")
            return text
    raise SourceError(f"expected {known or 'UTF-8'} text, got other bytes in {label}")


def refuse_binary(data: bytes, label: str) -> None:
    """Raise SourceError where the first bytes of an input are not text."""
    head = data[:65536]
    for magic, what, do in _MAGICS:
        if head.startswith(magic):
            raise SourceError(f"expected text, got {what} in {label}", do=do)
    zero = head.find(b"\0")
    if zero < 0:
        return
    controls = sum(head.count(code) for code in _CONTROLS)
    if controls >= 4 and controls * 100 > len(head):  # a stray one spoils its row only
        pairs = max(head[::2].count(0), head[1::2].count(0)) * 2
        if pairs * 10 > len(head) * 6:
            order = "be" if head[0] == 0 else "le"
            do = f"this looks like UTF-16: write csv:PATH?encoding=utf-16-{order}"
        else:
            do = "give a text file"
        raise SourceError(
            f"expected text, got binary data (NUL bytes at {zero:,}) in {label}", do=do
        )


_CONTROLS = [code for code in range(32) if code not in b"\t\n\r\f\x1b"]
_MAGICS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "save it as CSV or as plain text"),
    (b"%PDF-", "a PDF file", "turn it into text first"),
    (b"SQLite format 3\0", "an SQLite database", "export its table as CSV"),
    (b"BZh", "bzip2 data", "unpack it, or pack it with gzip"),
    (b"\xfd7zXZ\0", "xz data", "unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "unpack it, or pack it with gzip"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"PAR1", "Parquet data", "read it from a file: parquet:PATH"),
)


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "\n".encode(name)  # some codecs are not encodings of text
    except (LookupError, UnicodeError):
        raise InvalidInputError(
            f"expected the name of an encoding such as utf-8, cp1252 or shift_jis, got {encoding!r}"
        ) from None
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name)


def _skip_blank(blocks: Iterator[bytes], first: bytes) -> tuple[Iterator[bytes], bytes]:
    """Find out whether anything but blanks follows; keep the blanks, for they are lines."""
    held = [first]
    for block in blocks:
        held.append(block)
        if block.strip():
            return blocks, b"".join(held)
    return blocks, b""


def _transcode(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Turn UTF-16 and its like into UTF-8, in which lines can be cut; faults stay faults."""
    decoder = codecs.getincrementaldecoder(encoding)("embedkit.mark")
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def _ends_with_carriage_return(data: bytes) -> bool:
    """Tell whether lines end with a lone carriage return, as on old Macs."""
    carriage, newline = data.find(b"\r"), data.find(b"\n")
    return carriage >= 0 and (newline < 0 or carriage + 1 < newline)


def _pieces(blocks: Iterator[bytes], end: bytes) -> Iterator[_Piece]:
    """Cut blocks after a line's end; of a line that is too long only the beginning is kept."""
    pending = bytearray()
    dropping = False
    for block in blocks:
        searched = len(pending)
        pending += block
        if dropping:
            start = pending.find(end, searched)
            if start < 0:
                del pending[searched:]
                continue
            yield _Piece(bytes(pending[:searched]), too_long=True)
            del pending[: start + 1]
            dropping, searched = False, 0
        # A carriage return at the very end may be half of a line's end: wait for the rest.
        stop = pending.rfind(end, max(searched - 1, 0), len(pending) - (end == b"\r")) + 1
        if stop:
            stop += end == b"\r" and pending[stop] == 10
            yield _Piece(bytes(pending[:stop]))
            del pending[:stop]
        if len(pending) > MAX_RECORD:
            dropping = True
            del pending[200:]
    if pending:
        yield _Piece(bytes(pending), too_long=dropping)


def _split(text: str, carriage: bool) -> list[str]:
    """Split at line feeds only, or, where lines end so, at carriage returns too; ends are kept."""
    if carriage:
        return list(io.StringIO(text, newline=""))
    lines = text.split("\n")
    last = lines.pop()
    lines = [line + "\n" for line in lines]
    return [*lines, last] if last else lines


def _looks_western(data: bytes) -> bool:
    """Tell whether bytes beyond ASCII stand alone among ASCII letters, as accents do."""
    try:
        data.decode(WESTERN)
    except UnicodeDecodeError:
        return False
    beyond = sum(map(data.count, range(128, 256)))
    together = sum(map(len, _RUNS.findall(data)))
    return beyond < 8 or together * 2 < beyond
