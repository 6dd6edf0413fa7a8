"""Which embedders have the home's vector cache before them."""

from __future__ import annotations

from pathlib import Path

from embedkit.protocols import Embedder


def with_cache(made: Embedder, home: Path) -> Embedder:
    """Return a managed embedder with the home's cache before it, any other as it is.

    What runs here is computed anew about as quickly as it would be read.
    """
    if not hasattr(made, "embed_stream"):
        return made
    from embedkit.caching import VectorCache
    from embedkit.embedders.cached import CachedEmbedder

    return CachedEmbedder(made, VectorCache(home))
