"""Plain text: a file with a record a line, or a folder with a record a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from embedkit.errors import SourceError
from embedkit.types import Reject
from embedkit_connectors.arrays import integers, strings
from embedkit_connectors.batch import (
    BATCH_BYTES,
    BATCH_ROWS,
    MAX_RECORD,
    MAX_REJECTS,
    Batch,
    excerpt,
    line_array,
)
from embedkit_connectors.files import FileSource
from embedkit_connectors.inputs import Input, cannot_read, expanded
from embedkit_connectors.lines import Lines, fault, read_text

TEXT_SUFFIXES = (".txt", ".md", ".rst", ".text")


class TextSource(FileSource):
    """The lines of a text file, a record each, in the one column ``text``; blank lines are skipped.

    Parameters
    ----------
    path : str or Path
        ``-`` is standard input.
    encoding : str, optional
        Such as ``utf-8``, ``cp1252``, ``shift_jis``.
    """

    def batches(self) -> Iterator[Batch]:
        """Yield the lines in batches; see :class:`embedkit.protocols.Source`.

        Raises
        ------
        SourceError
            A source that is missing, empty, binary or damaged; in the last case after all lines
            before the damage.
        """
        texts: list[str] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        size = 0
        yielded = False
        try:
            for lines in self.reader():
                size += lines.size
                _add(lines, texts, numbers, rejects)
                while len(texts) >= BATCH_ROWS or (size >= BATCH_BYTES and texts):
                    yield _batch(texts[:BATCH_ROWS], numbers[:BATCH_ROWS], rejects)
                    del texts[:BATCH_ROWS], numbers[:BATCH_ROWS]
                    rejects, yielded = [], True
                    size = size if texts else 0
                if len(rejects) >= MAX_REJECTS:
                    yield _batch([], [], rejects)
                    rejects, yielded = [], True
        except SourceError:
            if texts or rejects:
                yield _batch(texts, numbers, rejects)
            raise
        if texts or rejects or not yielded:
            yield _batch(texts, numbers, rejects)


def _add(lines: Lines, texts: list[str], numbers: list[int], rejects: list[Reject]) -> None:
    for number, line in enumerate(lines.lines, start=lines.number):
        text = line.rstrip("\r\n")
        if not text or text.isspace():
            continue
        reason = fault(text) if lines.suspect else None
        if reason is None:
            texts.append(text)
            numbers.append(number)
        else:
            rejects.append(Reject(number, reason, excerpt(text)))


def _batch(texts: list[str], numbers: list[int], rejects: list[Reject]) -> Batch:
    table = pa.RecordBatch.from_arrays([strings(texts)], names=["text"])
    return Batch(table, line_array(numbers), rejects)


class FolderSource:
    """The text files of a folder and the folders in it, a record each.

    Columns: ``id`` and ``path`` (the path within the folder, with ``/``), ``text``, ``size`` in
    bytes. Files are taken by name, those of a folder before those of the folders in it; line
    numbers count files. Hidden files and folders are left out, links to folders are not followed.
    A file that cannot be read or is no text is refused, the others go on.

    Parameters
    ----------
    path : str or Path
        The folder.
    encoding : str, optional
        Of all its files; otherwise found out for each.
    """

    typed = True
    notes: tuple[str, ...] = ()

    def __init__(self, path: str | Path, *, encoding: str | None = None) -> None:
        self.label = str(path)
        self.path = expanded(path)
        self.encoding = encoding

    @property
    def name(self) -> str:
        """Absolute path of the folder."""
        return str(self.path.resolve())

    @property
    def stem(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name or "root"

    def __repr__(self) -> str:
        return f"FolderSource({self.label!r})"

    def batches(self) -> Iterator[Batch]:
        """Yield the files in batches; see :class:`embedkit.protocols.Source`.

        Raises
        ------
        SourceError
            A folder that is missing, cannot be read or holds no text files.
        """
        if self.path.is_file():
            raise SourceError(f"expected a folder, got the file {self.label}", do="name it alone")
        rows: list[tuple[int, str, str, int]] = []
        rejects: list[Reject] = []
        size, number, others = 0, 0, ""
        for path, problem in self._files():
            if problem is None and not _is_text(path):
                others = others or str(path)
                continue
            number += 1
            relative = path.relative_to(self.path).as_posix()
            try:
                text, length = self._read(path, problem)
                relative.encode()
            except (SourceError, UnicodeEncodeError) as error:
                rejects.append(_refused(number, relative, error))
            else:
                rows.append((number, relative, text, length))
                size += length
            if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES or len(rejects) >= MAX_REJECTS:
                yield _files_batch(rows, rejects)
                rows, rejects, size = [], [], 0
        if number == 0:
            raise self._no_files(others)
        if rows or rejects:
            yield _files_batch(rows, rejects)

    def _files(self) -> Iterator[tuple[Path, OSError | None]]:
        """Yield the files, and the folders that cannot be read."""
        errors: list[OSError] = []
        for folder, folders, files in os.walk(self.path, onerror=errors.append):
            yield from _unreadable(errors)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith("."):
                    yield Path(folder, name), None
        if errors and errors[0].filename == str(self.path):
            raise cannot_read(self.path, self.label, errors[0])
        yield from _unreadable(errors)

    def _read(self, path: Path, problem: OSError | None) -> tuple[str, int]:
        if problem is not None:
            raise cannot_read(path, path.name, problem)
        if path.exists() and not path.is_file():
            raise SourceError("expected a file, got a pipe or a device")
        data = bytearray()
        source = Input(path)
        source.label = path.name
        for block in source.blocks():
            data += block
            if len(data) > MAX_RECORD:
                raise SourceError(f"expected a file of at most {MAX_RECORD // 2**20} MiB")
        return read_text(bytes(data), path.name, self.encoding), len(data)

    def _no_files(self, other: str) -> SourceError:
        do = f"to read {other}, name the file" if other else "name a file"
        return SourceError(
            f"expected text files ({', '.join(TEXT_SUFFIXES)}) in the folder {self.label}, "
            "found none",
            do=do,
        )


def _is_text(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(TEXT_SUFFIXES)


def _unreadable(errors: list[OSError]) -> Iterator[tuple[Path, OSError]]:
    while errors:
        error = errors.pop(0)
        yield Path(error.filename), error


def _refused(number: int, relative: str, error: Exception) -> Reject:
    unreadable = isinstance(error, SourceError)
    reason = str(error).partition("; ")[0] if unreadable else "expected a file name in UTF-8"
    shown = excerpt(relative)
    return Reject(number, reason, shown, shown)


def _files_batch(rows: list[tuple[int, str, str, int]], rejects: list[Reject]) -> Batch:
    numbers, paths, texts, sizes = zip(*rows, strict=True) if rows else ((), (), (), ())
    ids = strings(paths)
    arrays = [ids, strings(texts), ids, integers(sizes)]
    table = pa.RecordBatch.from_arrays(arrays, names=["id", "text", "path", "size"])
    return Batch(table, line_array(numbers), rejects)
