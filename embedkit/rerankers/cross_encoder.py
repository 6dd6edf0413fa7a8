"""Any cross-encoder of sentence-transformers, by its name on the hub or by the path of a folder."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers import CrossEncoder

from embedkit.embedders.base import Lazy
from embedkit.embedders.long_texts import HEAD
from embedkit.embedders.pretrained import (
    Pretrained,
    batch_tokens,
    best_device,
    count_tokens,
    is_out_of_memory,
    read_tokens,
    release_memory,
)
from embedkit.embedders.token_batches import BATCH_TEXTS, Device, Limits, compute_all
from embedkit.errors import InvalidInputError, WeightsError
from embedkit.rerankers.base import BaseReranker

if TYPE_CHECKING:
    from embedkit.types import Keys, Scores


class CrossEncoderReranker(BaseReranker):
    """A model that reads the query and a text together, on the fastest device there is.

    Parameters
    ----------
    model : str
        Name on the hub, or path of a folder. Code that a model brings along is never run.
    device : str or None
        ``cuda``, ``cuda:1``, ``mps``, ``cpu``; by default the first of CUDA, MPS and CPU.
    batch_size : int, >= 1
        Pairs computed at a time, at most. Their tokens are bounded too: by 1,024 on a CPU, 32,768
        on CUDA and 8,192 elsewhere, padding included; halved, and kept so, whenever memory runs
        out.
    max_length : int or None
        Tokens read of a query and a text together; by default the model's own limit.
    revision : str or None
        Branch, tag or commit on the hub.

    Notes
    -----
    The relevance is what the model's own configuration makes of its output: mostly a logit of any
    size, or a number from 0 to 1. It is computed in float32 on every device, and the other texts
    of a call change it by no more than rounding. Of a text, the first 65,536 characters are read.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        batch_size: int = BATCH_TEXTS,
        max_length: int | None = None,
        revision: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise InvalidInputError(f"expected batch_size >= 1, got {batch_size}")
        if max_length is not None and max_length < 1:
            raise InvalidInputError(f"expected max_length >= 1, got {max_length}")
        self.model = model
        self.device = device
        self.batch_size = batch_size
        self.max_length = max_length
        self.revision = revision
        self._files = Pretrained(model, revision)
        self._loaded: Lazy[tuple[Any, Limits]] = Lazy(self._load)
        self._id = Lazy(self._identify)
        # Fast tokenizers fail when two threads set their truncation at the same time.
        self._lock = threading.Lock()

    @property
    def model_id(self) -> str:
        """Name and commit of a hub's model, folder name and weights' hash of a local one."""
        return self._id.get()

    def _identify(self) -> str:
        cut = f" max_length={self.max_length}" if self.max_length is not None else ""
        return f"cross-encoder:{self._files.version(self._loaded.get)}{cut}"

    def _load(self) -> tuple[Any, Limits]:
        device = self.device or best_device()
        model = self._files.load(CrossEncoder, device, max_length=self.max_length)
        if model.num_labels != 1:
            raise WeightsError(
                f"expected a model that gives a pair one relevance, {self.model} gives "
                f"{model.num_labels} numbers",
                do="choose a model trained for ranking",
            )
        if _has_invented_head(model):
            raise WeightsError(
                f"expected a cross-encoder, {self.model} has no layer that judges a pair",
                do="choose one; a model of embeddings is named sentence-transformers:… as embedder",
            )
        return model, Limits(self.batch_size, batch_tokens(device))

    def _rerank(self, query: str, texts: list[str]) -> Scores:
        model, limits = self._loaded.get()
        heads = [text[:HEAD] for text in texts]
        scores = np.empty(len(texts), np.float32)

        def compute(rows: list[int]) -> None:
            pairs = [(query[:HEAD], heads[i]) for i in rows]
            scores[rows] = model.predict(pairs, batch_size=len(rows), show_progress_bar=False)

        remedy = "choose another device, for example device=cpu, a smaller max_length or model"
        with self._lock:
            device = Device(limits, compute, is_out_of_memory, release_memory, self.model, remedy)
            compute_all(self._lengths(model, query, heads), [device])
        return scores

    def _lengths(self, model: Any, query: str, texts: list[str]) -> Keys:
        """Return the tokens that the model reads of each pair."""
        both = [*texts, query[:HEAD]]
        alone = read_tokens(count_tokens(model, both), both, None)
        limit = getattr(model, "max_seq_length", None) or getattr(model, "max_length", None)
        return read_tokens(alone[:-1] + alone[-1], texts, limit)


def _has_invented_head(model: Any) -> bool:
    """Whether the last layer is not the model's: transformers fills in random numbers for it."""
    network = model.model
    needed = "ForSequenceClassification"
    stored = getattr(getattr(network, "config", None), "architectures", None) or ()
    return type(network).__name__.endswith(needed) and not any(
        name.endswith(needed) for name in stored
    )
