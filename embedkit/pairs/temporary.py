"""A source as a collection for a while, to look for pairs in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit import catalog, registry
from embedkit.collection import Collection
from embedkit.embedders.caches import with_cache
from embedkit.protocols import Embedder
from embedkit.types import Report

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress


@contextmanager
def collection_of(
    source: Any,
    *,
    text: str | Sequence[str] | None = None,
    id: str | None = None,
    embedder: str | Embedder = "minilm",
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Collection, Report]]:
    """Give a collection that holds a source, and the report of filling it; it is then deleted.

    Parameters
    ----------
    source, text, id, progress
        As for :meth:`embedkit.Collection.index`.
    home : str or Path, optional
        Whose cache of vectors stands before a managed embedder.

    Raises
    ------
    SourceError, ColumnError, StorageError, CredentialsError
    KeyboardInterrupt
        It was interrupted; nothing is left behind.
    """
    made: Embedder = (
        registry.create("embedder", embedder) if isinstance(embedder, str) else embedder
    )
    made = with_cache(made, catalog.resolve_home(home))
    with (
        tempfile.TemporaryDirectory(prefix="embedkit-pairs-") as folder,
        # Nobody searches it, so it gets no index.
        Collection("source", Path(folder), embedder=made, index="flat") as collection,
    ):
        report = collection.index(source, text=text, id=id, progress=progress)
        if report.status == "interrupted":
            raise KeyboardInterrupt
        yield collection, report
