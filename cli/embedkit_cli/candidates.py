"""How what a generator wrote is printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.table import terminal_width
from embedkit_cli.text import clean, count, harmless

if TYPE_CHECKING:
    from embedkit.types import Candidate


def mean_logprob(candidate: Candidate) -> float | None:
    """Return the mean log-probability of its tokens; None where they are not known."""
    if not candidate.tokens:
        return None
    return sum(token.logprob for token in candidate.tokens) / len(candidate.tokens)


def candidate_rows(candidates: Sequence[Candidate], *, logprobs: bool) -> list[dict[str, Any]]:
    """Return candidates as objects, their tokens as pairs of text and log-probability."""
    return [
        {
            "text": candidate.text,
            "finish_reason": candidate.finish_reason,
            "prompt_tokens": candidate.prompt_tokens,
            "completion_tokens": candidate.completion_tokens,
            "mean_logprob": mean_logprob(candidate),
        }
        | (
            {"tokens": [[token.text, token.logprob] for token in candidate.tokens or ()]}
            if logprobs
            else {}
        )
        for candidate in candidates
    ]


def describe_candidates(candidates: Sequence[Candidate], *, logprobs: bool) -> str:
    """Return candidates as a person reads them: each whole, below a line of facts."""
    blocks = []
    for number, candidate in enumerate(candidates, 1):
        head = click.style(f"{number}", bold=True) + f"  {describe_facts(candidate)}"
        lines = [head, harmless(candidate.text) if candidate.text.strip() else "(empty)"]
        if logprobs and candidate.tokens:
            lines += ["", *_tokens(candidate)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def describe_facts(candidate: Candidate) -> str:
    """Return why it ended, its tokens and their mean log-probability."""
    told = [clean(candidate.finish_reason)]
    if candidate.completion_tokens is not None:
        told.append(count(candidate.completion_tokens, "token"))
    if candidate.prompt_tokens is not None:
        told.append(f"{candidate.prompt_tokens:,} in the prompt")
    mean = mean_logprob(candidate)
    if mean is not None:
        told.append(f"mean log-probability {mean:.3f}")
    return ", ".join(told)


def _tokens(candidate: Candidate) -> list[str]:
    """Return the tokens with their log-probabilities, as many on a line as fit."""
    import textwrap

    from embedkit.generators.decoding.visible import visible

    # What is to stay together on a line must not hold the blank that lines break at.
    pairs = [
        f"{visible(t.text).replace(' ', '␣')}\N{NO-BREAK SPACE}{round(t.logprob, 2) + 0.0:.2f}"
        for t in candidate.tokens or ()
    ]
    room = terminal_width() - 2
    return [f"  {line}" for line in textwrap.wrap("  ".join(pairs), room, break_on_hyphens=False)]
