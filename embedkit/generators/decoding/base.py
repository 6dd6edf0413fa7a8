"""What generators share that can show how they choose their tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from embedkit.errors import InvalidInputError
from embedkit.generators.base import BaseGenerator, Sampling, check_prompt, check_stop
from embedkit.types import Message
from embedkit.types.decoding import Decoding

SHOWN = 20
"""Tokens of a step that are shown."""
MOST = 24
"""Steps where nothing limits them: a whole text is more than anybody looks at."""


class DecodingBase(BaseGenerator):
    """A generator that can show, step by step, what it chose from."""

    @abstractmethod
    def _decode(self, prompt: str | list[Message], sampling: Sampling, shown: int) -> Decoding:
        """Return one candidate, and how each of its tokens was chosen.

        The prompt is a text where it is to be gone on from as it stands, else a conversation.
        """

    def decode(
        self,
        prompt: str | Sequence[Message],
        *,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
        shown: int = SHOWN,
    ) -> Decoding:
        """Return one candidate, and for each of its tokens what else might have stood there.

        With a seed it is the first candidate that :meth:`generate` returns for the same
        parameters.

        Parameters
        ----------
        prompt, temperature, top_k, top_p, stop, seed
            As of :meth:`generate`.
        max_tokens : int or None
            Tokens, and so steps, at most. None is 24.
        shown : int
            How many of the likeliest tokens a step shows, at least 1.

        Raises
        ------
        InvalidInputError, UnsupportedOperationError
            As :meth:`generate`.
        """
        if not isinstance(shown, int) or isinstance(shown, bool) or shown < 1:
            raise InvalidInputError(f"expected shown to be a whole number >= 1, got {shown!r}")
        messages = check_prompt(prompt)
        if max_tokens is None and "max_tokens" in self.supports:
            max_tokens = MOST
        sampling = Sampling(1, temperature, top_k, top_p, max_tokens, check_stop(stop), seed)
        self._check_sampling(sampling)
        asked = prompt if self.completes and isinstance(prompt, str) else messages
        return self._decode(asked, sampling, shown)
