"""Models that torch runs: where their files are, on what devices, how many tokens they read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from embedkit.embedders.hub import hub_reachable, hub_revision
from embedkit.embedders.long_texts import HEAD, estimate, portions
from embedkit.embedders.model_folder import fingerprint, looks_like_a_path
from embedkit.errors import InvalidInputError, WeightsError

if TYPE_CHECKING:
    from embedkit.types import Keys


BATCH_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 32768}
"""Tokens computed at a time, padding included, by the kind of the device; 8192 for other kinds."""
CHARACTERS_A_TOKEN = 4
"""Of English; used where a model cannot count."""


class Pretrained:
    """Where the files of a model are: a folder, or a repository of the hub.

    Parameters
    ----------
    model : str
        Name on the hub, or path of a folder. Code that a model brings along is never run.
    revision : str or None
        Branch, tag or commit on the hub.
    organization : str or None
        Whose a name without ``owner/`` is.
    """

    def __init__(
        self, model: str, revision: str | None = None, *, organization: str | None = None
    ) -> None:
        self.model = model
        self.revision = revision
        self._repository = model if "/" in model or not organization else f"{organization}/{model}"
        self._folder = Path(model).expanduser()

    def version(self, fetch: Callable[[], object]) -> str:
        """Return ``name@version``: a local model's by its weights, a hub's by its commit.

        Parameters
        ----------
        fetch : callable
            Loads the model, so that the hub's cache holds it; called only where it does not yet.
        """
        if self._folder.is_dir():
            return f"{self._folder.resolve().name}@{fingerprint(self._folder)[:12]}"
        known = hub_revision(self._repository, self.revision)
        if known is None:
            fetch()
            known = hub_revision(self._repository, self.revision)
        return f"{self.model}@{(known or self.revision or 'main')[:12]}"

    def load(self, kind: Callable[..., Any], device: str, **options: Any) -> Any:
        """Return the model on a device, in float32 whatever it was stored in.

        Parameters
        ----------
        kind : callable
            ``SentenceTransformer`` or ``CrossEncoder``.
        device : str
        options
            Further arguments of ``kind``.

        Raises
        ------
        WeightsError
        """
        local = self._folder.is_dir()
        if not local and looks_like_a_path(self.model):
            raise WeightsError(
                f"expected the folder of a sentence-transformers model, {self.model} is not there",
                do="check the path",
            )
        offline = local or not hub_reachable()
        try:
            with without_bars():
                model = kind(
                    str(self._folder) if local else self.model,
                    device=device,
                    revision=None if local else self.revision,
                    local_files_only=offline,
                    trust_remote_code=False,
                    **options,
                )
            model.float()
        except Exception as error:  # its errors share no root: OSError, ValueError, httpx's, ...
            raise self._not_loaded(error, offline=offline and not local) from error
        model.eval()
        return model

    def _not_loaded(self, error: Exception, *, offline: bool) -> WeightsError:
        cause = str(error).strip().partition("\n")[0] or type(error).__name__
        if offline:
            cause = "it is not on this machine, and the hub cannot be reached"
        return WeightsError(
            f"sentence-transformers cannot load {self.model!r}: {cause}",
            do="check the name, or give the path of a folder that holds the model",
        )


@contextlib.contextmanager
def without_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar for weights that it loads in an instant."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def best_device() -> str:
    """Return ``cuda``, ``mps`` or ``cpu``: the first that this machine has."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def resolve_devices(device: str | None) -> list[str]:
    """Return the devices that a user means, at least one; ``cuda`` or None means every GPU.

    Raises
    ------
    InvalidInputError
        A list with a gap in it.
    """
    listed = [name.strip() for name in (device or best_device()).split(",")]
    if not all(listed):
        raise InvalidInputError(
            f"expected a device or several with commas between them, got {device!r}"
        )
    if listed == ["cuda"] and torch.cuda.device_count() > 1:
        return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return listed


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the device or, as torch says it there, on the CPU."""
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        phrase in said for phrase in ("out of memory", "not enough memory", "can't allocate memory")
    )


def release_memory() -> None:
    """Hand back what torch keeps of a GPU's memory for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def batch_tokens(device: str) -> int:
    """Return how many tokens to compute at a time on a device, while nothing else is known."""
    return BATCH_TOKENS.get(device.partition(":")[0], 8192)


def _tokenizer(model: Any) -> Any:
    """Return a model's tokenizer, None where it is none that counts."""
    tokenizer = getattr(model, "tokenizer", None)
    counts = callable(tokenizer) and hasattr(tokenizer, "num_special_tokens_to_add")
    return tokenizer if counts else None


def special_tokens(model: Any) -> int:
    """Return how many tokens a model puts around every text, as far as it says."""
    tokenizer = _tokenizer(model)
    return 0 if tokenizer is None else int(tokenizer.num_special_tokens_to_add())


def tells_offsets(model: Any) -> bool:
    """Whether a model's tokenizer says where its tokens begin."""
    return bool(getattr(_tokenizer(model), "is_fast", False))


def offsets_of(model: Any, texts: list[str]) -> list[Keys]:
    """Return where each token of each text begins; the tokenizer must tell."""
    encoded = model.tokenizer(
        texts,
        add_special_tokens=False,
        return_offsets_mapping=True,
        truncation=False,
        padding=False,
        verbose=False,
    )["offset_mapping"]
    return [np.array([start for start, _ in offsets], np.int64) for offsets in encoded]


def count_tokens(model: Any, texts: list[str]) -> Keys | None:
    """Return the tokens of each text before anything is cut; None where the model cannot say."""
    tokenizer = _tokenizer(model)
    if tokenizer is None:
        return None
    counts = np.empty(len(texts), np.int64)
    special = tokenizer.num_special_tokens_to_add()
    for first, last in portions(texts):
        heads = [text[:HEAD] for text in texts[first:last]]
        encoded = tokenizer(heads, truncation=False, padding=False, verbose=False)["input_ids"]
        for i, (text, row) in enumerate(zip(texts[first:last], encoded, strict=True), start=first):
            counts[i] = estimate(len(row), min(len(text), HEAD), len(text), special=special)
    return counts


def read_tokens(tokens: Keys | None, texts: Sequence[str], limit: int | None) -> Keys:
    """Return the tokens that the model reads of each text, roughly where it cannot count."""
    if tokens is None:
        tokens = np.array([len(text) // CHARACTERS_A_TOKEN + 2 for text in texts], np.int64)
    return tokens if limit is None else np.minimum(tokens, int(limit))
