"""JSON Lines, also gzip: an object a line. A JSON array of objects is read too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
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
    collector_paused,
    excerpt,
)
from embedkit_connectors.files import FileSource
from embedkit_connectors.inputs import Input
from embedkit_connectors.lines import Lines, fault
from embedkit_connectors.memory import batch_of_rows

_CONSTANTS = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}
_BLANKS = " \t\r\n"
_ENDS = ("\n", "", "\r\n")
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
        part = _Part()
        yielded = False
        try:
            for block in self._read():
                part.add(block)
                if part.full:
                    yield part.batch()
                    part, yielded = _Part(), True
        except SourceError:
            if part.lines or part.rejects:
                yield part.batch()
            raise
        if part.lines or part.rejects or not yielded:
            yield part.batch()

    def _read(self) -> Iterator[_Part]:
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


@dataclass(slots=True)
class _Part:
    """Some rows, the line where each begins, what was refused, and the rows' size in characters."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        return (
            len(self.rows) >= BATCH_ROWS
            or self.size >= BATCH_BYTES
            or len(self.rejects) >= MAX_REJECTS
        )

    def add(self, other: _Part) -> None:
        self.rows += other.rows
        self.lines += other.lines
        self.rejects += other.rejects
        self.size += other.size

    def refuse(self, line: int, reason: str, text: str) -> None:
        self.rejects.append(Reject(line, reason, excerpt(text)))

    def batch(self) -> Batch:
        with collector_paused():
            return batch_of_rows(self.rows, self.lines, self.rejects)


def _by_line(blocks: Iterator[Lines]) -> Iterator[_Part]:
    for block in blocks:
        with collector_paused():
            part = _part(block)
        yield part


def _part(block: Lines) -> _Part:
    part = _Part(size=block.size)
    for line, text in enumerate(block.lines, start=block.number):
        if text.isspace():
            continue
        reason = fault(text) if block.suspect else None
        try:
            row = None if reason else _object(text)
        except ValueError as error:
            row, reason = None, str(error)
        if row is None:
            part.refuse(line, str(reason), text)
        else:
            part.rows.append(row)
            part.lines.append(line)
    return part


def _object(text: str) -> dict[str, Any]:
    """Return the object that a text is; ValueError says why it is none."""
    try:
        value, end = _DECODER.raw_decode(text)
        if text[end:] not in _ENDS:
            value = _DECODER.decode(text)
    except json.JSONDecodeError:
        value = _decoded(text)
    except RecursionError:
        raise ValueError("expected a JSON object, got one nested too deeply") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise ValueError(f"expected a JSON object: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {_called(value)}")
    return value


def _decoded(text: str) -> Any:
    """Decode a text that begins with blanks, or say where its fault is."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"expected a JSON object: {error.msg} at character {error.pos + 1}"
        raise ValueError(reason) from None


def _called(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _spans_lines(first: Lines) -> bool:
    """Tell whether values go over several lines: in an array, or pretty-printed."""
    text = next((line for line in first.lines if not line.isspace()), "").strip()
    if text.startswith("["):
        return True
    if not text.startswith("{"):
        return False
    try:
        _object(text)
    except ValueError:
        pass
    else:
        return False
    start = "".join(first.lines[:1000]).lstrip()
    try:
        value, end = _DECODER.raw_decode(start)
    except (ValueError, RecursionError):
        return text == "{"
    return isinstance(value, dict) and "\n" in start[:end]


def _objects(blocks: Iterator[Lines], label: str) -> Iterator[_Part]:
    """Yield the objects of an array, or objects one after the other, wherever lines end."""
    buffer = _Buffer(blocks)
    is_array = buffer.skip(_BLANKS) == "["
    if is_array:
        buffer.position += 1
    while True:
        character = buffer.skip(_BLANKS + ",")
        if not character or (is_array and character == "]"):
            break
        part = _Part(lines=[buffer.line])
        value, part.size = buffer.value(label)
        if isinstance(value, dict):
            part.rows.append(value)
        else:
            reason = f"expected a JSON object, got {_called(value)}"
            part.refuse(part.lines.pop(), reason, json.dumps(value))
        yield part
    if is_array and not character:
        raise SourceError(
            f"{label} is damaged: its JSON array is not closed", do="get the file again"
        )
    if character and buffer.skip(_BLANKS + "]"):
        raise SourceError(
            f"expected one JSON array in {label}, got more after it in line {buffer.line:,}",
            do="write a JSON object a line",
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
        tried, ended = 0, False
        while True:
            held = len(self._text) - self.position
            if ended or held >= 2 * tried:
                try:
                    value, end = _DECODER.raw_decode(self._text, self.position)
                    break
                except (ValueError, RecursionError) as error:
                    if ended or held > MAX_RECORD or not isinstance(error, json.JSONDecodeError):
                        raise self._fault(label, getattr(error, "msg", str(error))) from error
                tried = held
            ended = not self._more()
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
