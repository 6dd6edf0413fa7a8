"""Any data a user may name or hold, as a source."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from embedkit.errors import InvalidInputError, SourceError
from embedkit.protocols import Source
from embedkit.registry import Spec, create, names
from embedkit_connectors.files import FileSource
from embedkit_connectors.inputs import SUFFIXES, Input, cannot_read, expanded

_SPEC = re.compile(r"[A-Za-z][\w.+-]*(?=[:?]|$)")
_PARQUET = b"PAR1"


def open_source(data: Any) -> Source:
    """Return the source of whatever holds records.

    Parameters
    ----------
    data
        A path to a file (its suffix says the format, its content has the last word) or to a
        folder of text files; ``-`` for standard input; a spec of a registered source, such as
        ``csv:weird.dat?delimiter=%3B``; a source; or what
        :class:`embedkit_connectors.memory.MemorySource` takes: a DataFrame, an Arrow table, an
        iterable of records, dicts, texts or (id, text) pairs.

    Raises
    ------
    SourceNotFoundError
        There is no such file; the nearest name is offered.
    SourceError
        A file that is empty or cannot be read.
    InvalidInputError
        What holds no records.
    """
    if isinstance(data, (str, Path)):
        return _named(data)
    if isinstance(data, Source):
        return data
    from embedkit_connectors.memory import MemorySource

    return MemorySource(data)


def _named(data: str | Path) -> Source:
    text = str(data)
    if not text.strip():
        raise InvalidInputError("expected the path of a file, got an empty one")
    if "\0" in text:
        raise InvalidInputError("expected the path of a file, got one with a NUL character in it")
    path = expanded(data)
    if text == "-":
        return _checked(_of_input(Input(text)))
    try:
        if path.is_dir():
            return _created("folder", path)
        found = path.exists()
    except OSError as error:
        raise cannot_read(path, text, error) from error
    if found:
        return _checked(_of_input(Input(data)))
    spec = _spec(text)
    if spec is not None:
        source: Source = create("source", spec)
        return _checked(source)
    return _missing(path, text)


def _missing(path: Path, text: str) -> Source:
    if "://" in text:
        raise SourceError(f"expected a file or a folder, got the address {text}", do="download it")
    try:
        path.stat()
    except OSError as error:
        raise cannot_read(path, text, error) from error
    raise SourceError(f"cannot read {text}", do="check the path")


def _spec(text: str) -> Spec | None:
    """Return the spec that a text is, if it names a source; its options may be percent-encoded."""
    name = _SPEC.match(text)
    if name is None or name.group() not in names("source"):
        return None
    if name.group() == text and text in SUFFIXES.values():
        return None
    spec = Spec.parse(text)
    options = {option: unquote(value) for option, value in spec.options.items()}
    return Spec(spec.name, spec.argument, options)


def _checked(source: Source) -> Source:
    """Make errors of a file that is missing, empty or locked come now and not later."""
    if isinstance(source, FileSource):
        source.input.peek()
    return source


def _of_input(source: Input) -> Source:
    head = source.peek()
    kind = SUFFIXES.get(source.suffix)
    if head.startswith(_PARQUET):
        kind = "parquet"
    if kind != "parquet":
        from embedkit_connectors.lines import glimpse

        text = glimpse(head, source.label)
        if kind is None:
            kind = _sniff(text)
        elif kind == "csv" and _is_json(text):
            kind = "jsonl"
    return _created(kind, source)


def _is_json(text: str) -> bool:
    """Tell whether the first line is a JSON object, which no CSV begins with."""
    line = text.lstrip().partition("\n")[0].rstrip()
    return line.startswith('{"') and line.endswith("}")


def _sniff(text: str) -> str:
    """Tell the format of a text by its first lines."""
    if text.lstrip()[:1] in ("{", "["):
        return "jsonl"
    from embedkit_connectors.dialect import like_names, sniff
    from embedkit_connectors.rows import LONE

    lines = list(io.StringIO(text, newline=""))
    if len(lines) > 2 and not lines[-1].endswith("\n"):
        lines.pop()  # it may be cut
    found = sniff(lines)
    even = found.rows > 0 and found.share >= 0.9 and like_names(found.header)
    return "csv" if even and found.dialect.delimiter != LONE else "text"


def _created(kind: str, argument: Any) -> Source:
    source: Source = create("source", kind, argument)
    return source
