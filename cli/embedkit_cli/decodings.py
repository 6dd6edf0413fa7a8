"""How the choice of each token is printed."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.table import terminal_width
from embedkit_cli.text import clean, cut, harmless, pad, width

if TYPE_CHECKING:
    from embedkit.types import Decoding, DecodingStep, TokenChoice

BAR = 24
"""Columns of the longest bar."""
TOKEN = 24
"""Columns of a token, at most."""
NUMBER = 7
"""Columns of a probability, with the gap before it."""
REASON = 7


def describe_decoding(found: Decoding, choices: int) -> str:
    """Return a decoding as a person reads it, a block a step.

    Parameters
    ----------
    choices : int
        How many of the likeliest tokens a step shows.
    """
    steps = [step.fewer(choices) for step in found.steps]
    layout = _Layout(found, steps)
    lines = [*textwrap.wrap(describe_law(found), terminal_width()), ""]
    for number, step in enumerate(steps, 1):
        lines += [*layout.step(number, step), ""]
    return "\n".join([*lines, *_said(found)])


def describe_law(found: Decoding) -> str:
    """Return how the tokens were drawn, in the order in which it is applied."""
    told = [f"temperature {found.temperature:g}"]
    told += [f"top-k {found.top_k}"] if found.top_k else []
    told += [f"top-p {found.top_p:g}"] if found.top_p is not None and found.top_p < 1 else []
    seed = "" if found.seed is None else f"; seed {found.seed}"
    return f"{clean(found.model_id)}: {', then '.join(told)}{seed}"


def _said(found: Decoding) -> Iterable[str]:
    yield click.style("text", bold=True) + f"  ({clean(found.finish_reason)})"
    yield from harmless(found.text).splitlines() or ["(empty)"]


class _Layout:
    """Where the columns of all steps stand."""

    def __init__(self, found: Decoding, steps: list[DecodingStep]) -> None:
        fancy = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
        self.blank, self.block, self.mark = ("␣", "█", "▸") if fancy else ("_", "#", ">")
        every = [choice for step in steps for choice in step.choices]
        self.tempers = found.temperature not in (0, 1)
        nucleus = found.top_p is not None and found.top_p < 1
        self.cuts = bool(found.top_k) or nucleus or found.temperature == 0
        self.numbers = 1 + self.tempers + self.cuts
        room = terminal_width() - 2 - self.numbers * NUMBER - (REASON if self.cuts else 0)
        widest = max([width(self._token(choice)) for choice in every] + [12])
        self.wide = max(min(widest, TOKEN, room), 6)
        self.bar = max(min(room - self.wide - 2, BAR), 0)

    def step(self, number: int, step: DecodingStep) -> Iterable[str]:
        """Yield the lines of a step, its drawn token and the names of the columns first."""
        names = ["model"]
        names += ["temp."] if self.tempers else []
        names += ["left"] if self.cuts else []
        head = pad(cut(f"{number:>2} {self._token(step.drawn)}", self.wide + 2), self.wide + 2)
        titles = "".join(f"{name:>{NUMBER}}" for name in names)
        yield click.style(head, bold=True) + click.style(titles, dim=True)
        for choice in step.choices:
            yield self._choice(choice)
        if step.others:
            yield self._others(step)
        if self.cuts and step.left is not None:
            yield from self._cut(step)

    def _token(self, choice: TokenChoice) -> str:
        from embedkit.generators.decoding.visible import visible

        return visible(choice.text, self.blank)

    def _choice(self, choice: TokenChoice) -> str:
        mark = self.mark if choice.drawn else " "
        token = cut(self._token(choice), self.wide)
        blanks = " " * (self.wide - width(token))
        share = choice.left if not choice.cut else choice.tempered
        bar = self.block * round(share * self.bar)
        numbers = self._numbers(choice.probability, choice.tempered, choice.left)
        reason = f"  {_REASONS[choice.cut]:<{REASON - 2}}" if self.cuts else ""
        if choice.cut:
            struck = click.style(token, dim=True, strikethrough=True)
            rest = click.style(f"{blanks}{numbers}{reason}", dim=True)
            return f"{mark} {struck}{rest}".rstrip()
        shown = click.style(token, bold=True, fg="green") if choice.drawn else token
        tail = f"{numbers}{reason}"
        bar = click.style(bar, fg="green") if choice.drawn and bar else bar
        return f"{mark} {shown}{blanks}{tail}  {bar}".rstrip()

    def _others(self, step: DecodingStep) -> str:
        label = cut(f"{step.others:,} more", self.wide)
        numbers = self._numbers(step.others_probability, step.others_tempered, step.others_left)
        return click.style(f"  {pad(label, self.wide)}{numbers}", dim=True)

    def _cut(self, step: DecodingStep) -> Iterable[str]:
        """Yield how many tokens are left, and what the cuts cost."""
        told = [f"{step.left:,} left"]
        told += [f"top-k cut {_share(step.cut_by_top_k)}"] if step.cut_by_top_k else []
        told += [f"top-p cut {_share(step.cut_by_top_p)}"] if step.cut_by_top_p else []
        for line in textwrap.wrap(", ".join(told), terminal_width() - 2):
            yield click.style(f"  {line}", dim=True)

    def _numbers(self, model: float, tempered: float, left: float) -> str:
        told = [model] + [tempered] * self.tempers + [left] * self.cuts
        return "".join(f"{_share(number):>{NUMBER}}" for number in told)


_REASONS: Mapping[str, str] = {"": "", "temperature": "temp.", "top-k": "top-k", "top-p": "top-p"}


def _share(number: float) -> str:
    """Return a probability in five characters; what is not nothing does not look like it."""
    if number == 0:
        return "-"
    return "<.001" if number < 0.0005 else f"{number:.3f}"


def decoding_rows(found: Decoding) -> list[dict[str, Any]]:
    """Return a decoding as lines of a CSV file: a choice a line."""
    return [
        {
            "step": number,
            "token": choice.text,
            "probability": choice.probability,
            "tempered": choice.tempered,
            "left": choice.left,
            "cut": choice.cut,
            "drawn": choice.drawn,
        }
        for number, step in enumerate(found.steps, 1)
        for choice in step.choices
    ]
