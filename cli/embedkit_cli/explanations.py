"""How the reasons for a label are printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.session import colourless
from embedkit_cli.table import Column, render, terminal_width
from embedkit_cli.text import clean, count, width

if TYPE_CHECKING:
    from embedkit.types import ExampleRow, Explanation, Portrait, WordEffect

BAR = 16
"""Columns of the longest bar."""
WORDS = 12
"""Words that a table lists."""
FAINT = 0.15
"""Of the strongest effect: a word of less is not marked."""


def explanation_rows(found: Sequence[Explanation]) -> list[dict[str, Any]]:
    """Return explanations as lines of a CSV file: a word a line."""
    return [
        {
            "text": one.text,
            "label": one.label,
            "probability": one.probability,
            "against": one.other,
            "word": word.word,
            "effect": word.effect,
            "effect_against": word.against,
            "probability_without": word.probability,
        }
        for one in found
        for word in one.words
    ]


def describe_explanation(found: Explanation, *, plain: bool) -> str:
    """Return an explanation as a person reads it.

    Parameters
    ----------
    plain : bool
        Whether words are marked by signs and not by colours.
    """
    label, other = clean(str(found.label)), clean(str(found.other))
    lines = [
        f"{click.style(label, bold=True)} {found.probability:.3f}, "
        f"rather than {other} {found.other_probability:.3f}",
        "",
        *_marked(found, plain=plain),
        "",
    ]
    if found.words:
        lines += [_words(found), ""]
    if found.best:
        told = ", ".join(map(repr, found.best))
        lines += [f"without {told}: {label} {found.without_best:.3f}", ""]
    if found.nearest:
        lines += [_examples("nearest rows learned from", found.nearest)]
    if found.nearest_other:
        lines += ["", _examples(f"nearest of {other}", found.nearest_other)]
    return "\n".join(lines).rstrip()


def _marked(found: Explanation, *, plain: bool) -> Iterable[str]:
    """Yield the lines of the text, the words that matter marked, as wide as the terminal."""
    strongest = max((abs(word.effect) for word in found.words), default=0.0)
    places = sorted(
        (start, stop, word.effect)
        for word in found.words
        if abs(word.effect) >= FAINT * strongest > 0
        for start, stop in word.spans
    )
    room, line, used = max(terminal_width() - 2, 20), "", 0
    for match in re.finditer(r"\S+", found.text):
        shown, wide = _token(found.text, *match.span(), places, plain=plain)
        if line and used + 1 + wide > room:
            yield f"  {line}"
            line, used = "", 0
        line, used = (f"{line} {shown}", used + 1 + wide) if line else (shown, wide)
    yield f"  {line}"
    if plain and places:
        yield "  (+word+ speaks for the label, -word- against it)"


def _token(
    text: str, start: int, stop: int, places: Sequence[tuple[int, int, float]], *, plain: bool
) -> tuple[str, int]:
    """Return what stands between two blanks, the words in it marked, and its width."""
    shown, wide, at = "", 0, start
    for first, last, effect in places:
        if start <= first and last <= stop:
            for part, told in ((text[at:first], 0.0), (text[first:last], effect)):
                shown += _mark(clean(part), told, plain=plain)
                wide += width(clean(part)) + (2 if plain and told else 0)
            at = last
    rest = clean(text[at:stop])
    return shown + rest, wide + width(rest)


def _mark(word: str, effect: float, *, plain: bool) -> str:
    if not effect:
        return word
    if plain:
        sign = "+" if effect > 0 else "-"
        return f"{sign}{word}{sign}"
    return click.style(word, fg="green" if effect > 0 else "red", bold=True)


def _words(found: Explanation) -> str:
    listed = sorted(found.words, key=lambda word: -abs(word.effect))[:WORDS]
    listed.sort(key=lambda word: -word.effect)
    strongest = max(abs(word.effect) for word in listed) or 1.0
    return render(
        [
            Column("word", [word.word for word in listed], widest=24),
            Column("log-odds", [f"{word.effect:+.2f}" for word in listed], right=True),
            Column("", [_bar(word, strongest) for word in listed]),
            Column("without", [f"{word.probability:.3f}" for word in listed], right=True),
            Column(
                f"against {found.other}",
                [f"{word.against:+.2f}" for word in listed],
                right=True,
                optional=True,
            ),
        ]
    )


def _bar(word: WordEffect, strongest: float) -> str:
    size = round(abs(word.effect) / strongest * BAR)
    return ("+" if word.effect > 0 else "-") * size


def _examples(title: str, rows: Sequence[ExampleRow]) -> str:
    similarity = [f"{row.similarity:.3f}" if row.similarity is not None else "" for row in rows]
    return render(
        [
            *([Column("similarity", similarity, right=True)] if any(similarity) else []),
            Column("label", [_label(row.label) for row in rows], widest=24),
            Column("held out", [f"{row.probability:.3f}" for row in rows], right=True),
            Column(title, [row.text for row in rows], stretch=True),
        ]
    )


def _label(label: Any) -> str:
    return ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)


def describe_portrait(found: Portrait) -> str:
    """Return what a label looks like, as a person reads it."""
    lines = [f"{click.style(clean(str(found.label)), bold=True)}: {count(found.rows, 'row')}"]
    if found.words:
        told = ", ".join(f"{clean(word.word)} ({word.z:.1f})" for word in found.words)
        lines += ["", *_hanging("words (z)", told)]
    if found.typical:
        lines += ["", _examples("typical", found.typical)]
    if found.borderline:
        lines += ["", _borderline(found.borderline)]
    return "\n".join(lines)


def _hanging(title: str, text: str) -> Iterable[str]:
    import textwrap

    room = max(terminal_width() - len(title) - 2, 20)
    for i, line in enumerate(textwrap.wrap(text, room)):
        head = title if not i else " " * len(title)
        yield f"{click.style(head, bold=True)}  {line}"


def _borderline(rows: Sequence[ExampleRow]) -> str:
    return render(
        [
            Column("margin", [f"{row.margin:+.3f}" for row in rows], right=True),
            Column("nearly", [_label(row.other) for row in rows], widest=24),
            Column("borderline", [row.text for row in rows], stretch=True),
        ]
    )


def portrait_rows(found: Sequence[Portrait]) -> list[dict[str, Any]]:
    """Return what labels look like as lines of a CSV file: a row or a word a line."""
    rows: list[dict[str, Any]] = []
    for one in found:
        kinds: Mapping[str, Sequence[ExampleRow]] = {
            "typical": one.typical,
            "borderline": one.borderline,
        }
        rows += [
            {"label": one.label, "kind": kind, "text": row.text, "probability": row.probability,
             "other": row.other, "margin": row.margin}
            for kind, listed in kinds.items()
            for row in listed
        ]  # fmt: skip
        rows += [
            {"label": one.label, "kind": "word", "text": word.word, "z": word.z, "rows": word.rows}
            for word in one.words
        ]
    return rows


def in_plain() -> bool:
    """Return whether colours will not be seen: none are wanted, or no terminal is there."""
    import sys

    from embedkit_cli.session import is_terminal

    wanted = click.get_current_context().color
    return colourless() or wanted is False or (not is_terminal(sys.stdout) and wanted is not True)
