"""Any sentence-transformers model, by its name on the hub or by the path of a folder."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers import SentenceTransformer

from embedkit.embedders.base import BaseEmbedder, Lazy
from embedkit.embedders.long_texts import HEAD, READ, estimate, portions
from embedkit.embedders.pretrained import (
    Pretrained,
    best_device,
    is_out_of_memory,
    release_memory,
)
from embedkit.errors import EmbeddingError, InvalidInputError, WeightsError
from embedkit.types import Embeddings, InputType
from embedkit.validate import check_dim, normalize

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors

CHUNK_BATCHES = 32
"""Batches given to the model at once, which sorts them by length; these are repeated where memory
runs out."""


class SentenceTransformersEmbedder(BaseEmbedder):
    """A sentence-transformers model on the fastest device there is.

    Parameters
    ----------
    model : str
        Name on the hub, or path of a folder. Code that a model brings along is never run.
    device : str or None
        ``cuda``, ``cuda:1``, ``mps``, ``cpu``; by default the first of CUDA, MPS and CPU.
    batch_size : int, >= 1
        Texts computed at a time; halved, and kept so, whenever memory runs out.
    revision : str or None
        Branch, tag or commit on the hub.
    dimension : int or None
        Keep only so many leading components (for models trained for that), then length 1 again.

    Notes
    -----
    ``query`` and ``document`` use the model's own prompts where it has them; the other input types
    use a prompt of that name, else none. Tokens are those of the text without the prompt.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        batch_size: int = 32,
        revision: str | None = None,
        dimension: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise InvalidInputError(f"expected batch_size >= 1, got {batch_size}")
        self.model = model
        self.device = device
        self.batch_size = batch_size
        self.revision = revision
        self.dimension = None if dimension is None else check_dim(dimension)
        self._files = Pretrained(model, revision, organization="sentence-transformers")
        self._loaded: Lazy[Any] = Lazy(self._load)
        self._id = Lazy(self._identify)
        # Fast tokenizers fail when two threads set their truncation at the same time.
        self._lock = threading.Lock()

    @property
    def model_id(self) -> str:
        """Name and commit of a hub's model, folder name and weights' hash of a local one."""
        return self._id.get()

    @property
    def dim(self) -> int:
        """Width of the vectors; loads the model unless ``dimension`` says it."""
        if self.dimension is not None:
            return self.dimension
        model = self._loaded.get()
        width = getattr(model, "get_embedding_dimension", model.get_sentence_embedding_dimension)()
        if width is None:
            raise WeightsError(f"expected {self.model} to tell its width, it does not")
        return int(width)

    def _identify(self) -> str:
        cut = f" dimension={self.dimension}" if self.dimension is not None else ""
        return f"sentence-transformers:{self._files.version(self._loaded.get)}{cut}"

    def _load(self) -> Any:
        device = self.device or best_device()
        return self._files.load(SentenceTransformer, device, truncate_dim=self.dimension)

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        model = self._loaded.get()
        read = [text[:READ] for text in texts]
        with self._lock:
            tokens = _count_tokens(model, texts)
            vectors = self._encode(model, read, input_type)
        limit = model.max_seq_length
        return Embeddings(normalize(vectors), tokens, None if limit is None else int(limit))

    def _encode(self, model: Any, texts: list[str], input_type: InputType) -> Vectors:
        encode = {"query": model.encode_query, "document": model.encode_document}.get(
            input_type, model.encode
        )
        options: dict[str, Any] = {"show_progress_bar": False, "convert_to_numpy": True}
        if input_type in ("classification", "clustering") and input_type in model.prompts:
            options["prompt_name"] = input_type
        parts: list[Vectors] = []
        done = 0
        while done < len(texts):
            size = self.batch_size
            chunk = texts[done : done + size * CHUNK_BATCHES]
            try:
                part = encode(chunk, batch_size=size, **options)
            except Exception as error:  # torch raises RuntimeError and its kin, models all sorts
                self._shrink(error)
                continue
            parts.append(np.asarray(part, np.float32))
            done += len(chunk)
        return np.concatenate(parts)

    def _shrink(self, error: Exception) -> None:
        """Halve the batch size for good, or pass on what is not a lack of memory."""
        if not is_out_of_memory(error):
            raise EmbeddingError(f"{self.model} failed: {error}") from error
        if self.batch_size == 1:
            raise EmbeddingError(
                f"{self.model} ran out of memory on a single text",
                do="choose another device, for example device=cpu, or a smaller model",
            ) from error
        self.batch_size //= 2
        release_memory()


def _count_tokens(model: Any, texts: list[str]) -> Keys | None:
    """Return the tokens of each text before anything is cut; None where the model cannot say."""
    tokenizer = getattr(model, "tokenizer", None)
    if not callable(tokenizer) or not hasattr(tokenizer, "num_special_tokens_to_add"):
        return None
    counts = np.empty(len(texts), np.int64)
    special = tokenizer.num_special_tokens_to_add()
    for first, last in portions(texts):
        heads = [text[:HEAD] for text in texts[first:last]]
        encoded = tokenizer(heads, truncation=False, padding=False, verbose=False)["input_ids"]
        for i, (text, row) in enumerate(zip(texts[first:last], encoded, strict=True), start=first):
            counts[i] = estimate(len(row), min(len(text), HEAD), len(text), special=special)
    return counts
