"""JSON Lines, also gzip: an object a line. A JSON array of objects is read too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from embedkit.errors import SourceError
from embedkit.types import Reject
from embedkit_connectors.batch import (
    BATCH_BYTES,
    BATCH_ROWS,
    MAX_RECORD,
    MAX_REJECTS,
    Batch,
    excerpt,
)
from embedkit_connectors.files import FileSource
from embedkit_connectors.inputs import Input
from embedkit_connectors.lines import Lines, fault
from embedkit_connectors.memory import batch_of_rows

_CONSTANTS = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}
_BLANKS = " \t\r\n"
_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__)


class JsonLinesSource(FileSource):
    """The objects of a JSON Lines file, a row each, with a column for each key.

    Nested values become JSON text; ``NaN``, which JSON has not, becomes null. A line that is not
    an object is refused. A file whose content is one array of objects, or objects over several
    lines, is read as well, but only up to its first fault.

    Parameters
    ----------
    path : str or Path
        ``-`` is standard input.
    encoding : str, optional
        Such as ``utf-8``, ``cp1252``, ``shift_jis``.
    """

    def __init__(self, path: str | Path | Input, *, encoding: str | None = None) -> None:
        super().__init__(path, encoding=encoding)

    def batches(self) -> Iterator[Batch]:
        """Yield the objects in batches; see :class:`embedkit.protocols.Source`.

        Raises
        ------
        SourceError
            A source that is missing, empty, binary, no JSON at all or damaged; in the last case
            after all rows before the damage.
        """
        rows = _Rows()
        try:
            for found in self._read():
                if rows.add(found):
                    yield rows.take()
        except SourceError:
            if rows.pending:
                yield rows.take()
            raise
        if rows.pending or not rows.taken:
            yield rows.take()

    def _read(self) -> Iterator[_Found]:
        lines = iter(self.reader())
        first = next(lines, None)
        if first is None:
            raise SourceError(f"{self.label} is empty", do="give a file with records in it")
        everything = chain([first], lines)
        if _spans_lines(first):
            return _objects(everything, self.label)
        self._check(first)
        return _by_line(everything)

    def _check(self, first: Lines) -> None:
        """Refuse a file in whose first lines there is no object at all."""
        shown = [line.strip() for line in first.lines if line.strip()]
        if shown and not any(line.startswith("{") for line in shown):
            raise SourceError(
                f"expected a JSON object a line in {self.label}, got {excerpt(shown[0])!r}",
                do="is it another format? write csv:PATH or text:PATH",
            )


class _Found:
    """A row, or what was refused in its place, and its size in characters."""

    __slots__ = ("line", "reject", "row", "size")

    def __init__(
        self, line: int, size: int, row: dict[str, Any] | None, reject: Reject | None = None
    ) -> None:
        self.line = line
        self.size = size
        self.row = row
        self.reject = reject


class _Rows:
    """Rows on their way into a batch."""

    def __init__(self) -> None:
        self.taken = 0
        self._clear()

    def _clear(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._lines: list[int] = []
        self._rejects: list[Reject] = []
        self._size = 0

    @property
    def pending(self) -> bool:
        return bool(self._rows or self._rejects)

    def add(self, found: _Found) -> bool:
        """Add a row; return whether the batch is full."""
        if found.row is not None:
            self._rows.append(found.row)
            self._lines.append(found.line)
            self._size += found.size
        elif found.reject is not None:
            self._rejects.append(found.reject)
        return (
            len(self._rows) >= BATCH_ROWS
            or self._size >= BATCH_BYTES
            or len(self._rejects) >= MAX_REJECTS
        )

    def take(self) -> Batch:
        batch = batch_of_rows(self._rows, self._lines, self._rejects)
        self.taken += 1
        self._clear()
        return batch


def _by_line(blocks: Iterator[Lines]) -> Iterator[_Found]:
    for block in blocks:
        for line, text in enumerate(block.lines, start=block.number):
            if text.isspace() or not text:
                continue
            reason = fault(text) if block.suspect else None
            row = None
            if reason is None:
                row, reason = _object(text)
            reject = Reject(line, reason, excerpt(text)) if reason else None
            yield _Found(line, len(text), row, reject)


def _object(text: str) -> tuple[dict[str, Any] | None, str | None]:
    """Return the object that a text is, or why it is none."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        return None, f"expected a JSON object: {error.msg} at character {error.pos + 1}"
    except RecursionError:
        return None, "expected a JSON object, got one nested too deeply"
    except ValueError as error:  # a whole number of thousands of digits
        return None, f"expected a JSON object: {error}"
    if not isinstance(value, dict):
        return None, f"expected a JSON object, got {_called(value)}"
    return value, None


