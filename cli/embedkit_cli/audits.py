"""How an audit is printed: a summary for a person, or its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from embedkit_cli.output import emit
from embedkit_cli.table import Column, facts, numeric, render
from embedkit_cli.text import count

if TYPE_CHECKING:
    from embedkit import Audit
    from embedkit.types import Estimate

SHOWN = 10
"""Rows of a table that the summary shows."""
_BRIEF: dict[str, tuple[str, tuple[str, ...]]] = {
    "errors": ("Likely label errors", ("line", "label", "suggested", "score", "text")),
    "conflicts": (
        "Conflicting repeats",
        ("line", "label", "other_line", "other_label", "cosine", "text"),
    ),
    "leaks": (
        "Test rows among the training rows",
        ("test_line", "train_line", "cosine", "test_label", "train_label", "test_text"),
    ),
    "classes": (
        "Rare labels",
        ("label", "rows", "recall", "precision", "errors"),
    ),
    "confusions": (
        "Labels often confused",
        ("first", "second", "share", "first_as_second", "second_as_first"),
    ),
    "spellings": ("Labels that may be one", ("label", "rows", "other", "other_rows", "differ")),
    "suggestions": (
        "What to label next",
        ("rank", "line", "likely", "probability", "why", "text"),
    ),
}
"""The heading of each table of the summary, and the columns that it shows; repeats without a
conflict are only counted."""


def emit_audit(form: str, found: Audit, only: str | None) -> None:
    """Print an audit.

    Parameters
    ----------
    form : str
        ``json``: all of it; ``jsonl`` and ``csv``: the rows of all tables, each with the name of
        its table first; ``table``: a summary.
    only : str, optional
        A table to print alone, and whole.
    """
    if only is not None:
        rows = found.table(only)
        emit(form, rows, lambda: _table(rows, found.columns(only)) if rows else "")
    elif form in ("jsonl", "csv"):
        emit(form, [{"table": n, **row} for n in found.TABLES for row in found.table(n)], str)
    else:
        emit(form, found.to_dict(), lambda: summary(found))


def summary(found: Audit) -> str:
    """Return what a person should know first: figures, then the head of each table."""
    parts = [facts(_figures(found))]
    for name, (heading, columns) in _BRIEF.items():
        rows = found.table(name)
        if name == "classes":
            rows = [row for row in rows if row["rare"]]
        if rows:
            more = f" (the first {SHOWN} of {len(rows):,})" if len(rows) > SHOWN else ""
            parts.append(f"{heading}{more}\n{_table(rows[:SHOWN], columns)}")
    return "\n\n".join(parts)


def _figures(found: Audit) -> list[tuple[str, Any]]:
    listed: list[tuple[str, Any]] = [
        ("rows", f"{found.rows:,} of {found.source}, {count(len(found.classes), 'label')}"),
        (
            "agreement",
            f"{_interval(found.accuracy)} of the labels are what cross-validation says"
            f" ({found.head} on {found.embedder})",
        ),
        ("wrong labels", f"about {found.noise:.1%} by estimate"),
        ("to look at", _to_look_at(found)),
        (
            "repeats",
            f"{count(len(found.conflicts), 'pair')} in conflict,"
            f" {count(len(found.duplicates), 'pair')} with one label",
        ),
    ]
    if found.leaks or found.leak_effect is not None:
        listed.append(("leaks", _leaks(found)))
    return [*listed, *(("note", note) for note in found.notes)]


def _to_look_at(found: Audit) -> str:
    if found.expected_precision is None:
        return "no row: no label is likely to be wrong"
    return (
        f"{count(len(found.errors), 'row')}, of which about {found.expected_precision:.0%}"
        " are wrong by estimate"
    )


def _leaks(found: Audit) -> str:
    told = f"{count(len(found.leaks), 'test row')} among the training rows"
    effect = found.leak_effect
    if effect is None:
        return told
    if effect.without is None:
        return f"{told}: all of them"
    return (
        f"{told}; accuracy {effect.with_leaks.mean:.3f} with them,"
        f" {_interval(effect.without)} without"
    )


def _interval(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    def column(name: str) -> Column:
        values = [row[name] for row in rows]
        long = name in ("text", "test_text")
        return Column(
            name.replace("_", " "),
            values,
            right=numeric(values),
            stretch=long,
            widest=0 if long else 24,
        )

    return render([column(name) for name in columns])
