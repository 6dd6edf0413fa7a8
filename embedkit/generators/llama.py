"""Any language model in a GGUF file, on llama.cpp: no torch, no network."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedkit.errors import EmbeddingError, InvalidInputError
from embedkit.generators.base import (
    PARAMETERS,
    Progress,
    Sampling,
    check_prompt,
    derived_seed,
)
from embedkit.generators.decoding.base import DecodingBase
from embedkit.generators.decoding.steps import Law
from embedkit.generators.drawn_text import DrawnText
from embedkit.generators.llama_engine import Engine
from embedkit.generators.llama_steps import decode
from embedkit.integrity import sampled
from embedkit.types import Candidate, Decoding, Message

CONTEXT = 4096
PARALLEL = 5
MAX_TOKENS = 256
TEMPERATURE, TOP_K, TOP_P = 0.8, 40, 0.95
"""What is in effect where nothing is said, as llama.cpp has it."""


class LlamaGenerator(DecodingBase):
    """A language model in a GGUF file, run by llama.cpp on the processor.

    A prompt that is a text is gone on from as it stands, unless ``chat`` is set; messages go
    through the chat template of the file. Markup such as ``<|im_end|>`` in a prompt is read as
    what it means to the model.

    Parameters
    ----------
    path : str
        The file.
    threads : int or None
        Threads that compute; by default 1. More help on cores that have nothing else to do, and
        cost where others work beside them.
    context : int
        Tokens that a prompt and a candidate take together, at most. A longer prompt is refused;
        a candidate that comes to the end of it has the finish reason ``length``.
    parallel : int
        Candidates drawn at a time. They share what was computed of the prompt, and cost less
        together than one by one.
    max_tokens : int
        Tokens of a candidate where ``generate`` is not told: a small model may never stop by
        itself.
    chat : bool
        Take a prompt that is a text as what a user says.

    Notes
    -----
    Nothing given for ``temperature`` means 0.8, for ``top_k`` 40 and for ``top_p`` 0.95. The
    temperature is applied first, then top_k, then top_p, as transformers has it; nothing else
    changes the probabilities. ``top_k`` 0 cuts nothing away. A temperature of 0 takes the
    likeliest token, so that all candidates are one and the same.

    The log-probability of a token is the natural logarithm of the probability that the model gave
    it, before temperature, top_k and top_p. A character made of several tokens counts as one
    token, with the log-probability of its last one.

    Each candidate has a seed of its own that follows from the seed and its number: the same seed
    gives the same candidates, and the first of five are those of three. That holds on one machine
    with one version of the library; another processor may round otherwise. Several threads may
    use a generator; they are answered one after the other.

    Source
    ------
    llama.cpp, by xllamacpp. top_k: Fan et al., ACL 2018; top_p: Holtzman et al., ICLR 2020.
    """

    supports = frozenset(PARAMETERS)

    def __init__(
        self,
        path: str,
        *,
        threads: int | None = None,
        context: int = CONTEXT,
        parallel: int = PARALLEL,
        max_tokens: int = MAX_TOKENS,
        chat: bool = False,
    ) -> None:
        numbers = {
            "threads": threads, "context": context, "parallel": parallel, "max_tokens": max_tokens,
        }  # fmt: skip
        for name, number in numbers.items():
            if number is not None and number < 1:
                raise InvalidInputError(f"expected {name} >= 1, got {number}")
        self.path = path
        self.threads = threads
        self.context = context
        self.parallel = parallel
        self.max_tokens = max_tokens
        self.completes = not chat
        self._loading = threading.Lock()
        self._held: Engine | None = None

    @property
    def model_id(self) -> str:
        """The file's name, and a hash of its size and of evenly spaced pages."""
        path = self._weights()
        try:
            return f"llama:{path.name}@{sampled(path, path.stat().st_size)[:12]}"
        except OSError:
            return f"llama:{path.name}"

    @property
    def answers_as(self) -> str:
        """With what says where an answer ends, and how a text is read."""
        read = "text" if self.completes else "chat"
        return f"{self.model_id} context={self.context} max_tokens={self.max_tokens} {read}"

    def count_tokens(self, prompt: str | Sequence[Message]) -> int:
        """Return how many tokens the model reads of a prompt; compare with ``context``."""
        if isinstance(prompt, str):
            text = prompt if self.completes or not prompt else self._text([Message("user", prompt)])
        else:
            text = self._text(check_prompt(prompt))
        return len(self._engine().tokenize(text))

    def _weights(self) -> Path:
        return Path(self.path).expanduser()

    @property
    def _cells(self) -> int:
        """Tokens that the engine holds: a whole prompt, and some of each candidate."""
        return self.context + self.parallel * min(self.max_tokens, self.context)

    def _engine(self) -> Engine:
        with self._loading:
            if self._held is not None and not self._held.alive:
                self._held.abandon()
                self._held = None
            if self._held is None:
                self._held = Engine(
                    self._weights(),
                    threads=self.threads or 1,
                    cells=self._cells,
                    parallel=self.parallel,
                )
            return self._held

    def _text(self, messages: Sequence[Message]) -> str:
        turns = [{"role": turn.role, "content": turn.content} for turn in messages]
        return self._engine().render(turns)

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        return self._complete(self._text(messages), sampling)

    def _complete(self, text: str, sampling: Sampling) -> list[Candidate]:
        request = self._first(text, sampling)
        prompt, most, seed = request["prompt"], request["max_tokens"], request["seed"]
        # All would be the same.
        n = 1 if sampling.temperature == 0 else sampling.n
        at_once = max(1, min(self.parallel, (self._cells - len(prompt)) // most))
        drawn: list[DrawnText] = []
        for first in range(0, n, at_once):
            # The server gives the texts of one request seeds that follow one another.
            request |= {"n": min(at_once, n - first), "seed": seed + first}
            drawn += self._draw(request, sampling, drawn)
        candidates = [text.candidate(len(prompt)) for text in drawn]
        return candidates * (sampling.n // n)

    def _first(self, text: str, sampling: Sampling) -> dict[str, Any]:
        """Return what is asked of the server for the first text."""
        prompt = self._engine().tokenize(text)
        room = self.context - len(prompt)
        if room < 1:
            raise InvalidInputError(
                f"expected a prompt of fewer than {self.context:,} tokens, got {len(prompt):,}",
                do="shorten it, or give the generator a larger context",
            )
        most = min(sampling.max_tokens or self.max_tokens, room)
        seed = random.SystemRandom().getrandbits(31) if sampling.seed is None else sampling.seed
        asked = {"prompt": prompt, "max_tokens": most, "seed": derived_seed(seed, 0)}
        return {**_request(sampling), **asked}

    def _decode(self, prompt: str | list[Message], sampling: Sampling, shown: int) -> Decoding:
        request = self._first(prompt if isinstance(prompt, str) else self._text(prompt), sampling)
        heat = TEMPERATURE if sampling.temperature is None else sampling.temperature
        top_k = TOP_K if sampling.top_k is None else sampling.top_k
        top_p = TOP_P if sampling.top_p is None else sampling.top_p
        law = Law(heat, top_k or None, top_p if top_p < 1 else None)
        request |= {"n_predict": request.pop("max_tokens"), "return_progress": False, "stop": []}
        text, reason, steps = decode(self._engine(), request, sampling.stop, law, shown)
        asked = prompt if isinstance(prompt, str) else prompt[-1].content
        return Decoding(
            self.model_id, asked, text, reason, heat, law.top_k, law.top_p, sampling.seed, steps
        )

    def _draw(
        self, request: dict[str, Any], sampling: Sampling, before: list[DrawnText]
    ) -> list[DrawnText]:
        """Draw the texts of one request; ``before`` are those of others for the same prompt."""
        texts = [DrawnText(sampling.stop) for _ in range(request["n"])]
        every = [*before, *texts]
        with contextlib.closing(self._engine().stream(request)) as pieces:
            for piece in pieces:
                _take(piece, texts)
                if sampling.progress is not None:
                    sampling.progress(_progress(piece, every, sampling.n, len(request["prompt"])))
                if all(text.finish_reason for text in texts):
                    return texts
        raise EmbeddingError("llama.cpp ended before its texts did")


def _request(sampling: Sampling) -> dict[str, Any]:
    """Return what is asked of the server for every text."""
    greedy = sampling.temperature == 0
    request = {
        "temperature": TEMPERATURE if sampling.temperature is None else sampling.temperature,
        "top_k": 1 if greedy else TOP_K if sampling.top_k is None else sampling.top_k,
        "top_p": TOP_P if sampling.top_p is None else sampling.top_p,
        "samplers": ["top_k"] if greedy else ["temperature", "top_k", "top_p"],
        # What was computed for another prompt that begins alike differs in the last bits by the
        # sizes of the batches that it was computed in: a text would depend on what came before.
        "cache_prompt": False,
        "return_progress": True,
        # While the server holds back what may become a longer stop sequence, it loses tokens.
        "stop": [text for text in sampling.stop if len(text) == 1],
    }
    if sampling.logprobs:
        request["logprobs"] = 1
    return request


def _take(piece: dict[str, Any], texts: list[DrawnText]) -> None:
    """Give each text what a piece of the answer holds for it."""
    for choice in piece.get("choices", ()):
        text = texts[choice["index"]]
        items = (choice.get("logprobs") or {}).get("content") or ()
        logprob = items[-1]["logprob"] if items else None
        text.add(choice["text"], logprob)
        if choice.get("finish_reason"):
            text.end(choice["finish_reason"], (piece.get("usage") or {}).get("completion_tokens"))


def _progress(piece: dict[str, Any], texts: list[DrawnText], n: int, to_read: int) -> Progress:
    reading = piece.get("prompt_progress")
    return Progress(
        n,
        sum(bool(text.finish_reason) for text in texts),
        sum(text.tokens for text in texts),
        int(reading["processed"]) if reading else to_read,
        to_read,
    )