def _called(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _spans_lines(first: Lines) -> bool:
    """Tell whether values go over several lines: in an array, or pretty-printed."""
    text = next((line for line in first.lines if not line.isspace()), "").strip()
    if text.startswith("["):
        return True
    if text != "{" and not (text.startswith("{") and _object(text)[0] is None):
        return False
    start = "".join(first.lines[:1000]).lstrip()
    try:
        value, end = _DECODER.raw_decode(start)
    except (ValueError, RecursionError):
        return text == "{"
    return isinstance(value, dict) and "\n" in start[:end]


def _objects(blocks: Iterator[Lines], label: str) -> Iterator[_Found]:
    """Yield the objects of an array, or objects one after the other, wherever lines end."""
    buffer = _Buffer(blocks)
    is_array = buffer.skip(_BLANKS) == "["
    if is_array:
        buffer.position += 1
    while True:
        character = buffer.skip(_BLANKS + ",")
        if not character or (is_array and character == "]"):
            break
        line = buffer.line
        value, size = buffer.value(label)
        if isinstance(value, dict):
            yield _Found(line, size, value)
        else:
            reason = f"expected a JSON object, got {_called(value)}"
            yield _Found(line, size, None, Reject(line, reason, excerpt(json.dumps(value))))
    if is_array and not character:
        raise SourceError(
            f"{label} is damaged: its JSON array is not closed", do="get the file again"
        )


class _Buffer:
    """Text that is read on as far as the next value needs."""

    def __init__(self, blocks: Iterator[Lines]) -> None:
        self._blocks = blocks
        self._text = ""
        self.position = 0
        self.line = 1

    def skip(self, characters: str) -> str:
        """Go to the next character that is none of these and return it, or nothing at the end."""
        while True:
            rest = self._text[self.position : self.position + 4096]
            passed = len(rest) - len(rest.lstrip(characters))
            self.line += rest.count("\n", 0, passed)
            self.position += passed
            if passed < len(rest):
                return rest[passed]
            if self.position >= len(self._text) and not self._more():
                return ""

    def value(self, label: str) -> tuple[Any, int]:
        """Return the value that begins here and how many characters it takes."""
        wanted = 0
        while True:
            if len(self._text) - self.position >= wanted:
                try:
                    value, end = _DECODER.raw_decode(self._text, self.position)
                    break
                except json.JSONDecodeError as error:
                    problem = error.msg
                except (ValueError, RecursionError) as error:
                    raise self._fault(label, str(error)) from error
                wanted = 2 * (len(self._text) - self.position)
            held = len(self._text) - self.position
            if held > MAX_RECORD or not self._more():
                if wanted <= held or held > MAX_RECORD:
                    raise self._fault(label, problem)
                wanted = 0
        size = end - self.position
        self.line += self._text.count("\n", self.position, end)
        self.position = end
        return value, size

    def _more(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._text = "".join([self._text[self.position :], *block.lines])
        self.position = 0
        return True

    def _fault(self, label: str, problem: str) -> SourceError:
        return SourceError(
            f"expected JSON objects in {label}, got a fault in the one that begins in line "
            f"{self.line:,}: {problem}",
            do="write a JSON object a line (JSON Lines): then only the faulty line is left out",
        )
