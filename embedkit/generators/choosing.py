"""How tokens are chosen from what a model of transformers says of the next one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria

from embedkit.generators.base import Progress, Sampling
from embedkit.generators.decoding.steps import Law
from embedkit.generators.drawn_text import DrawnText

_BEFORE = 8
"""Tokens of the prompt that a text is decoded after: how a token reads may depend on the last."""


class Chooser(LogitsProcessor):  # type: ignore[misc]
    """Chooses the next token of each candidate, and writes the texts.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    prompt : list of int
        The tokens before.
    ends : set of int
        Tokens that end a text.
    seeds : sequence of int or None
        One a candidate; None draws by chance.
    sampling : Sampling
    temperature, top_k, top_p : float, int, float
        In effect: 0 takes the likeliest token; a top_k of 0 and a top_p of 1 cut nothing away.
    """

    def __init__(
        self,
        tokenizer: Any,
        prompt: list[int],
        ends: frozenset[int],
        seeds: Sequence[int | None],
        sampling: Sampling,
        *,
        temperature: float,
        top_k: int,
        top_p: float,
    ) -> None:
        self.n = len(seeds)
        self.texts = [DrawnText(sampling.stop) for _ in seeds]
        self._tokenizer = tokenizer
        self._before = prompt[-_BEFORE:]
        self._read = len(prompt)
        self._ends = ends
        self._sampling = sampling
        self._temperature, self._top_k, self._top_p = temperature, top_k, top_p
        self.law = Law(temperature, top_k or None, top_p if top_p < 1 else None)
        self.watch: Callable[[Any, int], None] | None = None
        """Told of each token of the first text what it was chosen from, and which it is."""
        self._random = [_generator(seed) for seed in seeds]
        self._written: list[list[int]] = [[] for _ in seeds]
        self._decoded = [self._decode([])] * self.n
        self._pending = [0.0] * self.n

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return scores in which nothing but the chosen tokens is left."""
        logprobs = torch.log_softmax(scores.cpu().double(), dim=-1)
        chosen = torch.full_like(scores, -torch.inf)
        for row, text in enumerate(self.texts):
            token = 0
            if not text.finish_reason:
                token = self._choose(logprobs[row], self._random[row])
                if self.watch is not None and row == 0:
                    self.watch(logprobs[row], token)
                self._take(row, token, float(logprobs[row, token]))
            chosen[row, token] = 0
        if self._sampling.progress is not None:
            self._sampling.progress(self._progress())
        return chosen

    def finish(self) -> list[DrawnText]:
        """Return the texts, those that met no end marked as cut."""
        for text in self.texts:
            text.end("length")
        return self.texts

    def _choose(self, logprobs: Any, generator: torch.Generator) -> int:
        if self._temperature == 0:
            return int(logprobs.argmax())
        likely = min(self._top_k or len(logprobs), len(logprobs))
        ordered, tokens = torch.topk(logprobs / self._temperature, likely)
        probabilities = torch.softmax(ordered, dim=-1)
        # A token stays while those before it have not come to top_p; the first stays always.
        before = probabilities.cumsum(dim=-1) - probabilities
        kept = probabilities * ((before < self._top_p) | (before == 0))
        return int(tokens[int(torch.multinomial(kept, 1, generator=generator))])

    def _take(self, row: int, token: int, logprob: float) -> None:
        text = self.texts[row]
        if token in self._ends:
            text.end("stop", text.tokens + 1)
            return
        self._written[row].append(token)
        self._pending[row] += logprob
        whole = self._decode(self._written[row])
        if whole.endswith("\N{REPLACEMENT CHARACTER}"):  # a part of a character
            text.add("", logprob)
            return
        text.add(whole[len(self._decoded[row]) :], self._pending[row])
        self._decoded[row], self._pending[row] = whole, 0.0

    def _decode(self, tokens: list[int]) -> str:
        return str(
            self._tokenizer.decode(
                [*self._before, *tokens],
                skip_special_tokens=True,
                clean_up_tokenization_spaces=False,
            )
        )

    def _progress(self) -> Progress:
        return Progress(
            self._sampling.n,
            sum(bool(text.finish_reason) for text in self.texts),
            sum(text.tokens for text in self.texts),
            self._read,
            self._read,
        )


class Ended(StoppingCriteria):  # type: ignore[misc]
    """Ends the rows whose texts have ended."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser

    def __call__(self, input_ids: Any, scores: Any, **options: Any) -> Any:
        """Return shape (n,), True where a text has ended."""
        ended = [bool(text.finish_reason) for text in self._chooser.texts]
        return torch.tensor(ended, device=input_ids.device)


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    generator.manual_seed(random.SystemRandom().getrandbits(63) if seed is None else seed)
    return generator
