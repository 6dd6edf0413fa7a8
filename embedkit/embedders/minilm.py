"""The default embedder: all-MiniLM-L6-v2 on CTranslate2, without torch and without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import ctranslate2
import numpy as np
from tokenizers import Tokenizer

from embedkit.embedders.base import BaseEmbedder, Lazy
from embedkit.embedders.long_texts import HEAD, READ, estimate, portions, token_starts
from embedkit.embedders.minilm_cache import converted_minilm
from embedkit.embedders.minilm_model import Precision
from embedkit.embedders.minilm_tuned import Tuned, find_tuned
from embedkit.embedders.weights import REPOSITORY, REVISION
from embedkit.errors import InvalidInputError, WeightsError
from embedkit.types import Embeddings, InputType
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors

DIM = 384
MAX_TOKENS = 256
"""What the model reads of a text, [CLS] and [SEP] included; as in its published configuration."""
SEP = 102
"""The token that ends every text."""
BATCH_TOKENS = 512
"""Tokens computed at a time: small enough for the processor's second-level cache."""


@dataclass(frozen=True, slots=True)
class _Model:
    encoder: Any
    tokenizer: Any


class MiniLMEmbedder(BaseEmbedder):
    """all-MiniLM-L6-v2: 384 dimensions, English, up to 256 tokens of a text.

    Parameters
    ----------
    precision : {"fp32", "int8"}
        fp32 gives the vectors of sentence-transformers (cosine >= 0.99999); int8 computes with
        8-bit whole numbers, about 2.5 times as fast, at a mean cosine of 0.998 to fp32.
    path : str or None
        Folder with the published weights; by default they are looked for, see
        :func:`embedkit.embedders.weights.find_minilm`.
    weights : str or None
        Folder with other weights of the same shape, such as ``embedkit classify finetune`` makes:
        run without torch.
    threads : int or None
        Batches computed at a time; by default the cores that this process may use.

    Notes
    -----
    The vector is the mean of the last layer over the tokens, made length 1. It does not depend on
    ``input_type``. The other texts of a batch change it by no more than rounding (1e-5 in any
    component). Tokens are counted exactly in texts of up to 65,536 characters; those of a longer
    one are estimated from its beginning, and of a text only the first 2**20 characters are read.

    Source
    ------
    Reimers, Gurevych: Sentence-BERT, EMNLP 2019 (mean pooling); Wang et al.: MiniLM, NeurIPS 2020.
    """

    def __init__(
        self,
        precision: Precision = "fp32",
        *,
        path: str | None = None,
        weights: str | None = None,
        threads: int | None = None,
    ) -> None:
        if precision not in ("fp32", "int8"):
            raise InvalidInputError(f"expected precision 'fp32' or 'int8', got {precision!r}")
        if threads is not None and threads < 1:
            raise InvalidInputError(f"expected threads >= 1, got {threads}")
        if path is not None and weights is not None:
            raise InvalidInputError("expected path or weights, got both")
        self.arithmetic = precision
        self.path = path
        self.weights = weights
        self._tuned = Lazy(self._find)
        self.threads = threads
        self._model = Lazy(self._load)

    @property
    def model_id(self) -> str:
        """Name, revision and precision. The weights are verified, so the name is exact.

        Other weights have their folder's name and their hash.
        """
        tuned = self._tuned.get()
        if tuned is not None:
            return f"minilm:{tuned.folder.resolve().name}@{tuned.digest[:12]} {self.arithmetic}"
        return f"{REPOSITORY}@{REVISION[:8]} {self.arithmetic}"

    @property
    def dim(self) -> int:
        """384."""
        return DIM

    @property
    def max_tokens(self) -> int | None:
        """256, [CLS] and [SEP] included."""
        return MAX_TOKENS

    @property
    def special_tokens(self) -> int:
        """2: [CLS] and [SEP]."""
        return 2

    def token_offsets(self, texts: Sequence[str]) -> list[Keys]:
        """Return where each token of each text begins, in characters, without [CLS] and [SEP]."""
        tokenizer = self._model.get().tokenizer

        def starts(some: list[str]) -> list[Keys]:
            encoded = tokenizer.encode_batch(some, add_special_tokens=False)
            return [np.array([start for start, _ in e.offsets], np.int64) for e in encoded]

        return token_starts(texts, starts)

    def _find(self) -> Tuned | None:
        return None if self.weights is None else find_tuned(self.weights)

    def _load(self) -> _Model:
        with converted_minilm(self.arithmetic, self.path, tuned=self._tuned.get()) as folder:
            try:
                encoder = ctranslate2.Encoder(
                    str(folder),
                    compute_type="int8" if self.arithmetic == "int8" else "float32",
                    inter_threads=self.threads or _cores(),
                    intra_threads=1,
                )
                tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            except Exception as error:  # neither library has errors of its own
                raise WeightsError(
                    f"CTranslate2 {ctranslate2.__version__} cannot load {folder}: {error}",
                    do="delete that folder and run the same command again",
                ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return _Model(encoder, tokenizer)

    def tells_apart(self, input_type: InputType) -> bool:
        """No text has another vector for what it is."""
        return False

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        model = self._model.get()
        vectors = np.empty((len(texts), DIM), np.float32)
        tokens = np.empty(len(texts), np.int64)
        for first, last in portions(texts):
            ids = _tokenize(model, texts[first:last], tokens[first:last])
            self._encode(model, ids, vectors[first:last])
        return Embeddings(normalize(vectors), tokens, MAX_TOKENS)

    def _encode(self, model: _Model, ids: list[list[int]], out: Vectors) -> None:
        """Write the sum of the last layer over the tokens of each text into ``out``."""
        # Padding changes the last bits, and rounding to 8 bits makes much of them.
        batches = list(_batches(ids, uniform=self.arithmetic == "int8"))

        def run(batch: Keys) -> None:
            rows = [ids[i] for i in batch]
            hidden = np.asarray(model.encoder.forward_batch(rows).last_hidden_state)
            for i, row, states in zip(batch, rows, hidden, strict=True):
                # The length becomes 1 later, so a sum does as well as a mean.
                np.add.reduce(states[: len(row)], axis=0, out=out[i])

        workers = min(self.threads or _cores(), len(batches))
        if workers == 1:
            for batch in batches:
                run(batch)
            return
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(run, batches):
                pass


def _tokenize(model: _Model, texts: list[str], tokens: Keys) -> list[list[int]]:
    """Return what the model reads of each text; write how many tokens the whole of it has."""
    ids: list[list[int]] = []
    heads = [text[:HEAD] for text in texts]
    for text, head, encoding in zip(
        texts, heads, model.tokenizer.encode_batch_fast(heads), strict=True
    ):
        part, row = len(head), encoding.ids
        # Blanks and endless words give next to no tokens: what the model reads may come later.
        while len(row) < 2 * MAX_TOKENS and part < min(len(text), READ):
            part *= 4
            row = model.tokenizer.encode(text[:part]).ids
        tokens[len(ids)] = estimate(len(row), part, len(text))
        ids.append(row if len(row) <= MAX_TOKENS else [*row[: MAX_TOKENS - 1], SEP])
    return ids


def _batches(ids: list[list[int]], *, uniform: bool) -> Iterator[Keys]:
    """Group texts of like length, the longest first, into batches of about BATCH_TOKENS.

    Parameters
    ----------
    uniform : bool
        Put only texts of the same length together, so that nothing is padded.
    """
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    cut = np.diff(np.cumsum(lengths) // BATCH_TOKENS) > 0
    if uniform:
        cut |= np.diff(lengths) != 0
    cuts = np.flatnonzero(cut) + 1
    for first, last in pairwise([0, *cuts.tolist(), len(ids)]):
        yield order[first:last]


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
