"""What a model of transformers chose each token from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embedkit.generators.decoding.steps import Law, step
from embedkit.types import DecodingStep

_BEFORE = 8
"""Tokens that a token is decoded after: how it reads may depend on them."""
_HALF = "\N{REPLACEMENT CHARACTER}"


class Watch:
    """Notes what stood at each place of a text while it is drawn.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    prompt : sequence of int
        The tokens before.
    law : Law
        How tokens are drawn.
    shown : int
        Tokens that a step shows.
    """

    def __init__(self, tokenizer: Any, prompt: Sequence[int], law: Law, shown: int) -> None:
        self.steps: list[DecodingStep] = []
        self._tokenizer = tokenizer
        self._before = list(prompt[-_BEFORE:])
        self._law = law
        self._shown = shown

    def __call__(self, logprobs: Any, token: int) -> None:
        """Take the log-probabilities of all tokens, shape (vocabulary,), and the one drawn."""
        values = logprobs.numpy()
        self.steps.append(step(values, self._text, token, self._law, shown=self._shown))
        self._before = [*self._before, token][-_BEFORE:]

    def _text(self, token: int) -> str:
        """Return what a token adds to the text; half a character and markup have names."""
        before = self._decode(self._before)
        both = self._decode([*self._before, token])
        if both.endswith(_HALF) or not both.startswith(before) or both == before:
            name = self._tokenizer.convert_ids_to_tokens(token)
            return str(name if name is not None else f"<{token}>")
        return both[len(before) :]

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(
            self._tokenizer.decode(
                list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )
