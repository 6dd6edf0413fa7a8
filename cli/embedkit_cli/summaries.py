"""Summaries as a person or a program reads them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import InterruptedWorkError, say
from embedkit_cli.output import csv_line, to_json, write
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session
from embedkit_cli.table import terminal_width
from embedkit_cli.text import clean, count

if TYPE_CHECKING:
    from embedkit.summarizing.pipeline import Summarizer
    from embedkit.summarizing.rows import RowSummary
    from embedkit.types import RankedCandidate
    from embedkit.types.summaries import Summary

LISTED = 20
"""Rows that failed and are listed; the others are counted."""


def candidates_table(summary: Summary) -> str:
    """Return every candidate with its scores and with what is wrong with it, wrapped."""
    room = max(terminal_width(), 20)
    return "\n\n".join("\n".join(_block(each, summary, room)) for each in summary.ranking)


def _block(each: RankedCandidate, summary: Summary, room: int) -> Iterator[str]:
    rank = "-" if each.rank is None else str(each.rank)
    score = f"{each.score:.3f}" if math.isfinite(each.score) else "no score"
    head = f"{rank}  {score}  {clean(each.generator)}".rstrip()
    yield click.style(head[:room], bold=each.rank is not None, dim=each.rank is None)
    for line in each.text.strip().splitlines() or ["(nothing)"]:
        yield from _wrapped(line, room)
    told = [f"{name} {value:.3f}" for name, value in each.scores.items() if math.isfinite(value)]
    for line in _wrapped(", ".join(told), room):
        yield click.style(line, dim=True)
    for rejection in each.rejections:
        for line in _wrapped(f"rejected ({rejection.filter}): {rejection.reason}", room):
            yield click.style(line, fg="red")
    if each.merged_into is not None:
        into = next((one for one in summary.ranking if one.place == each.merged_into), None)
        rank = "another" if into is None or into.rank is None else f"number {into.rank}"
        yield from _wrapped(f"says nearly the same as {rank}, which stands for both", room)


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(clean(text), room, initial_indent="   ", subsequent_indent="   ")


def print_rows(
    session: Session, summarizer: Summarizer, source: str, options: dict[str, Any], *, every: bool
) -> int:
    """Summarize each row of a source, print or write it as it comes, and return the exit code."""
    from embedkit.ingest.choose import split_columns
    from embedkit.summarizing.rows import Journal, summarize_rows
    from embedkit_connectors import open_source

    opened = open_source(source)
    done: set[str] = set()
    failed: list[RowSummary] = []
    written = 0
    with ExitStack() as stack:
        journal = None
        if options["out"]:
            journal = stack.enter_context(
                Journal(
                    options["out"], _wishes(session, source, options, every), force=options["force"]
                )
            )
            done = journal.done
        progress = stack.enter_context(Progress())
        found = summarize_rows(
            opened,
            summarizer,
            text=split_columns(options["text"]),
            id=options["id_column"],
            done=done,
            progress=progress.show if journal is not None else None,
        )
        printer = _Printer(session.format, every=every)
        try:
            for row in found:
                if row.summary is None:
                    failed.append(row)
                    continue
                written += 1
                if journal is not None:
                    journal.add(row.to_dict(every=every))
                else:
                    printer.show(row)
            printer.end(journal is None)
        except KeyboardInterrupt:
            again = "; run the same command again to go on" if journal is not None else ""
            raise InterruptedWorkError(
                f"interrupted after {count(written, 'summary', 'summaries')}{again}"
            ) from None
    _report(source, options["out"], written, len(done), failed)
    return 1 if failed else 0


def _wishes(session: Session, source: str, options: dict[str, Any], every: bool) -> dict[str, Any]:
    """Return what is asked for, with what the settings say where the options do not."""
    kept = {k: v for k, v in options.items() if k not in ("out", "force")}
    if not kept["generators"]:
        kept["generators"] = [session.settings.generator or "extractive"]
    if kept["embedder"] is None:
        kept["embedder"] = session.settings.embedder or "minilm"
    return {"source": source, "every": every, **kept}


class _Printer:
    """Prints rows as they come."""

    def __init__(self, form: str, *, every: bool) -> None:
        self.form = form
        self.every = every
        self.rows: list[dict[str, Any]] = []
        self.begun = False

    def show(self, row: RowSummary) -> None:
        assert row.summary is not None
        told = row.to_dict(every=self.every)
        if self.form == "json":
            self.rows.append(told)
        elif self.form == "jsonl":
            write([to_json(told) + "\n"])
        elif self.form == "csv":
            if not self.begun:
                write([csv_line(list(told))])
            write([csv_line(list(told.values()))])
        else:
            gap = "\n" if self.begun else ""
            body = candidates_table(row.summary) if self.every else row.summary.text.strip()
            head = click.style(clean(row.id)[: terminal_width()], bold=True)
            safe = body if self.every else "\n".join(map(clean, body.splitlines()))
            write([f"{gap}{head}\n{safe}\n"], cleaned=True)
        self.begun = True

    def end(self, shown: bool) -> None:
        if shown and self.form == "json":
            write([to_json(self.rows, indent=2) + "\n"])


def _report(
    source: str, out: str | None, written: int, before: int, failed: list[RowSummary]
) -> None:
    if out:
        there = f", {before:,} were there" if before else ""
        say(f"{out}: {count(written, 'summary', 'summaries')} written{there}")
    if failed:
        lines = [f"line {row.line}: {row.reason}" for row in failed[:LISTED]]
        if len(failed) > LISTED:
            lines.append(f"and {len(failed) - LISTED:,} more")
        say("\n".join([f"{source}: {count(len(failed), 'row')} without a summary", *lines]))
