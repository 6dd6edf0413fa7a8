"""A summary for each row of a source, written as it comes, so that a run can be resumed."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from embedkit.errors import (
    CredentialsError,
    DamagedError,
    EmbedkitError,
    InvalidInputError,
    QuotaError,
)
from embedkit.integrity import storage_error

if TYPE_CHECKING:
    from embedkit.protocols import Source
    from embedkit.summarizing.pipeline import Summarizer
    from embedkit.types.summaries import Summary

FIELDS = ("id", "summary", "generator", "score", "notes")


@dataclass(frozen=True, slots=True)
class RowSummary:
    """What came of a row.

    Attributes
    ----------
    id : str
    line : int
        Where the row begins: a line of the file, or a row number, from 1.
    summary : Summary or None
        None where it failed.
    reason : str
        Why there is no summary.
    """

    id: str
    line: int
    summary: Summary | None = None
    reason: str = ""

    def to_dict(self, *, every: bool = False) -> dict[str, Any]:
        """Return the row that is written; with ``every`` the candidates too."""
        assert self.summary is not None
        told = self.summary.to_dict()
        chosen = {name: told[name] for name in FIELDS[1:]}
        return {"id": self.id, **chosen, **({"candidates": told["candidates"]} if every else {})}


def summarize_rows(
    source: Source,
    summarizer: Summarizer,
    *,
    text: Sequence[str] | None = None,
    id: str | None = None,
    done: Collection[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[RowSummary]:
    """Yield what comes of each row, in order.

    A row that fails is yielded with its reason, and the others go on. Where there is no column of
    ids, a row is called after its text, so that it is known again wherever it stands.

    Parameters
    ----------
    text : sequence of str, optional
        The columns of the text. Found by itself where that is safe.
    id : str, optional
        The column of the ids.
    done : collection of str
        Ids of rows that are passed over.

    Raises
    ------
    ColumnError
        Which column is meant is not clear.
    CredentialsError, QuotaError
        No other row would do better.
    """
    from embedkit.classification.labelled import read_texts, samples_of
    from embedkit.ingest.choose import choose

    seen: set[str] = set()
    chosen = None
    count = 0
    for batch in source.batches():
        for reject in batch.rejects:
            yield RowSummary(reject.id or "", reject.line, None, reject.reason)
        if not batch.table.num_rows:
            continue
        if chosen is None:
            chosen = choose(samples_of(batch.table), text=text, id=id)
        ids: list[Any] = [None] * batch.table.num_rows
        if chosen.id is not None and chosen.id in batch.table.schema.names:
            ids = batch.table.column(chosen.id).to_pylist()
        texts = read_texts(batch.table, chosen.text)
        for line, told, body in zip(batch.lines.tolist(), ids, texts, strict=True):
            count += 1
            if progress is not None:
                progress("summarizing rows", count, 0)
            name = _name(told, body)
            if name in done and name not in seen:
                seen.add(name)
                continue
            if name in seen:
                yield RowSummary(name, line, None, "a row of this id came before")
                continue
            seen.add(name)
            yield _summarized(name, line, body, summarizer)


def _name(told: Any, body: Any) -> str:
    """Return a row's id, one made of its text where it has none."""
    if told is not None and str(told).strip():
        return str(told)
    return hashlib.sha256(str(body).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _summarized(name: str, line: int, body: Any, summarizer: Summarizer) -> RowSummary:
    if not isinstance(body, str):
        return RowSummary(name, line, None, body.reason)
    if not body.strip():
        return RowSummary(name, line, None, "there is no text in this row")
    try:
        summary = summarizer(body)
    except (CredentialsError, QuotaError):
        raise
    except EmbedkitError as error:
        return RowSummary(name, line, None, str(error))
    if summary.best is None:
        first = summary.ranking[0].rejections
        why = f": {first[0].reason}" if first else ""
        return RowSummary(name, line, None, f"no candidate passed{why}")
    return RowSummary(name, line, summary)


class Journal:
    """A file that summaries are added to one by one; what it holds already is not done again.

    Parameters
    ----------
    path : str
        Ends with ``.jsonl`` or ``.csv``. A last line that was cut short is taken away.
    wishes : mapping
        What was asked for. A file that was begun with other wishes is refused: they are kept in
        ``PATH.wishes`` beside it.
    force : bool
        Begin anew.
    """

    def __init__(self, path: str, wishes: dict[str, Any], *, force: bool = False) -> None:
        self.path = Path(path)
        self.beside = self.path.with_name(self.path.name + ".wishes")
        if self.path.suffix not in (".jsonl", ".csv"):
            raise InvalidInputError(
                f"expected a file that can be added to, got {path!r}",
                do="end it with .jsonl or .csv",
            )
        self.force = force
        self.wishes = json.dumps(wishes, sort_keys=True, default=str)
        self.done: set[str] = set()
        self._file: IO[str] | None = None

    def __enter__(self) -> Journal:
        there = self.path.exists()
        try:
            self._file = self.path.open("a", encoding="utf-8", newline="")
            self._lock(self._file)
            if there and not self.force:
                self._resume()
            else:
                self.path.write_text(self._head(), encoding="utf-8")
                self.beside.write_text(self.wishes, encoding="utf-8")
        except BaseException as error:
            self._close()
            if isinstance(error, OSError) and not isinstance(error, EmbedkitError):
                raise storage_error(error, self.path) from error
            raise
        return self

    def _lock(self, file: IO[str]) -> None:
        """Keep the file for this process alone, as long as it is open."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidInputError(
                f"{self.path} is being written by another process",
                do="wait until it ends, or choose another name",
            ) from error

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, row: dict[str, Any]) -> None:
        """Write a row, so that it is there whatever comes next.

        Raises
        ------
        StorageError
        """
        assert self._file is not None
        try:
            self._file.write(self._line(row))
            self._file.flush()
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _resume(self) -> None:
        if not self.beside.exists():
            raise InvalidInputError(
                f"{self.path} is there already, and is not known to hold summaries",
                do="choose another name, or write over it with --force",
            )
        if self.beside.read_text(encoding="utf-8", errors="replace") != self.wishes:
            raise InvalidInputError(
                f"{self.path} was begun with other options",
                do="give the same ones, another name, or begin anew with --force",
            )
        data = self.path.read_bytes()
        whole = self._whole(data)
        if len(whole) < len(data):
            self.path.write_bytes(whole)
        text = whole.decode("utf-8", "replace")
        if self.path.suffix == ".csv":
            self.done = self._ids(text)
        else:
            # Not splitlines: a summary may hold separators that JSON writes as they are.
            self.done = {
                self._id(number, line)
                for number, line in enumerate(text.split("\n"), 1)
                if line.strip()
            }

    def _id(self, number: int, line: str) -> str:
        """Return the id of a line that was written earlier."""
        try:
            return str(json.loads(line)["id"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged(
                f"expected a summary with an id in line {number}, got {line[:40]!r}"
            ) from error

    def _ids(self, text: str) -> set[str]:
        """Return the ids of a CSV that was written earlier."""
        try:
            rows = csv.DictReader(io.StringIO(text, newline=""))
            if rows.fieldnames is not None and "id" in rows.fieldnames:
                return {row["id"] for row in rows}
        except csv.Error as error:
            raise self._damaged(str(error)) from error
        raise self._damaged(f"expected the columns {', '.join(FIELDS)}, got {text[:40]!r}")

    def _damaged(self, what: str) -> DamagedError:
        return DamagedError(
            f"{self.path} is damaged: {what}", do="mend it, or begin anew with --force"
        )

    def _whole(self, data: bytes) -> bytes:
        """Return the rows that were written to their end."""
        whole = data[: data.rfind(b"\n") + 1]
        if self.path.suffix == ".csv":  # a line may end within quotes
            while whole.count(b'"') % 2:
                whole = whole[: whole.rfind(b"\n", 0, -1) + 1]
        return whole

    def _head(self) -> str:
        return self._csv(FIELDS) if self.path.suffix == ".csv" else ""

    def _line(self, row: dict[str, Any]) -> str:
        if self.path.suffix == ".jsonl":
            return json.dumps(row, ensure_ascii=False) + "\n"
        return self._csv(["; ".join(v) if isinstance(v := row[k], list) else v for k in FIELDS])

    @staticmethod
    def _csv(values: Sequence[Any]) -> str:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        return line.getvalue()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
