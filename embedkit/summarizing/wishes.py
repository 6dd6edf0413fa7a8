"""How long a summary is to be, and in which form."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from embedkit.errors import InvalidInputError

Length: TypeAlias = Literal["short", "medium", "long"]
Form: TypeAlias = Literal["prose", "points", "headline"]

WORDS: dict[Length, int] = {"short": 40, "medium": 100, "long": 250}
"""Words of a summary, at most: a sentence or two, three or four, a paragraph or two."""
HEADLINE = 16
"""Words of a headline, at most."""
LEAST_SHARE = 8
"""The least words of a summary are the most by this."""
LEAST = 3
SHARE = 0.6
"""Of the words of a text that is short itself, at most."""
TOKENS_A_WORD = 2.0
"""Room for a candidate, generously: English has about 1.3, and what is cut off is lost."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a summary.

    Attributes
    ----------
    most_words, least_words : int
    length : {"short", "medium", "long"}
        What templates call it: the nearest.
    form : {"prose", "points", "headline"}
    exact : bool
        Whether the words were asked for as a number, and stand whatever the text.
    """

    most_words: int
    least_words: int
    length: Length
    form: Form
    exact: bool = False

    def within(self, words: int) -> Wish:
        """Return what is wished of a text of so many words: what is as long is no summary."""
        most = max(HEADLINE, round(words * SHARE))
        if self.exact or most >= self.most_words:
            return self
        return replace(self, most_words=most, least_words=_least(most))

    @property
    def max_tokens(self) -> int:
        """Tokens that a model may use for it."""
        return round(self.most_words * TOKENS_A_WORD) + 20


def check_wish(length: Any, form: Any) -> Wish:
    """Return what is wished for, or refuse what cannot be meant.

    Parameters
    ----------
    length : {"short", "medium", "long"} or int
        A number is the words of a summary, at most.
    form : {"prose", "points", "headline"}

    Raises
    ------
    InvalidInputError
    """
    if form not in get_args(Form):
        raise InvalidInputError(
            f"expected a form out of {', '.join(get_args(Form))}, got {form!r}",
            do=_near(form, get_args(Form)),
        )
    if isinstance(length, str) and length in WORDS:
        most = HEADLINE if form == "headline" else WORDS[length]
        return Wish(most, _least(most), length, form)
    if isinstance(length, bool) or not isinstance(length, int) or not LEAST <= length <= 100_000:
        raise InvalidInputError(
            f"expected a length of {', '.join(WORDS)} or a number of words >= {LEAST}, "
            f"got {length!r}",
            do=_near(length, tuple(WORDS)),
        )
    nearest = min(WORDS, key=lambda name: abs(WORDS[name] - length))
    return Wish(length, _least(length), nearest, form, exact=True)


def _least(most: int) -> int:
    return max(LEAST, most // LEAST_SHARE)


def _near(told: Any, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(told), known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""
