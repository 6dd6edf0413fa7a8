"""Many queries at once, from a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedkit.evaluation.judgements import run_lines, trec_field
from embedkit_cli.failure import say
from embedkit_cli.hits import hits_table, query_csv_lines, query_csv_names
from embedkit_cli.output import csv_line, to_json, write
from embedkit_cli.table import terminal_width
from embedkit_cli.text import clean, count, cut

if TYPE_CHECKING:
    import embedkit
    from embedkit.types import Hit, Reject
    from embedkit_cli.commands.search import Wanted

IDS = ("id", "query_id", "qid", "_id")
TEXTS = ("text", "query", "question")
BATCH = 256
"""Queries that are searched, and printed, together."""
JUDGED = 8
"""The same where a reranker, slow or paid, reads many texts for each."""


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries of a file, and the rows that hold none."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    """Ids that came again; only the first query of each is in ``rows``."""


def search_file(
    form: str,
    collection: embedkit.Collection,
    path: str,
    wanted: Wanted,
    tag: str,
) -> int:
    """Search for each query of a file and print the hits; return the exit code."""
    queries = read_queries(path)
    answers = _search(collection, queries, wanted)
    write(_print(form, answers, collection, tag), cleaned=form == "table")
    if form == "trec" and any(trec_field(id) != id for id, _ in queries.rows):
        say("blanks in ids were written as %20, since trec separates its fields by blanks")
    if queries.rejects:
        first = queries.rejects[0]
        say(
            f"{path}: {count(len(queries.rejects), 'row')} left out; "
            f"the first is line {first.line}: {first.reason}"
        )
    return 1 if queries.rejects else 0


def search_vectors(
    form: str, collection: embedkit.Collection, path: str, wanted: Wanted, tag: str
) -> int:
    """Search for each vector of a file and print the hits; ids count from 1."""
    vectors = read_vectors(path)

    def answers() -> Iterator[Answer]:
        for start in range(0, len(vectors), BATCH):
            batch = vectors[start : start + BATCH]
            found = collection.search_vectors(batch, **wanted.arguments())
            for number, hits in enumerate(found, start=start + 1):
                yield str(number), "", hits

    write(_print(form, answers(), collection, tag), cleaned=form == "table")
    return 0


def read_vectors(path: str) -> Any:
    """Read query vectors, shape (n, dim): a NumPy file, or a JSON array a line.

    Raises
    ------
    SourceError
        The file cannot be read, or holds something else.
    """
    import io
    import json

    import numpy as np

    from embedkit.errors import SourceError

    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    try:
        if data.startswith(b"\x93NUMPY"):
            array = np.load(io.BytesIO(data), allow_pickle=False)
        else:
            lines = [json.loads(line) for line in data.splitlines() if line.strip()]
            nested = len(lines) == 1 and lines[0] and isinstance(lines[0][0], list)
            array = np.asarray(lines[0] if nested else lines, np.float32)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SourceError(
            f"expected vectors in {path}, a NumPy array or a JSON array of numbers a line: {error}"
        ) from error
    if not array.size:
        raise SourceError(f"there is no vector in {path}", do="give a file with a vector a line")
    return array[np.newaxis] if array.ndim == 1 else array


Answer = tuple[str, str, "list[Hit]"]


def _search(collection: embedkit.Collection, queries: Queries, wanted: Wanted) -> Iterator[Answer]:
    size = BATCH if wanted.options.get("rerank") is None else JUDGED
    for start in range(0, len(queries.rows), size):
        batch = queries.rows[start : start + size]
        answers = collection.search_many([text for _, text in batch], **wanted.arguments())
        for (id, text), hits in zip(batch, answers, strict=True):
            yield id, text, hits


def _print(
    form: str, answers: Iterator[Answer], collection: embedkit.Collection, tag: str
) -> Iterator[str]:
    if form == "json":
        yield to_json([_as_dict(answer) for answer in answers], indent=2) + "\n"
    elif form == "csv":
        names = query_csv_names(collection.info())
        yield csv_line(["query_id", *names])
        for id, _, hits in answers:
            yield from query_csv_lines(id, hits, names)
    elif form == "table":
        for n, (id, text, hits) in enumerate(answers):
            heading = click.style(
                cut(clean(f"{id}: {text}" if text else id), terminal_width()), bold=True
            )
            table = hits_table(hits) + "\n" if hits else ""
            yield ("\n" if n else "") + heading + "\n" + table
    else:
        for id, text, hits in answers:
            if form == "trec":
                yield from run_lines(id, ((hit.id, hit.score) for hit in hits), tag)
            else:
                yield to_json(_as_dict((id, text, hits))) + "\n"


def _as_dict(answer: Answer) -> dict[str, Any]:
    id, query, hits = answer
    return {"query_id": id, "query": query, "hits": [hit.to_dict() for hit in hits]}


def read_queries(path: str) -> Queries:
    """Read ids and texts; ids count from 1 where the file has none.

    Raises
    ------
    SourceError
        The file cannot be read, holds no query, or has no column of texts.
    """
    from embedkit.errors import SourceError
    from embedkit.types import Reject
    from embedkit_connectors import open_source

    queries, seen = Queries(), set[str]()
    number = 0
    for batch in open_source(path).batches():
        queries.rejects.extend(batch.rejects)
        columns = batch.table.schema.names
        texts = batch.table.column(_pick(columns, path)).to_pylist()
        known = next((name for name in IDS if name in columns), None)
        ids = batch.table.column(known).to_pylist() if known else [None] * len(texts)
        for line, id, text in zip(batch.lines.tolist(), ids, texts, strict=True):
            number += 1
            name = str(number if id is None else id)
            if text is None or not str(text).strip():
                queries.rejects.append(Reject(line, "there is no text in this row"))
            elif name in seen:
                queries.twice.append(name)
                queries.rejects.append(Reject(line, f"the id {name!r} came before"))
            else:
                seen.add(name)
                queries.rows.append((name, str(text)))
    if not queries.rows:
        raise SourceError(f"there is no query in {path}", do="give a file with a query a line")
    return queries


def read_asked(path: str) -> tuple[dict[str, str], int]:
    """Return the queries of a file by id, and the exit code that rows left out ask for.

    Raises
    ------
    SourceError
        It cannot be read, holds no query, or two of one id.
    """
    from embedkit.errors import SourceError

    found = read_queries(path)
    if found.twice:
        raise SourceError(
            f"{path} holds two queries of the id {found.twice[0]!r}", do="number them anew"
        )
    if found.rejects:
        first = found.rejects[0]
        say(
            f"{path}: {count(len(found.rejects), 'row')} left out; "
            f"the first is line {first.line}: {first.reason}"
        )
    return dict(found.rows), 1 if found.rejects else 0


def _pick(columns: Sequence[str], path: str) -> str:
    from embedkit.errors import ColumnError

    for name in TEXTS:
        if name in columns:
            return name
    others = [name for name in columns if name not in IDS]
    if len(others) == 1:
        return others[0]
    raise ColumnError(
        f"{path} has no column of queries; expected one called {' or '.join(TEXTS)}, "
        f"got {', '.join(columns)}",
        do="rename the column",
    )
