"""Judgements of relevance, as files hold them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from embedkit.errors import SourceError, SourceNotFoundError
from embedkit.integrity import storage_error

_HEADER = ("query_id", "doc_id", "relevance")


def read_qrels(path: str | Path) -> dict[str, dict[str, float]]:
    """Return the relevance of records to queries: ``{query id: {record id: relevance}}``.

    Parameters
    ----------
    path : str or Path
        Lines of ``query_id 0 doc_id relevance`` as TREC has them, or a CSV with the columns
        query_id, doc_id and relevance.

    Raises
    ------
    SourceNotFoundError, SourceError
        There is no such file, a line is neither, or nothing is judged.
    """
    found: dict[str, dict[str, float]] = {}
    for line, (query, doc, relevance) in _rows(Path(path)):
        try:
            found.setdefault(query, {})[doc] = float(relevance)
        except ValueError:
            raise SourceError(
                f"expected a number as relevance in line {line} of {path}, got {relevance!r}"
            ) from None
    if not found:
        raise SourceError(f"{path} holds no judgements")
    return found


def _rows(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SourceNotFoundError(f"there is no file {path}") from None
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8: {error}") from error
    except OSError as error:
        raise storage_error(error, path, doing="read") from error
    lines = text.splitlines()
    if lines and "," in lines[0]:
        yield from _csv(path, lines)
        return
    for line, words in enumerate(map(str.split, lines), start=1):
        if words and len(words) != 4:
            raise SourceError(
                f"expected 'query_id 0 doc_id relevance' in line {line} of {path}, "
                f"got {' '.join(words)[:80]!r}"
            )
        if words:
            yield line, (words[0], words[2], words[3])


def _csv(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    reader = csv.DictReader(lines)
    if not set(_HEADER) <= set(reader.fieldnames or ()):
        raise SourceError(f"expected the columns {', '.join(_HEADER)} in {path}, got {lines[0]!r}")
    for row in reader:
        yield reader.line_num, [(row[name] or "").strip() for name in _HEADER]
