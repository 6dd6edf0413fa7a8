"""Which embedders have the home's vector cache before them."""

from __future__ import annotations

from pathlib import Path

from embedkit.protocols import Embedder


def with_cache(made: Embedder, home: Path, *, local: bool = False) -> Embedder:
    """Return a managed embedder with the home's cache before it, any other as it is.

    Parameters
    ----------
    local : bool
        Whether one that runs here gets the cache too. A collection keeps its vectors itself; a
        classifier does not, and is trained on the same texts again and again.
    """
    within = getattr(made, "in_home", None)
    if within is not None:  # one that stands on another: the cache belongs before that one
        found: Embedder = within(home, local=local)
        return found
    if not (local or hasattr(made, "embed_stream")) or hasattr(made, "cache"):
        return made
    from embedkit.caching import VectorCache
    from embedkit.embedders.cached import CachedEmbedder

    return CachedEmbedder(made, VectorCache(home))
