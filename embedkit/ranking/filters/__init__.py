"""Filters: each says what is wrong with a candidate, if anything. One module a filter.

A filter looks at one fault and gives a reason that a person can check against the source. What a
filter cannot tell, such as the language of three words, it lets pass. An empty candidate is only
``empty``: no other filter says anything about it.
"""

from __future__ import annotations

DEFAULT: tuple[str, ...] = (
    "empty",
    "garbled",
    "echo",
    "cut-off",
    "length",
    "repetitive",
    "other-language",
    "copied",
    "off-topic",
    "unsupported",
)
"""The specs that candidates of a summary are filtered by, unless others are named."""

ANSWERS: tuple[str, ...] = (
    "empty",
    "garbled",
    "echo",
    "cut-off",
    "length",
    "repetitive",
    "unsupported",
    "ungrounded",
)
"""The specs for candidates of an answer, which may be copied and as short as a name."""


def default_filters(question: str = "") -> tuple[str, ...]:
    """Return the default specs for summaries, or for answers where there is a question."""
    return ANSWERS if question.strip() else DEFAULT
