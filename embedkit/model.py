"""Which model a collection's vectors come from, and that no other is mixed in."""

from __future__ import annotations

from typing import Any

from embedkit import registry
from embedkit.embedders.caches import with_cache
from embedkit.errors import (
    DamagedError,
    InvalidInputError,
    UnsupportedOperationError,
)
from embedkit.protocols import Embedder
from embedkit.store.layout import Layout
from embedkit.store.manifest import OBJECT, OWN_VECTORS, Manifest, Model

DEFAULT_EMBEDDER = "minilm"


def read_manifest(layout: Layout) -> Manifest | None:
    """Return the published manifest, None for a collection that is not there yet.

    Raises
    ------
    DamagedError
        It is not what was written, or missing where there was one.
    """
    try:
        return Manifest.read(layout.manifest)
    except FileNotFoundError:
        if layout.previous.exists():
            raise DamagedError(
                f"{layout.manifest} is missing",
                do=f"run: embedkit doctor {layout.root.name} --repair",
            ) from None
        return None


class ModelChoice:
    """The embedder that the user gave, or else the one that the collection names.

    Parameters
    ----------
    layout : Layout
    given : str, Embedder or None
        A spec, an embedder, or nothing.
    """

    def __init__(self, layout: Layout, given: str | Embedder | None) -> None:
        self.layout = layout
        self.given = given
        self._made: Embedder | None = None
        self._made_for = ""

    @property
    def given_object(self) -> Embedder | None:
        """The embedder that was given as an object."""
        return None if isinstance(self.given, str) else self.given

    def check_given(self) -> None:
        """Refuse at once a name that no backend has, or another model than the collection's."""
        if isinstance(self.given, str):
            registry.resolve("embedder", registry.Spec.parse(self.given).name)
        try:
            manifest = read_manifest(self.layout)
        except DamagedError:
            return  # said by whatever reads or writes; checking and repairing must go on
        if self.given is None or manifest is None or self.given == manifest.model.spec:
            return
        manifest.model.expect(self._make().model_id, self.layout.root.name)

    def follow(self, changed: str | Embedder) -> None:
        """Use another model from now on, since the collection does."""
        if self.given is not None:
            self.given, self._made = changed, None

    def embedder(self) -> Embedder:
        """Return the embedder, once it is known to be the collection's.

        Raises
        ------
        ModelMismatchError, UnsupportedOperationError, InvalidInputError
        """
        made = self._make()
        manifest = read_manifest(self.layout)
        if manifest is not None:
            manifest.model.expect(made.model_id, self.layout.root.name)
            learn = getattr(made, "learn_dim", None)
            if learn is not None:
                learn(manifest.model.dim)
        return made

    def describe(self, own_dim: int | None = None) -> Model:
        """Return the model of a collection that is to be made.

        Parameters
        ----------
        own_dim : int or None
            Width of the vectors that the user brings.
        """
        if own_dim is not None and self.given is None:
            return Model(OWN_VECTORS, "vectors of your own", own_dim)
        made = self._make()
        spec = OBJECT if self.given_object is not None else self._spec()
        return Model.of(made, spec)

    def width(self, vectors: Any) -> int:
        """Return the width that the user's own vectors must have."""
        manifest = read_manifest(self.layout)
        if manifest is not None:
            return manifest.model.dim
        if self.given is not None:
            return self._make().dim
        import numpy as np

        try:
            shape = np.shape(vectors)
        except ValueError as error:
            raise InvalidInputError(f"expected vectors of one width: {error}") from error
        return int(shape[-1]) if shape and shape[-1] else 1

    def _make(self) -> Embedder:
        spec = "" if self.given is not None else self._spec()
        if self._made is None or spec != self._made_for:
            # Where none was given, it is the collection's, which may change.
            made = self.given_object or registry.create("embedder", self._spec())
            self._made, self._made_for = with_cache(made, self.layout.root.parent), spec
        return self._made

    def _spec(self) -> str:
        if isinstance(self.given, str):
            return self.given
        manifest = read_manifest(self.layout)
        if manifest is None:
            return DEFAULT_EMBEDDER
        name, model = self.layout.root.name, manifest.model
        if model.spec == OBJECT:
            raise InvalidInputError(
                f"collection {name!r} was filled by an embedder of your own, {model.model_id}",
                do="pass it as embedder= when you open the collection",
            )
        if model.spec == OWN_VECTORS:
            raise UnsupportedOperationError(
                f"collection {name!r} holds vectors of your own, which no model here made",
                do="search it with search_vectors or similar; write with upsert(…, vectors=…)",
            )
        from embedkit.managed.addresses import refuse_foreign

        refuse_foreign(model.spec, name)
        return model.spec
