"""A text out of a file, and whether a file holds one text or many."""

from __future__ import annotations

from pathlib import Path

from embedkit.errors import InvalidInputError, SourceError

LARGEST = 64 * 2**20
"""Bytes of a document; what is larger is hardly one text."""


def read_document(path: str | Path) -> str:
    """Return the text of a file, also gzip, or of standard input where the path is ``-``.

    Raises
    ------
    SourceNotFoundError
        There is no such file; the nearest name is offered.
    SourceError
        A file that is empty, binary or too large.
    """
    from embedkit_connectors.inputs import Input
    from embedkit_connectors.lines import read_text

    label = "standard input" if str(path) == "-" else str(path)
    _check_path(str(path))
    source = Input(path)
    source.label = label
    source.peek()
    data = bytearray()
    for block in source.blocks():
        data += block
        if len(data) > LARGEST:
            raise SourceError(
                f"expected a text of at most {LARGEST // 2**20} MiB, got more in {label}",
                do="split the file, or name its rows with --text",
            )
    text = read_text(bytes(data), label)
    if not any(character.isalnum() for character in text):
        raise SourceError(
            f"expected a text with words to summarize, got none in {label}",
            do="give a file with sentences in it",
        )
    return text


def holds_rows(path: str) -> bool:
    """Whether a path names rows, each a text of its own: a table, a folder, a spec of a source."""
    from embedkit import registry
    from embedkit_connectors.inputs import SUFFIXES, expanded

    if path == "-":
        return False
    _check_path(path)
    place = expanded(path)
    try:
        if place.is_dir():
            return True
        there = place.exists()
    except OSError:
        return False
    if not there and path.partition(":")[0] in registry.names("source") and ":" in path:
        return True
    suffix = Path(place.name.lower().removesuffix(".gz")).suffix
    return SUFFIXES.get(suffix, "text") != "text"


def _check_path(path: str) -> None:
    if not path.strip() or "\0" in path:
        raise InvalidInputError(f"expected the path of a file, got {path!r}")
