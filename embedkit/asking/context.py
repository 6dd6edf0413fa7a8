"""Excerpts as a prompt that fits into what the generator reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedkit.errors import InvalidInputError
from embedkit.managed.tokens import estimate_tokens
from embedkit.sentences import sentences
from embedkit.types import Excerpt

if TYPE_CHECKING:
    from embedkit.prompts.template import PromptTemplate, Rendered

CONTEXT = 4096
"""Tokens that a generator is taken to read where it does not say."""
ANSWER = 300
"""Tokens that are kept free for an answer where the prompt does not say how long it is."""
MARGIN = 32
"""Tokens kept free for what stands around a prompt that its text does not show."""
_NUMBERED = re.compile(r"\[(\s*\d[\d\s,;–-]*)\]")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt, the excerpts in it, and what was left out of it, in sentences."""

    rendered: Rendered
    excerpts: tuple[Excerpt, ...]
    notes: tuple[str, ...] = ()


def quoted(text: str) -> str:
    """Return a passage as it stands in a prompt: on one line, so that nothing in it looks like one.

    A text may hold what looks like the prompt's own lines, such as a question or the number of
    another source. Control characters are left out, and a number in square brackets stands in
    round ones; marks of a chat's turns, such as ``<|im_end|>``, are broken.
    """
    kept = "".join(
        " " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    return bracketless(turnless(" ".join(kept.split())))


def turnless(text: str) -> str:
    """Return a text in which nothing is a mark of a chat's turns: ``<|im_end|>`` ends none.

    A local model reads such marks wherever they stand, so that a text with one could speak as the
    user, or as the model itself.
    """
    return text.replace("<|", "< |").replace("|>", "| >")


def bracketless(text: str) -> str:
    """Return a text whose own numbers in square brackets stand in round ones, as long as before."""
    return _NUMBERED.sub(r"(\1)", text)


def fit(
    question: str,
    excerpts: Sequence[Excerpt],
    template: PromptTemplate,
    generator: Any,
    context: int | None = None,
) -> Fitted:
    """Return a prompt with as many of the excerpts as fit, the most relevant first.

    Tokens are counted by the generator where it can (``count_tokens``), else estimated; its
    ``context`` says how many it reads. One that does not fit whole is shortened by whole sentences;
    the neighbour stays longest. What is left out is said.

    Raises
    ------
    InvalidInputError
        Not even a sentence fits beside the question.
    """
    count: Callable[[str], int] = getattr(generator, "count_tokens", None) or estimate_tokens
    known = getattr(generator, "context", None)
    whole = context or (known if isinstance(known, int) else None) or CONTEXT
    if context and isinstance(known, int):
        whole = min(context, known)
    reserved = int(template.parameters.get("max_tokens") or ANSWER)
    room = whole - min(reserved, whole // 2) - MARGIN

    def rendered(some: Sequence[Excerpt]) -> Rendered:
        return template.render(question=question, sources=[quoted(each.text) for each in some])

    def fits(some: Sequence[Excerpt]) -> bool:
        return count(rendered(some).text) <= room

    kept: list[Excerpt] = []
    notes = []
    for excerpt in excerpts:
        short = _shortened(excerpt, lambda one: fits([*kept, one]))
        if short is None:
            notes.append(f"{excerpt.id} did not fit into {whole:,} tokens and was left out")
            continue
        if len(short.text) < len(excerpt.text):
            notes.append(
                f"{excerpt.id} was shortened to {len(sentences(short.text))} of "
                f"{len(sentences(excerpt.text))} sentences, to fit into {whole:,} tokens"
            )
        kept.append(short)
    if not kept:
        raise InvalidInputError(
            f"the context of {whole:,} tokens does not hold the question and a sentence beside it",
            do="ask more briefly, or use a generator that reads more",
        )
    # An answer names the sources by where they stand in the prompt.
    numbered = tuple(replace(excerpt, number=i) for i, excerpt in enumerate(kept, 1))
    return Fitted(rendered(numbered), numbered, tuple(notes))


def _shortened(excerpt: Excerpt, fits: Callable[[Excerpt], bool]) -> Excerpt | None:
    """Return an excerpt, or the most of its sentences that fit, from its neighbour on."""
    if fits(excerpt):
        return excerpt
    first = min((start for start, _ in excerpt.near), default=excerpt.start) - excerpt.start
    told = [each for each in sentences(excerpt.text) if each.end > first]
    best: Excerpt | None = None
    low, high = 1, len(told)
    while low <= high:
        middle = (low + high) // 2
        start, stop = told[0].start, told[middle - 1].end
        short = replace(
            excerpt,
            start=excerpt.start + start,
            stop=excerpt.start + stop,
            text=excerpt.text[start:stop],
        )
        if fits(short):
            best, low = short, middle + 1
        else:
            high = middle - 1
    return best
