"""Bytes of a file or of standard input, decompressed where they are gzip."""

from __future__ import annotations

import difflib
import errno
import os
import stat
import sys
import zlib
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from embedkit.errors import SourceError, SourceNotFoundError

BLOCK = 2**18
GZIP = b"\x1f\x8b"
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".rst": "text",
}
"""Suffixes, in lower case and without ``.gz``, and the source that reads such files."""


class DamagedInputError(SourceError):
    """Bytes that end early or are not what the compression wrote."""


class Input:
    """A file, or standard input where the path is ``-``.

    A file can be read again and again, standard input and pipes once.

    Attributes
    ----------
    name : str
        Absolute path, or ``-``.
    label : str
        The path as it was given.
    stem : str
        The file's name without suffixes such as ``.csv.gz``; ``stdin`` for standard input.
    """

    def __init__(self, path: str | Path) -> None:
        self.label = str(path)
        self.path = None if self.label == "-" else expanded(path)
        self._once = self.path is None or _is_pipe(self.path)
        self._head: list[bytes] = []
        self._rest: Iterator[bytes] | None = None
        self._used = False

    @property
    def name(self) -> str:
        """Absolute path, or ``-``."""
        return "-" if self.path is None else str(self.path.resolve())

    @property
    def stem(self) -> str:
        """Name of the file without the suffixes that say its format."""
        return "stdin" if self.path is None else stem(self.path)

    @property
    def suffix(self) -> str:
        """Return the suffix in lower case, the one before ``.gz`` where there is one."""
        if self.path is None:
            return ""
        name = self.path.name.lower()
        return Path(name.removesuffix(".gz")).suffix

    def peek(self) -> bytes:
        """Return the first block, up to 256 KiB, without using it up.

        Raises
        ------
        SourceError
            What cannot be opened, or is empty.
        """
        try:
            head = self._peek()
        except DamagedInputError as error:
            raise SourceError(error.message, do="get the file again") from error
        if not head:
            raise SourceError(f"{self._called()} is empty", do="give a file with records in it")
        return head

    def _peek(self) -> bytes:
        if not self._once:
            blocks = self._open()
            head = next(blocks, b"")
            blocks.close()
            return head
        if self._used:
            raise self._used_up()
        if self._rest is None:
            self._rest = self._open()
            self._head = [next(self._rest, b"")]
        return self._head[0]

    def blocks(self) -> Iterator[bytes]:
        """Yield the decompressed bytes in blocks of up to 256 KiB.

        Raises
        ------
        DamagedInputError
            Where gzip data is cut or damaged, after everything before that was yielded.
        """
        if not self._once:
            return self._open()
        if self._used:
            raise self._used_up()
        self._used = True
        rest = self._rest if self._rest is not None else self._open()
        head, self._head, self._rest = self._head, [], None
        return chain(head, rest)

    def _open(self) -> Generator[bytes]:
        raw = _plain(self._stream(), self.label, close=self.path is not None)
        first = next(raw, b"")
        whole = chain([first], raw)
        try:
            yield from _inflate(whole, self.label) if first.startswith(GZIP) else whole
        finally:
            raw.close()

    def _stream(self) -> BinaryIO:
        if self.path is None:
            return sys.stdin.buffer
        try:
            return self.path.open("rb")
        except OSError as error:
            raise cannot_read(self.path, self.label, error) from error

    def _called(self) -> str:
        return "standard input" if self.path is None else self.label

    def _used_up(self) -> SourceError:
        return SourceError(f"{self._called()} can be read only once", do="save it to a file first")


def expanded(path: str | Path) -> Path:
    """Return a path with ``~`` replaced by the home folder, where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _is_pipe(path: Path) -> bool:
    """Tell whether a path is a pipe or the like, such as ``<(command)`` in a shell."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def stem(path: Path) -> str:
    """Return a file's name without the suffixes that say its format."""
    name = path.resolve().name
    if name.lower().endswith(".gz"):
        name = name[:-3]
    root, suffix = os.path.splitext(name)  # noqa: PTH122
    return (root if suffix.lower() in SUFFIXES or suffix else name) or name


def cannot_read(path: Path, label: str, error: OSError) -> SourceError:
    """Say why a file cannot be read, and what to do about it."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SourceNotFoundError(f"expected a file, found no {label}", do=_nearest(path))
    if error.errno == errno.EISDIR:
        return SourceError(
            f"expected a file, got the folder {label}", do="name a file in it, or folder:PATH"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceError(
            f"cannot read {label}: permission denied", do="mend its permissions (chmod u+r)"
        )
    return SourceError(f"cannot read {label}: {error.strerror or error}", do="check the path")


def _nearest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    try:
        known = {entry.name for entry in os.scandir(folder)}
    except OSError:
        return "check the path"
    near = difflib.get_close_matches(path.name, sorted(known), n=1, cutoff=0.6)
    if not near:
        near = sorted(name for name in known if stem(Path(name)) == path.name)[:1]
    return f"did you mean {folder / near[0]}?" if near else "check the path"


def _plain(stream: BinaryIO, label: str, *, close: bool) -> Generator[bytes]:
    try:
        while block := stream.read(BLOCK):
            yield block
    except OSError as error:
        raise SourceError(
            f"cannot read {label}: {error.strerror or error}", do="check the disk"
        ) from error
    finally:
        if close:
            stream.close()


def _inflate(blocks: Iterator[bytes], label: str) -> Iterator[bytes]:
    """Yield what gzip members hold, one after the other, in blocks of bounded size."""
    engine = zlib.decompressobj(wbits=31)
    try:
        for block in blocks:
            left = block
            while left:
                if engine.eof:
                    left = left.lstrip(b"\0")  # members may be padded with zeros
                    if not left:
                        break
                    engine = zlib.decompressobj(wbits=31)
                yield from _drain(engine, left)
                left = engine.unused_data
    except zlib.error as error:
        raise DamagedInputError(f"{label} is damaged: its gzip data is broken") from error
    if not engine.eof:
        raise DamagedInputError(f"{label} is damaged: its gzip data ends early")


def _drain(engine: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while True:
        block = engine.decompress(data, BLOCK)
        if block:
            yield block
        data = engine.unconsumed_tail
        if not data and len(block) < BLOCK:
            return
