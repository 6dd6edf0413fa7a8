"""One step of a decoding, from the log-probabilities that a model gives its tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.generators.decoding.cutting import BY_TEMPERATURE, BY_TOP_K, BY_TOP_P, LEFT, Cut, cut
from embedkit.types.decoding import CutBy, DecodingStep, TokenChoice

_ROUNDING = 1e-12
_NAMES: dict[int, CutBy] = {
    LEFT: "",
    BY_TEMPERATURE: "temperature",
    BY_TOP_K: "top-k",
    BY_TOP_P: "top-p",
}


@dataclass(frozen=True, slots=True)
class Law:
    """How tokens are drawn, as numbers in force."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def cut(self, logprobs: NDArray[np.float64], rest: float = 0.0) -> Cut:
        """Cut a distribution; see :func:`embedkit.generators.decoding.cutting.cut`."""
        return cut(
            logprobs,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            rest=rest,
        )


def step(
    logprobs: NDArray[np.float64],
    text: Callable[[int], str],
    drawn: int,
    law: Law,
    *,
    shown: int,
    unknown: int = 0,
    rest: float = 0.0,
) -> DecodingStep:
    """Return what stood at a place of a text, and what was drawn.

    Parameters
    ----------
    logprobs : float64 array, shape (n,)
        Of the tokens that are known, likeliest or not, at temperature 1. Logits where
        ``unknown`` is 0.
    text : callable
        Gives the text of a token by its place in ``logprobs``; called for what is shown alone.
    drawn : int
        The place of the token that was drawn.
    shown : int, >= 1
        How many of the likeliest are shown; the drawn one comes on top where it is none of them.
    unknown : int
        How many tokens the vocabulary has beyond these, all less likely.
    rest : float
        Their share at the temperature of the draw.
    """
    found = law.cut(logprobs, rest)
    probability = np.exp(logprobs) if unknown else cut(logprobs).tempered
    order = np.argsort(-logprobs, kind="stable")[:shown]
    places = [*order.tolist()] if drawn in order else [*order.tolist(), drawn]
    choices = tuple(
        TokenChoice(
            text(place),
            float(probability[place]),
            float(found.tempered[place]),
            float(found.left[place]),
            _NAMES[int(found.fate[place])],
            place == drawn,
        )
        for place in places
    )
    left: int | None = int(np.count_nonzero(found.fate == LEFT))
    if found.rest_left:
        left = left + unknown if found.decided and left is not None else None
    return DecodingStep(
        choices,
        len(logprobs) + unknown - len(choices),
        _beyond(choice.probability for choice in choices),
        _beyond(choice.tempered for choice in choices),
        _beyond(choice.left for choice in choices),
        left,
        found.by_top_k,
        found.by_top_p,
    )


def _beyond(shares: Iterable[float]) -> float:
    """Return what others have; what is within rounding of nothing is nothing."""
    left = 1.0 - math.fsum(shares)
    return left if left > _ROUNDING else 0.0
