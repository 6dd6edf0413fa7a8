"""Any causal language model of Hugging Face, by its name on the hub or by the path of a folder."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteriaList,
)
from transformers.utils import logging

from embedkit.embedders.base import Lazy
from embedkit.embedders.hub import hub_reachable
from embedkit.embedders.model_folder import looks_like_a_path
from embedkit.embedders.pretrained import Pretrained, resolve_devices, without_bars
from embedkit.errors import EmbeddingError, InvalidInputError, WeightsError
from embedkit.generators.base import (
    PARAMETERS,
    Sampling,
    check_prompt,
    derived_seed,
)
from embedkit.generators.choosing import Chooser, Ended
from embedkit.generators.decoding.base import DecodingBase
from embedkit.generators.transformers_steps import Watch
from embedkit.integrity import sampled
from embedkit.types import Candidate, Decoding, Message

MAX_TOKENS = 256
TEMPERATURE, TOP_K, TOP_P = 0.8, 40, 0.95
"""What is in effect where neither the caller nor the model's configuration says anything."""

Dtype = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    tokenizer: Any
    device: str
    ends: frozenset[int]
    context: int | None


class TransformersGenerator(DecodingBase):
    """A causal language model that torch runs, on the fastest device there is.

    A prompt that is a text is gone on from as it stands, unless ``chat`` is set. Messages go
    through the model's chat template; a model without one reads what they say with blank lines
    between them.

    Parameters
    ----------
    model : str
        Name on the hub, path of a folder, or path of a GGUF file. Code that a model brings along
        is never run.
    device : str or None
        ``cuda``, ``cuda:1``, ``mps`` or ``cpu``; by default the first of CUDA, MPS and CPU.
    dtype : {"float32", "float16", "bfloat16"} or None
        By default float32 on a CPU, and what the weights are stored in elsewhere.
    revision : str or None
        Branch, tag or commit on the hub.
    gguf_file : str or None
        Name of a GGUF file in that folder or repository.
    context : int or None
        Tokens that a prompt and a candidate take together, at most; by default what the model
        says of itself.
    max_tokens : int
        Tokens of a candidate where ``generate`` is not told.
    chat : bool
        Take a prompt that is a text as what a user says.

    Notes
    -----
    Nothing given for ``temperature``, ``top_k`` and ``top_p`` means what the model's own
    configuration says, else 0.8, 40 and 0.95. The temperature is applied first, then top_k, then
    top_p; nothing else changes the probabilities. A temperature of 0 takes the likeliest token.

    The log-probability of a token is the natural logarithm of the probability that the model gave
    it, before temperature, top_k and top_p; that of a character made of several tokens is the sum
    of theirs.

    The candidates of a prompt are computed together, after the prompt was computed once. Each has
    a seed of its own: the same seed and number of candidates give the same ones on one machine;
    other numbers may differ where rounding decides.

    Source
    ------
    Wolf et al.: Transformers, EMNLP 2020 (demonstrations). top_k: Fan et al., ACL 2018; top_p:
    Holtzman et al., ICLR 2020.
    """

    supports = frozenset(PARAMETERS)

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        dtype: Dtype | None = None,
        revision: str | None = None,
        gguf_file: str | None = None,
        context: int | None = None,
        max_tokens: int = MAX_TOKENS,
        chat: bool = False,
    ) -> None:
        for name, number in (("context", context), ("max_tokens", max_tokens)):
            if number is not None and number < 1:
                raise InvalidInputError(f"expected {name} >= 1, got {number}")
        path = Path(model).expanduser()
        if gguf_file is None and path.suffix == ".gguf":
            model, gguf_file = str(path.parent), path.name
        self.model = model
        self.device = device
        self.dtype = dtype
        self.revision = revision
        self.gguf_file = gguf_file
        self.max_tokens = max_tokens
        self.completes = not chat
        self._context = context
        self._loaded = Lazy(self._load)
        self._lock = threading.Lock()

    @property
    def model_id(self) -> str:
        """Name and commit of a hub's model, folder name and weights' hash of a local one."""
        file = Path(self.model).expanduser() / (self.gguf_file or "")
        if self.gguf_file is not None and file.is_file():
            return f"transformers:{file.name}@{sampled(file, file.stat().st_size)[:12]}"
        name = f" {self.gguf_file}" if self.gguf_file else ""
        files = Pretrained(self.model, self.revision)
        return f"transformers:{files.version(self._loaded.get)}{name}"

    @property
    def answers_as(self) -> str:
        """With what says where an answer ends, how a text is read, and how exactly."""
        read = "text" if self.completes else "chat"
        told = f"context={self._context} max_tokens={self.max_tokens} dtype={self.dtype}"
        return f"{self.model_id} {told} {read}"

    @property
    def context(self) -> int | None:
        """Tokens that a prompt and a candidate take together; None where the model has no end."""
        return self._context if self._context is not None else self._loaded.get().context

    def count_tokens(self, prompt: str | Sequence[Message]) -> int:
        """Return how many tokens the model reads of a prompt; compare with ``context``."""
        if isinstance(prompt, str) and (self.completes or not prompt):
            return len(self._tokens(prompt))
        messages = [Message("user", prompt)] if isinstance(prompt, str) else check_prompt(prompt)
        return len(self._turns(messages))

    def _load(self) -> _Loaded:
        local = Path(self.model).expanduser().is_dir()
        if not local and looks_like_a_path(self.model):
            raise WeightsError(
                f"expected the folder of a language model, {self.model} is not there",
                do="check the path",
            )
        offline = local or not hub_reachable()
        device = resolve_devices(self.device)[0]
        where = str(Path(self.model).expanduser()) if local else self.model
        options: dict[str, Any] = {"local_files_only": offline, "trust_remote_code": False}
        if not local:
            options["revision"] = self.revision
        if self.gguf_file is not None:
            options["gguf_file"] = self.gguf_file
        dtype = self.dtype or ("float32" if device == "cpu" else "auto")
        try:
            with _quiet(), _without_gguf_bar(self.gguf_file is not None):
                tokenizer = AutoTokenizer.from_pretrained(where, **options)
                model = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, **options)
                model = model.to(device).eval()
        except Exception as error:  # its errors share no root: OSError, ValueError, httpx's, ...
            raise self._not_loaded(error, offline=offline and not local) from error
        return _Loaded(model, tokenizer, device, _ends(model, tokenizer), _context(model))

    def _not_loaded(self, error: Exception, *, offline: bool) -> WeightsError:
        cause = str(error).strip().partition("\n")[0] or type(error).__name__
        if offline:
            return WeightsError(
                f"transformers cannot load {self.model!r}: it is not on this machine, and the hub "
                "cannot be reached",
                do="give the path of a folder that holds the model, or run the same command once "
                "where the hub can be reached",
            )
        return WeightsError(
            f"transformers cannot load {self.model!r}: {cause}",
            do="check the name, or give the path of a folder that holds a causal language model",
        )

    def _tokens(self, text: str, *, special: bool = True) -> list[int]:
        tokenizer = self._loaded.get().tokenizer
        with self._lock:  # fast tokenizers fail when two threads set their truncation
            encoded = tokenizer(text, add_special_tokens=special, truncation=False, verbose=False)
        return [int(token) for token in encoded["input_ids"]]

    def _turns(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a conversation."""
        tokenizer = self._loaded.get().tokenizer
        if not tokenizer.chat_template:
            return self._tokens("\n\n".join(message.content for message in messages))
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template raises what it likes
            cause = str(error).strip().partition("\n")[0]
            raise InvalidInputError(
                f"the chat template of {self.model} does not take these messages: {cause}",
                do="leave out the system's message, or give the prompt as a text",
            ) from error
        return self._tokens(text, special=False)

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        return self._draw(self._turns(messages), sampling)

    def _complete(self, text: str, sampling: Sampling) -> list[Candidate]:
        return self._draw(self._tokens(text), sampling)

    def _draw(self, prompt: list[int], sampling: Sampling) -> list[Candidate]:
        n = 1 if sampling.temperature == 0 else sampling.n  # else all would be the same
        chooser = self._chooser(prompt, sampling, n)
        self._write(prompt, sampling, chooser)
        return [text.candidate(len(prompt)) for text in chooser.finish()] * (sampling.n // n)

    def _decode(self, prompt: str | list[Message], sampling: Sampling, shown: int) -> Decoding:
        tokens = self._tokens(prompt) if isinstance(prompt, str) else self._turns(prompt)
        chooser = self._chooser(tokens, sampling, 1)
        law = chooser.law
        chooser.watch = watch = Watch(self._loaded.get().tokenizer, tokens, law, shown)
        self._write(tokens, sampling, chooser)
        text = chooser.finish()[0].candidate(len(tokens))
        return Decoding(
            self.model_id,
            prompt if isinstance(prompt, str) else prompt[-1].content,
            text.text,
            text.finish_reason,
            law.temperature,
            law.top_k,
            law.top_p,
            sampling.seed,
            tuple(watch.steps),
        )

    def _write(self, prompt: list[int], sampling: Sampling, chooser: Chooser) -> None:
        """Let the model write what the chooser chooses."""
        held, context = self._loaded.get(), self.context
        room = self.max_tokens if context is None else context - len(prompt)
        if room < 1:
            raise InvalidInputError(
                f"expected a prompt of fewer than {context:,} tokens, got {len(prompt):,}",
                do="shorten it, or use a model that reads more",
            )
        most = sampling.max_tokens or self.max_tokens
        with self._lock:
            try:
                _run(held, prompt, chooser, most if context is None else min(most, room))
            except RuntimeError as error:
                cause = str(error).strip().partition("\n")[0]
                raise EmbeddingError(
                    f"{self.model} failed on {held.device}: {cause}",
                    do="ask for fewer candidates, a shorter text, or choose another device",
                ) from error

    def _chooser(self, prompt: list[int], sampling: Sampling, n: int) -> Chooser:
        held = self._loaded.get()
        own = held.model.generation_config
        seeds: list[int | None] = [None] * n
        if sampling.seed is not None:
            seeds = [derived_seed(sampling.seed, number) for number in range(n)]
        return Chooser(
            held.tokenizer,
            prompt,
            held.ends,
            seeds,
            sampling,
            temperature=float(_first(sampling.temperature, own.temperature, TEMPERATURE)),
            top_k=int(_first(sampling.top_k, own.top_k, TOP_K)),
            top_p=float(_first(sampling.top_p, own.top_p, TOP_P)),
        )


_CACHE = (
    "cache"
    if tuple(map(int, transformers.__version__.split(".")[:2])) >= (5, 24)
    else "past_key_values"
)
"""What ``generate`` calls the cache of a prompt."""


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _run(held: _Loaded, prompt: list[int], chooser: Chooser, most: int) -> None:
    """Let the model write, all candidates together."""
    ids = torch.tensor([prompt], device=held.device)
    options: dict[str, Any] = {}
    with torch.inference_mode(), _quiet():
        if len(prompt) > 1:
            computed = held.model(input_ids=ids[:, :-1], use_cache=True)
            cache = getattr(computed, "past_key_values", None)
            if isinstance(cache, DynamicCache):  # else the prompt is computed for each candidate
                cache.batch_repeat_interleave(chooser.n)
                options[_CACHE] = cache
        ids = ids.repeat(chooser.n, 1)
        held.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=GenerationConfig(
                do_sample=False, max_new_tokens=most, pad_token_id=next(iter(held.ends), 0)
            ),
            logits_processor=LogitsProcessorList([chooser]),
            stopping_criteria=StoppingCriteriaList([Ended(chooser)]),
            **options,
        )


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens with which a model says that it is done."""
    told = [model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id]
    found: set[int] = set()
    for ids in told:
        found |= set(ids) if isinstance(ids, (list, tuple)) else {ids} if ids is not None else set()
    return frozenset(found)


def _context(model: Any) -> int | None:
    config = model.config.get_text_config()
    told = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    return int(told) if told else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from telling on stderr what a caller cannot change."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with without_bars():
            yield
    finally:
        logging.set_verbosity(level)


def _without_gguf_bar(reads_gguf: bool) -> contextlib.AbstractContextManager[object]:
    """Hide the bar of the GGUF reader, which knows no switch."""
    return contextlib.redirect_stderr(io.StringIO()) if reads_gguf else contextlib.nullcontext()
