"""An embedder with a learned adapter behind it: ``adapter:NAME``.

The model stays as it is, and so do its vectors in the cache; what is learned is applied to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.adapters.files import SavedAdapter, locate, read_adapter
from embedkit.embedders.base import BaseEmbedder, Lazy, tells_apart
from embedkit.embedders.caches import with_cache
from embedkit.errors import DimensionMismatchError, InvalidInputError, ModelMismatchError
from embedkit.protocols import Embedder
from embedkit.store.manifest import OBJECT
from embedkit.types import Delivery, Embeddings, InputType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.managed.budget import Meter
    from embedkit.types import Keys

NAME = "adapter"


class AdaptedEmbedder(BaseEmbedder):
    """Embeds by another embedder and moves its vectors as an adapter learned to.

    Parameters
    ----------
    base : Embedder
        The model that the adapter was learned on.
    saved : SavedAdapter

    Raises
    ------
    ModelMismatchError
        The adapter was learned on the vectors of another model.
    DimensionMismatchError
    """

    def __init__(self, base: Embedder, saved: SavedAdapter) -> None:
        if base.model_id != saved.model.model_id:
            raise ModelMismatchError(
                f"adapter {saved.name!r} was learned on vectors of {saved.model.model_id}, not of "
                f"{base.model_id}",
                do="use it with that model, or learn another: embedkit classify adapt",
            )
        self.base = base
        self.saved = saved
        learn = getattr(base, "learn_dim", None)
        if learn is not None:  # asking a service for its width would cost a request
            learn(saved.adapter.dim)
        if base.dim != saved.adapter.dim:
            raise DimensionMismatchError(
                f"adapter {saved.name!r} expects vectors of width {saved.adapter.dim}, "
                f"{base.model_id} gives {base.dim}",
            )

    @property
    def inner(self) -> Any:
        """The model without the cache before it: what texts cost and how they are cut is its."""
        return getattr(self.base, "inner", self.base)

    @property
    def model_id(self) -> str:
        """The model's name and the digest of the adapter."""
        return f"{self.base.model_id} adapter={self.saved.digest[:16]}"

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.saved.adapter.dim

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of one text."""
        most: int | None = getattr(self.inner, "max_tokens", None)
        return most

    @property
    def special_tokens(self) -> int:
        """Tokens that the model puts around every text."""
        return int(getattr(self.inner, "special_tokens", 0))

    def tells_apart(self, input_type: InputType) -> bool:
        """Whether the model may give texts of this type other vectors than documents."""
        return tells_apart(self.base, input_type)

    def token_offsets(self, texts: Sequence[str]) -> list[Keys]:
        """Return where each token of each text begins, as the model counts."""
        offsets = getattr(self.inner, "token_offsets", None)
        return super().token_offsets(texts) if offsets is None else list(offsets(texts))

    def check_access(self) -> None:
        """Refuse what the model behind refuses before any work is done.

        Raises
        ------
        CredentialsError
        """
        check = getattr(self.base, "check_access", None)
        if check is not None:
            check()

    def in_home(self, home: Path, *, local: bool = False) -> Embedder:
        """Return it with the home's cache before the model, so that no text is embedded twice.

        What the cache keeps are the model's own vectors: they serve every adapter.
        """
        return adapted(with_cache(self.base, home, local=local), self.saved)

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        return self._moved(self.base.embed_batch(texts, input_type=input_type))

    def _moved(self, result: Embeddings) -> Embeddings:
        vectors = self.saved.adapter.apply(result.vectors)
        return Embeddings(vectors, result.tokens, result.max_tokens)


class StreamingAdaptedEmbedder(AdaptedEmbedder):
    """One whose model hands over what it has as it arrives."""

    def embed_stream(
        self,
        texts: Sequence[str],
        *,
        input_type: InputType = "document",
        meter: Meter | None = None,
    ) -> Iterator[Delivery]:
        """Yield what the model delivers, moved, as it arrives.

        Parameters
        ----------
        meter : Meter or None
            What may be spent.

        Raises
        ------
        ProviderError
            What no other text could do better. Everything that had arrived was yielded.
        BudgetReached
            The meter allows no more.
        """
        base: Any = self.base
        for delivery in base.embed_stream(texts, input_type=input_type, meter=meter):
            if delivery.embeddings is None:
                yield delivery
            else:
                yield replace(delivery, embeddings=self._moved(delivery.embeddings))

    def cached_contents(self, input_type: InputType = "document") -> NDArray[np.void]:
        """Return the content keys of texts whose vectors need not be asked for, 16 bytes each."""
        contents = getattr(self.base, "cached_contents", None)
        return np.empty(0, "V16") if contents is None else contents(input_type)


class AdapterEmbedder(BaseEmbedder):
    """The adapter of a name, with the model that it was learned on.

    Parameters
    ----------
    name : str
        Of an adapter in the home, or the path of its folder.

    Notes
    -----
    A name means the adapter of that name in the home of whoever asks: a collection's own, or, for
    an embedder that is used alone, the one that the settings say.

    Raises
    ------
    AdapterNotFoundError
        On first use; the nearest name is offered.
    """

    def __init__(self, name: str) -> None:
        if not name.strip():
            raise InvalidInputError(
                "expected the name of an adapter, got nothing", do="write adapter:NAME"
            )
        self.name = name
        self._alone = Lazy(self._open_alone)

    def in_home(self, home: Path, *, local: bool = False) -> Embedder:
        """Return the adapter of that name in a home, with its cache before the model."""
        saved = read_adapter(locate(home, self.name))
        return adapted(with_cache(make_base(saved), home, local=local), saved)

    def _open_alone(self) -> Any:
        from embedkit.settings import resolve_home

        return self.in_home(resolve_home())

    @property
    def model_id(self) -> str:
        """The model's name and the digest of the adapter."""
        return str(self._alone.get().model_id)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self._alone.get().dim)

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of one text."""
        most: int | None = self._alone.get().max_tokens
        return most

    @property
    def special_tokens(self) -> int:
        """Tokens that the model puts around every text."""
        return int(self._alone.get().special_tokens)

    def tells_apart(self, input_type: InputType) -> bool:
        """Whether the model may give texts of this type other vectors than documents."""
        return bool(self._alone.get().tells_apart(input_type))

    def token_offsets(self, texts: Sequence[str]) -> list[Keys]:
        """Return where each token of each text begins, as the model counts."""
        return list(self._alone.get().token_offsets(texts))

    def check_access(self) -> None:
        """Refuse what the model behind refuses before any work is done."""
        self._alone.get().check_access()

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        result: Embeddings = self._alone.get().embed_batch(texts, input_type=input_type)
        return result


def adapted(base: Embedder, saved: SavedAdapter) -> AdaptedEmbedder:
    """Return an embedder with an adapter behind it, one that streams where the embedder does."""
    kind = StreamingAdaptedEmbedder if hasattr(base, "embed_stream") else AdaptedEmbedder
    return kind(base, saved)


def make_base(saved: SavedAdapter) -> Embedder:
    """Build the model that an adapter was learned on.

    Raises
    ------
    InvalidInputError
        It was an embedder of the user's own, which no name can make again.
    CredentialsError
        It is a service at an address that its key was not meant for.
    """
    from embedkit.managed.addresses import refuse_foreign

    spec = saved.model.spec
    if spec == OBJECT:
        raise InvalidInputError(
            f"adapter {saved.name!r} was learned on an embedder of your own, "
            f"{saved.model.model_id}",
            do="pass that embedder to saved.embedder(…)",
        )
    if registry.Spec.parse(spec).name == NAME:
        raise InvalidInputError(f"adapter {saved.name!r} names an adapter as its model, {spec!r}")
    refuse_foreign(spec, saved.name, kind="adapter")
    base: Embedder = registry.create("embedder", spec)
    return base
