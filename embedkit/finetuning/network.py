"""A sentence-transformers model that learns: its layers, their rates, its arithmetic."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch.nn import functional

from embedkit.embedders.pretrained import Pretrained, batch_tokens, best_device, without_bars
from embedkit.errors import InvalidInputError, WeightsError

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors

READ = 128
"""Tokens of a text that training reads at most; the model itself is left as long as it was."""
Tokens = list[list[int]]


class Network:
    """A model, tokenised input, vectors out.

    Parameters
    ----------
    model : str
        Name on the hub, or path of a folder.
    device : str or None
        One device; by default the first of CUDA, MPS and CPU.

    Raises
    ------
    WeightsError
        The model is not there, or is none whose layers can be told apart.
    InvalidInputError
        Several devices.
    """

    def __init__(self, model: str, device: str | None = None) -> None:
        self.device = device or best_device()
        if "," in self.device:
            raise InvalidInputError(f"expected one device to train on, got {self.device!r}")
        files = Pretrained(model, organization="sentence-transformers")
        self.model: Any = files.load(SentenceTransformer, self.device)
        self.layers = _layers(self.model, model)
        self.tokenizer = self.model.tokenizer
        limit = self.model.max_seq_length
        self.limit = READ if limit is None else min(READ, int(limit))
        self._hidden = _hidden_words(self.tokenizer)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        name = "get_embedding_dimension"
        width = getattr(self.model, name, self.model.get_sentence_embedding_dimension)()
        return int(width)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Return the token ids of each text, those around it included."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.limit)
        ids: Tokens = encoded["input_ids"]
        return ids

    def vectors(self, rows: Tokens, masked: float = 0.0) -> Any:
        """Return a tensor of the vectors of some texts, shape (n, dim), of length 1.

        Parameters
        ----------
        masked : float
            Share of the words that the model does not see.
        """
        batch = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        if masked and self._hidden is not None:
            ids = batch["input_ids"]
            special = torch.isin(ids, torch.tensor(self.tokenizer.all_special_ids))
            hide = (torch.rand(ids.shape) < masked) & ~special
            batch["input_ids"] = ids.masked_fill(hide, self._hidden)
        features = {name: value.to(self.device) for name, value in batch.items()}
        with self._arithmetic():
            out = self.model(features)["sentence_embedding"]
        return functional.normalize(out.float(), dim=-1)

    def embed(self, rows: Tokens) -> Vectors:
        """Return the vectors of texts as an array, shape (n, dim), without learning."""
        out = np.empty((len(rows), self.dim), np.float32)
        was = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                for some in _of_like_length(rows, batch_tokens(self.device)):
                    out[some] = self.vectors([rows[i] for i in some]).cpu().numpy()
        finally:
            self.model.train(was)
        return out

    def groups(self, rate: float, decay: float) -> list[dict[str, Any]]:
        """Return what learns, layer by layer, and how fast; the word embeddings do not.

        Source
        ------
        Howard and Ruder: Universal language model fine-tuning, ACL 2018 (rates that fall layer by
        layer); Lee, Tang and Lin: What would ELSA do?, 2019 (freezing what lies below).
        """
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        made = []
        for depth, layer in enumerate(reversed(self.layers)):
            for parameter in layer.parameters():
                parameter.requires_grad_(True)
            made.append({"params": list(layer.parameters()), "lr": rate * decay**depth})
        return made

    def learning(self) -> list[Any]:
        """Return the parameters that learn."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def state(self) -> dict[str, Any]:
        """Return a copy of all weights."""
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take weights back that :meth:`state` returned."""
        self.model.load_state_dict(state)

    def save(self, folder: str) -> None:
        """Write the model as sentence-transformers does, in float32."""
        with without_bars():
            self.model.save(folder, create_model_card=False, safe_serialization=True)

    @contextlib.contextmanager
    def _arithmetic(self) -> Iterator[None]:
        """Compute products in bfloat16 where that is quicker than in float32, else as it is."""
        kind = self.device.partition(":")[0]
        if not has_bfloat16(kind):
            yield
            return
        with torch.autocast(kind, dtype=torch.bfloat16):
            yield


def has_bfloat16(kind: str) -> bool:
    """Whether a kind of device multiplies matrices in bfloat16 faster than in float32.

    A CPU does with AMX: 1.8 times the texts a second in training, measured on MiniLM. Without it,
    bfloat16 is slower than float32.
    """
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu":
        supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
        return bool(supported is not None and supported())
    return False


def _layers(model: Any, name: str) -> list[Any]:
    """Return the layers of a transformer, the lowest first."""
    lists: list[Any] = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) > 1
    ]
    if not lists or not hasattr(model, "tokenizer"):
        raise WeightsError(
            f"expected a transformer with layers, {name!r} has none",
            do="choose a model such as sentence-transformers/all-MiniLM-L6-v2",
        )
    return list(max(lists, key=_weights))


def _weights(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _hidden_words(tokenizer: Any) -> int | None:
    """Return the token that stands for a hidden word, None where the model has none."""
    for name in ("mask_token_id", "unk_token_id"):
        found = getattr(tokenizer, name, None)
        if found is not None:
            return int(found)
    return None


def _of_like_length(rows: Tokens, most: int) -> Iterator[Keys]:
    """Yield places of texts of about one length, up to ``most`` tokens with their padding."""
    lengths = np.array([len(row) for row in rows], np.int64)
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        full = end == len(order) or (end + 1 - start) * lengths[order[end]] > most
        if full:
            yield order[start:end]
            start = end
