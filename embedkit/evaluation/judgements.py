"""Judgements of relevance, and runs that were made elsewhere, as files hold them."""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from embedkit.errors import SourceError, SourceNotFoundError
from embedkit.integrity import storage_error

COLUMNS: Mapping[str, Sequence[str]] = {
    "query_id": ("queryid", "qid", "query", "topic", "topicid"),
    "doc_id": ("docid", "corpusid", "doc", "documentid", "recordid", "docno", "did", "pid", "id"),
    "relevance": ("relevance", "rel", "score", "label", "grade", "judgement", "judgment"),
}
"""What a judgement is made of, and how others call it, in small letters and letters only."""
_UNFIT = re.compile(r"\s|[\x00-\x1f\x7f-\x9f]")
_Fields = tuple[int, Sequence[str]]


def read_qrels(path: str | Path) -> dict[str, dict[str, float]]:
    """Return the relevance of records to queries: ``{query id: {record id: relevance}}``.

    Parameters
    ----------
    path : str or Path
        Lines of ``query_id 0 doc_id relevance`` separated by blanks or tabs, as TREC has them, or a
        CSV or TSV whose header names the columns query_id, doc_id and relevance; ``query-id``,
        ``corpus-id`` and ``score``, as BEIR has them, are known too. It may be gzip.

    Raises
    ------
    SourceNotFoundError, SourceError
        There is no such file, a line is neither, a pair is judged in two ways, or nothing is
        judged. The line is named.
    """
    found: dict[str, dict[str, float]] = {}
    for line, (query, doc, told) in _judgements(Path(path)):
        relevance = _number(told)
        if relevance is None:
            raise SourceError(
                f"expected a number as relevance in line {line} of {path}, got {told[:40]!r}"
            )
        if not query or not doc:
            missing = "doc_id" if query else "query_id"
            raise SourceError(f"line {line} of {path} has no {missing}")
        docs = found.setdefault(query, {})
        if docs.setdefault(doc, relevance) != relevance:
            raise SourceError(
                f"line {line} of {path} judges record {doc!r} for query {query!r} as "
                f"{relevance:g}, an earlier line as {docs[doc]:g}",
                do="keep one of them",
            )
    if not found:
        raise SourceError(f"{path} holds no judgements")
    return found


def read_run(path: str | Path) -> dict[str, list[tuple[str, float]]]:
    """Return what a search found: ``{query id: (record id, score), best first}``.

    Parameters
    ----------
    path : str or Path
        Lines of ``query_id Q0 doc_id rank score tag`` as ``embedkit search --format trec`` writes
        them. As trec_eval does, the score decides the order; equal scores are ordered by rank.

    Raises
    ------
    SourceNotFoundError, SourceError
        There is no such file, a line is none of a run, a record is found twice for a query, or
        nothing was found.
    """
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for line, text in enumerate(_lines(Path(path)), start=1):
        words = text.split()
        if not words:
            continue
        rank, score = (_number(words[i]) if len(words) == 6 else None for i in (3, 4))
        if rank is None or score is None:
            raise SourceError(
                f"expected 'query_id Q0 doc_id rank score tag' in line {line} of {path}, "
                f"got {text[:80]!r}"
            )
        docs = found.setdefault(words[0], {})
        if words[2] in docs:
            raise SourceError(
                f"line {line} of {path} holds record {words[2]!r} for query {words[0]!r} again"
            )
        docs[words[2]] = (-score, rank)
    if not found:
        raise SourceError(f"{path} holds no hits")
    return {
        query: [(id, -docs[id][0]) for id in sorted(docs, key=docs.__getitem__)]
        for query, docs in found.items()
    }


def run_lines(query_id: str, hits: Iterable[tuple[str, float]], tag: str) -> Iterator[str]:
    """Yield a run in the format of trec_eval: ``query_id Q0 record_id rank score tag``.

    Its fields are separated by blanks, so blanks within ids are written as ``%20`` and the like.
    """
    for rank, (id, score) in enumerate(hits, start=1):
        fields = (query_id, "Q0", id, str(rank), f"{score:.8f}", tag)
        yield " ".join(map(trec_field, fields)) + "\n"


def trec_field(text: str) -> str:
    """Return the text without blanks and controls, each percent-encoded instead."""

    def encode(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in match[0].encode())

    return _UNFIT.sub(encode, text)


def _judgements(path: Path) -> Iterator[_Fields]:
    """Yield the line, and query, record and relevance as they are written."""
    lines = _lines(path)
    first = next((line for line in lines if line.strip()), "")
    for delimiter in ("\t", ",", ";"):
        columns = _columns(next(csv.reader([first], delimiter=delimiter), []))
        if columns is not None:
            yield from _delimited(path, lines, delimiter, columns)
            return
    if len(first.split()) != 4:
        wanted = ", ".join(COLUMNS)
        raise SourceError(
            f"expected 'query_id 0 doc_id relevance' in line 1 of {path}, or the columns {wanted}, "
            f"got {first[:80]!r}"
            if first
            else f"{path} holds no judgements"
        )
    for line, words in enumerate(map(str.split, lines), start=1):
        if words and len(words) != 4:
            raise SourceError(
                f"expected 'query_id 0 doc_id relevance' in line {line} of {path}, "
                f"got {' '.join(words)[:80]!r}"
            )
        if words:
            yield line, (words[0], words[2], words[3])


def _columns(header: Sequence[str]) -> list[int] | None:
    """Return where query, record and relevance stand, by their names; None where one has none."""
    names = [re.sub(r"[\W_]+", "", name.lower()) for name in header]
    places = [
        next((names.index(name) for name in known if name in names), -1)
        for known in COLUMNS.values()
    ]
    return places if len(names) > 1 and min(places) >= 0 and len(set(places)) == 3 else None


def _delimited(
    path: Path, lines: Sequence[str], delimiter: str, columns: Sequence[int]
) -> Iterator[_Fields]:
    reader = csv.reader(lines, delimiter=delimiter)
    headed = False
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not headed:
                headed = True
                continue
            if len(row) <= max(columns):
                raise SourceError(
                    f"expected {max(columns) + 1} columns in line {reader.line_num} of {path}, "
                    f"got {delimiter.join(row)[:80]!r}"
                )
            yield reader.line_num, [row[place].strip() for place in columns]
    except csv.Error as error:
        raise SourceError(f"line {reader.line_num} of {path} cannot be read: {error}") from error


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except FileNotFoundError:
        raise SourceNotFoundError(f"there is no file {path}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} is cut or damaged: {error}") from error
    except OSError as error:
        raise storage_error(error, path, doing="read") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8: {error}") from error
    if "\0" in text:
        raise SourceError(f"{path} is no text file: it holds zero bytes")
    # Not splitlines: what else it takes for the end of a line may stand in an id.
    return re.split(r"\r\n|\r|\n", text)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
