"""The vectors of texts that are to be classified, from the home's cache where it has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedkit import registry
from embedkit.embedders.caches import with_cache
from embedkit.errors import ModelMismatchError, UnsupportedOperationError
from embedkit.managed.addresses import refuse_foreign
from embedkit.protocols import Embedder
from embedkit.store.manifest import OBJECT, Model
from embedkit.types import InputType

if TYPE_CHECKING:
    from embedkit.types import Vectors

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total)."""
BATCH = 2048
"""Texts after which what was embedded is kept: an interruption costs no more."""


def open_embedder(embedder: str | Embedder, home: Path, *, keep: bool = True) -> Embedder:
    """Return the embedder with the home's vector cache before it.

    Parameters
    ----------
    embedder : str or Embedder
    home : Path
    keep : bool
        Whether vectors that were computed here are kept as well as those that were paid for. It
        pays where the same texts come again: training data, not a stream to predict.

    Raises
    ------
    UnknownBackendError, InvalidInputError, MissingDependencyError
    """
    made = registry.create("embedder", embedder) if isinstance(embedder, str) else embedder
    return with_cache(made, home, local=keep)


def open_trained(model: Model, given: str | Embedder | None, home: Path) -> Embedder:
    """Return the embedder that a classifier was trained with, the home's cache before it.

    Parameters
    ----------
    given : str, Embedder or None
        Default: what the model's spec names.

    Raises
    ------
    UnsupportedOperationError
        It was an embedder of the user's own, which is not given.
    CredentialsError
        The spec names a service at an address that its key was not meant for.
    ModelMismatchError
        Another model.
    """
    if given is None:
        if model.spec == OBJECT:
            raise UnsupportedOperationError(
                f"the classifier was trained with an embedder of your own, {model.model_id}",
                do="pass it as embedder= when you load the classifier",
            )
        refuse_foreign(model.spec, kind="classifier")
        given = model.spec
    opened = open_embedder(given, home, keep=False)
    learn = getattr(opened, "learn_dim", None)
    if learn is not None:
        learn(model.dim)
    if opened.model_id != model.model_id:
        raise ModelMismatchError(
            f"the classifier was trained with {model.model_id}, not {opened.model_id}",
            do="load it with that model, or train another one",
        )
    return opened


def embed_for(
    embedder: str | Embedder,
    texts: Sequence[str],
    home: Path,
    *,
    keep: bool = True,
    input_type: InputType = "classification",
    progress: Progress | None = None,
) -> Vectors:
    """Return the vectors of texts as input to what learns from them, a classifier for one.

    Returns
    -------
    float32 array, shape (n, dim)
        Of length 1, in the order of the texts. Equal texts are embedded once.

    Raises
    ------
    CredentialsError, ProviderError
        Of a managed embedder. What had arrived is in the cache, and is not paid for again.
    """
    opened = open_embedder(embedder, home, keep=keep)
    distinct = list(dict.fromkeys(texts))
    rows = np.empty((len(distinct), opened.dim), np.float32)
    for start in range(0, len(distinct), BATCH):
        some = distinct[start : start + BATCH]
        rows[start : start + len(some)] = opened.embed(some, input_type=input_type)
        if progress is not None:
            progress("embedding", start + len(some), len(distinct))
    if len(distinct) == len(texts):
        return rows
    place = {text: i for i, text in enumerate(distinct)}
    return rows[[place[text] for text in texts]]
