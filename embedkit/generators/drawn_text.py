"""A text that comes token by token, and ends where a stop sequence would begin."""

from __future__ import annotations

from collections.abc import Sequence

from embedkit.types import Candidate, Token


class DrawnText:
    """One candidate while it is drawn.

    Parameters
    ----------
    stop : sequence of str
        The text ends before the first that comes.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._longest = max(map(len, stop), default=0)
        self._pieces: list[tuple[str, float | None]] = []
        self.text = ""
        self.tokens = 0
        self.finish_reason = ""

    def add(self, piece: str, logprob: float | None) -> None:
        """Take what one token adds, and its log-probability where that is known.

        What comes after the end is not taken.
        """
        if self.finish_reason or not (piece or logprob is not None):
            return
        self.tokens += 1
        if not piece:
            return
        self._pieces.append((piece, logprob))
        begin = max(0, len(self.text) - self._longest)
        self.text += piece
        places = [self.text.find(stop, begin) for stop in self._stop]
        found = [place for place in places if place >= 0]
        if found:
            self.text = self.text[: min(found)]
            self.finish_reason = "stop"

    def end(self, reason: str, tokens: int | None = None) -> None:
        """Say why the text ends, where no stop sequence did; ``tokens`` is how many there were."""
        if not self.finish_reason:
            self.finish_reason = reason
            self.tokens = self.tokens if tokens is None else tokens

    def candidate(self, prompt_tokens: int | None) -> Candidate:
        """Return the whole of it; its tokens add up to the text."""
        tokens: list[Token] = []
        left = len(self.text)
        for piece, logprob in self._pieces:
            if left > 0 and logprob is not None:
                tokens.append(Token(piece[:left], logprob))
            left -= len(piece)
        known = all(logprob is not None for _, logprob in self._pieces)
        return Candidate(
            self.text,
            self.finish_reason,
            prompt_tokens,
            self.tokens,
            tuple(tokens) if known else None,
        )
