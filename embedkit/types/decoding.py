"""How a text came about, token by token."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

CutBy = Literal["", "temperature", "top-k", "top-p"]


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """A token that might have come next.

    Attributes
    ----------
    text : str
        As the model writes it, a blank before it included; an end of the text has a name such as
        ``<|im_end|>``.
    probability : float
        What the model gives it, at temperature 1, before anything is cut.
    tempered : float
        The same at the temperature of the draw.
    left : float
        What it is drawn with: its share of the tokens that are not cut; 0 where it is cut.
    cut : {"", "temperature", "top-k", "top-p"}
        What cut it. The temperature does only where it is 0, which leaves the likeliest token.
    drawn : bool
        Whether it is the token that was drawn.
    """

    text: str
    probability: float
    tempered: float
    left: float
    cut: CutBy = ""
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class DecodingStep:
    """One token of a text: what might have stood there, and what was drawn.

    Attributes
    ----------
    choices : tuple of TokenChoice
        The likeliest tokens, likeliest first; the drawn one is among them, the last where it is
        none of the likeliest.
    others : int
        How many tokens there are beyond these.
    others_probability, others_tempered, others_left : float
        The shares of those together.
    left : int or None
        How many tokens are not cut, shown or not; None where a backend does not tell enough.
    cut_by_top_k, cut_by_top_p : float
        The share that each cuts away, of all tokens at the temperature of the draw; what is left
        has the rest of it.
    """

    choices: tuple[TokenChoice, ...]
    others: int
    others_probability: float
    others_tempered: float
    others_left: float
    left: int | None
    cut_by_top_k: float = 0.0
    cut_by_top_p: float = 0.0

    @property
    def drawn(self) -> TokenChoice:
        """The token that was drawn."""
        return next(choice for choice in self.choices if choice.drawn)

    def fewer(self, many: int) -> DecodingStep:
        """Return the step with the likeliest so many choices and the drawn one; others go together.

        Parameters
        ----------
        many : int, >= 1
        """
        kept = [c for i, c in enumerate(self.choices) if i < many or c.drawn]
        gone = [c for i, c in enumerate(self.choices) if i >= many and not c.drawn]
        return replace(
            self,
            choices=tuple(kept),
            others=self.others + len(gone),
            others_probability=self.others_probability + sum(c.probability for c in gone),
            others_tempered=self.others_tempered + sum(c.tempered for c in gone),
            others_left=self.others_left + sum(c.left for c in gone),
        )


@dataclass(frozen=True, slots=True)
class Decoding:
    """A text and how each of its tokens was chosen; shows itself in a notebook.

    Attributes
    ----------
    model_id : str
    prompt : str
        What the text goes on from; of a conversation, its last message.
    text : str
    finish_reason : str
        As of a candidate: ``stop``, ``length``.
    temperature, top_k, top_p : float, int or None, float or None
        In force; None where nothing is cut.
    seed : int or None
    steps : tuple of DecodingStep
        One a token, the end of the text included where the model says it.
    """

    model_id: str
    prompt: str
    text: str
    finish_reason: str
    temperature: float
    top_k: int | None
    top_p: float | None
    seed: int | None
    steps: tuple[DecodingStep, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self)

    def to_html(self) -> str:
        """Return it as a part of a page: no script, nothing from elsewhere, all texts escaped."""
        from embedkit.generators.decoding.html import fragment

        return fragment(self)

    def _repr_html_(self) -> str:
        return self.to_html()
