"""How answers, and the passages that they rest on, are printed."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from embedkit.errors import (
    CredentialsError,
    EmbedkitError,
    FilterError,
    MissingDependencyError,
    QuotaError,
    UnknownBackendError,
    UnsupportedOperationError,
)
from embedkit_cli.failure import say, say_waiting
from embedkit_cli.output import csv_line, emit, to_json, write
from embedkit_cli.table import facts, terminal_width
from embedkit_cli.text import clean, count, cut

if TYPE_CHECKING:
    from embedkit.types import Answer, Excerpt, RankedCandidate

    Told = Answer | list[Excerpt]

COLUMNS = ("question", "answer", "said", "confidence", "sources", "generator")
PASSAGE = ("number", "score", "id", "start", "stop", "text")
LISTED = 20
"""Questions that failed and are listed; the others are counted."""
FOR_ALL: tuple[type[EmbedkitError], ...] = (
    CredentialsError,
    QuotaError,
    UnknownBackendError,
    MissingDependencyError,
    UnsupportedOperationError,
    FilterError,
)
"""What no other question of the same command would do better with."""
CANDIDATE = ("rank", "score", "text", "rejections", "scores")


def answer_one(
    form: str, question: str, call: Callable[[str], Told], *, everything: bool = False
) -> int:
    """Answer a question, print it and return the exit code."""
    told = call(question)
    if isinstance(told, list):
        emit(form, [each.to_dict() for each in told], lambda: passages_text(told))
        if not told:
            say("no record matches")
        return 0
    if form == "csv":
        write(_csv(told, everything, header=True))
    else:
        emit(form, told.to_dict(), lambda: answer_text(told, everything=everything))
    for note in told.notes:
        say(note)
    return 0


def answer_file(
    form: str, path: str, call: Callable[[str], Told], *, everything: bool = False
) -> int:
    """Answer each question of a file, print them as they come and return the exit code."""
    from embedkit_cli.many import read_queries

    if path == "-":
        say_waiting()
    queries = read_queries(path)
    asked = _Asked(queries.rows, call)
    write(_many(form, asked, everything), cleaned=form == "table")
    if queries.rejects:
        first = queries.rejects[0]
        say(
            f"{path}: {count(len(queries.rejects), 'row')} left out; "
            f"the first is line {first.line}: {first.reason}"
        )
    if asked.failed:
        lines = [f"{id}: {reason}" for id, reason in asked.failed[:LISTED]]
        if len(asked.failed) > LISTED:
            lines.append(f"and {len(asked.failed) - LISTED:,} more")
        say(
            "\n".join([f"{path}: {count(len(asked.failed), 'question')} without an answer", *lines])
        )
    if asked.stopped is not None:
        raise asked.stopped
    return 1 if queries.rejects or asked.failed else 0


class _Asked:
    """The answers to questions, as they come; what fails is kept, and the others go on.

    An error that every other question would meet ends the answers. It is kept too, so that what
    came before it is printed.
    """

    def __init__(self, rows: Sequence[tuple[str, str]], call: Callable[[str], Told]) -> None:
        self.rows = rows
        self.call = call
        self.failed: list[tuple[str, str]] = []
        self.stopped: EmbedkitError | None = None

    def __iter__(self) -> Iterator[tuple[str, str, Told]]:
        for id, question in self.rows:
            try:
                told = self.call(question)
            except FOR_ALL as error:
                self.stopped = error
                return
            except EmbedkitError as error:
                self.failed.append((id, str(error)))
                continue
            yield id, question, told


def answer_text(answer: Answer, *, everything: bool = False) -> str:
    """Return an answer for people: itself, its sources with their text, and the candidates."""
    parts = [_wrapped(answer.text)]
    if answer.sources:
        parts.append(passages_text(answer.sources))
    if everything and answer.ranking is not None:
        parts.append(_candidates(answer.ranking.candidates))
    return "\n\n".join(parts)


def passages_text(passages: Sequence[Excerpt]) -> str:
    """Return passages for people, whole: number, id and probability, and the text beside."""
    if not passages:
        return ""
    return facts([(f"[{each.number}] {_label(each)}", each.text) for each in passages])


def _label(passage: Excerpt) -> str:
    return f"{cut(clean(passage.id), 20)} {passage.score:.2f}"


def _wrapped(text: str) -> str:
    return "\n".join(
        textwrap.wrap(clean(text), terminal_width(), break_long_words=False, break_on_hyphens=False)
    )


def _candidates(candidates: Sequence[RankedCandidate]) -> str:
    """Return candidates for people: each whole, with every score and what is against it."""
    blocks = []
    for each in candidates:
        scores = [f"{name} {_number(v)}" for name, v in each.scores.items() if v == v]
        told = [
            ("rank", "none" if each.rank is None else each.rank),
            ("score", _number(each.score)),
            *([("scores", ", ".join(scores))] if scores else []),
            *([("against it", _against(each))] if _against(each) else []),
            ("text", each.text or "(empty)"),
        ]
        blocks.append(facts(told))
    return "\n\n".join(blocks)


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.2f}"


def _against(candidate: RankedCandidate) -> str:
    if candidate.rejections:
        return "; ".join(f"{each.filter}: {each.reason}" for each in candidate.rejections)
    return "" if candidate.merged_into is None else "says nearly the same as a better one"


def _many(form: str, answered: Iterable[tuple[str, str, Told]], everything: bool) -> Iterator[str]:
    """Yield what is printed of many answers, as they come."""
    if form == "json":
        yield to_json([_as_dict(*each) for each in answered], indent=2) + "\n"
        return
    for n, (id, question, told) in enumerate(answered):
        if form == "csv":
            if isinstance(told, list):
                yield from _passages_csv(told, (id,), header=not n)
            else:
                yield from _csv(told, everything, (id,), header=not n)
        elif form == "table":
            heading = click.style(cut(clean(f"{id}: {question}"), terminal_width()), bold=True)
            body = (
                passages_text(told)
                if isinstance(told, list)
                else answer_text(told, everything=everything)
            )
            yield ("\n" if n else "") + heading + "\n" + body + "\n"
        else:
            yield to_json(_as_dict(id, question, told)) + "\n"


def _as_dict(id: str, question: str, told: Told) -> dict[str, Any]:
    if isinstance(told, list):
        passages = [each.to_dict() for each in told]
        return {"query_id": id, "question": question, "passages": passages}
    return {"query_id": id, **told.to_dict()}


def _passages_csv(
    passages: Sequence[Excerpt], before: Sequence[Any] = (), *, header: bool
) -> Iterator[str]:
    if header:
        yield csv_line([*(("query_id",) if before else ()), *PASSAGE])
    for each in passages:
        yield csv_line([*before, *(getattr(each, name) for name in PASSAGE)])


def _csv(
    answer: Answer, everything: bool, before: Sequence[Any] = (), *, header: bool
) -> Iterator[str]:
    """Yield an answer as a line, or a line a candidate."""
    names = CANDIDATE if everything else COLUMNS
    if header:
        yield csv_line([*(("query_id",) if before else ()), *names])
    if not everything:
        ids = [source.id for source in answer.sources]
        values = (answer.question, answer.text, answer.said, answer.confidence, ids)
        yield csv_line([*before, *values, answer.generator])
        return
    listed = answer.ranking.candidates if answer.ranking is not None else ()
    for each in listed:
        yield csv_line(
            [*before, each.rank, each.score, each.text, _against(each), dict(each.scores)]
        )
