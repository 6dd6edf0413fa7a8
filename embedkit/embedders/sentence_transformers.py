"""Any sentence-transformers model, by its name on the hub or by the path of a folder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers import SentenceTransformer

from embedkit.embedders.base import BaseEmbedder, Lazy
from embedkit.embedders.long_texts import READ, token_starts
from embedkit.embedders.pretrained import (
    Pretrained,
    batch_tokens,
    count_tokens,
    is_out_of_memory,
    offsets_of,
    read_tokens,
    release_memory,
    resolve_devices,
    special_tokens,
    tells_offsets,
)
from embedkit.embedders.token_batches import BATCH_TEXTS, Device, Limits, compute_all
from embedkit.errors import InvalidInputError, WeightsError
from embedkit.types import Embeddings, InputType
from embedkit.validate import check_dim, normalize

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors


@dataclass(frozen=True, slots=True)
class _Replica:
    """The model on one of the devices."""

    model: Any
    limits: Limits
    # Fast tokenizers fail when two threads set their truncation at the same time.
    lock: threading.Lock = field(default_factory=threading.Lock)


class SentenceTransformersEmbedder(BaseEmbedder):
    """A sentence-transformers model on the fastest devices there are.

    Parameters
    ----------
    model : str
        Name on the hub, or path of a folder. Code that a model brings along is never run.
    device : str or None
        ``cuda:1``, ``mps``, ``cpu``, or several as ``cuda:0,cuda:1``, each with the model on it;
        ``cuda`` means all GPUs. By default the first of CUDA, MPS and CPU.
    batch_size : int, >= 1
        Texts computed at a time, at most.
    batch_tokens : int or None
        Tokens computed at a time on each device, padding included; by default 1,024 on a CPU,
        32,768 on CUDA and 8,192 elsewhere. Halved on a device, and kept so, whenever its memory
        runs out; a single text is computed whatever its length.
    revision : str or None
        Branch, tag or commit on the hub.
    dimension : int or None
        Keep only so many leading components (for models trained for that), then length 1 again.

    Notes
    -----
    Everything is computed in float32, on every device and whatever the weights are stored in: so a
    GPU and a CPU give the same neighbours, and vectors of both can be in one collection. Devices
    and batches change a vector by no more than rounding (1e-5 in any component).

    ``query`` and ``document`` use the model's own prompts where it has them; the other input types
    use a prompt of that name, else none. Tokens are those of the text without the prompt.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        batch_size: int = BATCH_TEXTS,
        batch_tokens: int | None = None,
        revision: str | None = None,
        dimension: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise InvalidInputError(f"expected batch_size >= 1, got {batch_size}")
        if batch_tokens is not None and batch_tokens < 1:
            raise InvalidInputError(f"expected batch_tokens >= 1, got {batch_tokens}")
        self.model = model
        self.device = device
        self.batch_size = batch_size
        self.batch_tokens = batch_tokens
        self.revision = revision
        self.dimension = None if dimension is None else check_dim(dimension)
        self._files = Pretrained(model, revision, organization="sentence-transformers")
        self._loaded: Lazy[list[_Replica]] = Lazy(self._load)
        self._id = Lazy(self._identify)

    @property
    def model_id(self) -> str:
        """Name and commit of a hub's model, folder name and weights' hash of a local one."""
        return self._id.get()

    @property
    def dim(self) -> int:
        """Width of the vectors; loads the model unless ``dimension`` says it."""
        if self.dimension is not None:
            return self.dimension
        model = self._loaded.get()[0].model
        width = getattr(model, "get_embedding_dimension", model.get_sentence_embedding_dimension)()
        if width is None:
            raise WeightsError(f"expected {self.model} to tell its width, it does not")
        return int(width)

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of one text; loads it."""
        limit = self._loaded.get()[0].model.max_seq_length
        return None if limit is None else int(limit)

    @property
    def special_tokens(self) -> int:
        """Tokens that the model puts around every text; loads it."""
        return special_tokens(self._loaded.get()[0].model)

    def token_offsets(self, texts: Sequence[str]) -> list[Keys]:
        """Return where each token of each text begins; estimated where the model cannot say."""
        first = self._loaded.get()[0]
        if not tells_offsets(first.model):
            return super().token_offsets(texts)
        with first.lock:
            return token_starts(texts, partial(offsets_of, first.model))

    def _identify(self) -> str:
        cut = f" dimension={self.dimension}" if self.dimension is not None else ""
        return f"sentence-transformers:{self._files.version(self._loaded.get)}{cut}"

    def _load(self) -> list[_Replica]:
        replicas = []
        for device in resolve_devices(self.device):
            model = self._files.load(SentenceTransformer, device, truncate_dim=self.dimension)
            tokens = self.batch_tokens or batch_tokens(device)
            replicas.append(_Replica(model, Limits(self.batch_size, tokens)))
        return replicas

    def tells_apart(self, input_type: InputType) -> bool:
        """Whether the model has a prompt for texts of this type, or one for documents."""
        if input_type == "document":
            return False
        model = self._loaded.get()[0].model
        asked = (input_type, "document", "passage", "corpus")
        return model.default_prompt_name is not None or any(map(model.prompts.get, asked))

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        replicas = self._loaded.get()
        first = replicas[0]
        limit = first.model.max_seq_length
        with first.lock:
            tokens = count_tokens(first.model, texts)
        vectors = np.empty((len(texts), self.dim), np.float32)
        read = [text[:READ] for text in texts]
        devices = [self._device(replica, read, input_type, vectors) for replica in replicas]
        compute_all(read_tokens(tokens, read, limit), devices)
        return Embeddings(normalize(vectors), tokens, None if limit is None else int(limit))

    def _device(
        self, replica: _Replica, texts: Sequence[str], input_type: InputType, out: Vectors
    ) -> Device:
        """Return what computes some of the texts on a replica, into the rows of ``out``."""
        model = replica.model
        encode = {"query": model.encode_query, "document": model.encode_document}.get(
            input_type, model.encode
        )
        options: dict[str, Any] = {"show_progress_bar": False, "convert_to_numpy": True}
        if input_type in ("classification", "clustering") and input_type in model.prompts:
            options["prompt_name"] = input_type

        def compute(rows: list[int]) -> None:
            with replica.lock:
                out[rows] = encode([texts[i] for i in rows], batch_size=len(rows), **options)

        return Device(
            replica.limits,
            compute,
            is_out_of_memory,
            release_memory,
            self.model,
            "choose another device, for example device=cpu, or a smaller model",
        )
