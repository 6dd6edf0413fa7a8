"""From query vectors to hits: candidates, filter, records, ranks; and ranks by a reranker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from embedkit.types import Hit, Neighbors, Record

if TYPE_CHECKING:
    from embedkit.protocols import Reranker
    from embedkit.store.view import View
    from embedkit.types import Vectors


def search(view: View, queries: Vectors, k: int, where: str | None) -> list[list[Hit]]:
    """Return the k best records of each query, shape (n, dim), best first.

    Records with equal texts share a vector, so k vectors bring at least k records.
    """
    matches = view.filter(where) if where is not None else None
    if matches is not None and not len(matches.rows):
        return [[] for _ in queries]
    allow = None if matches is None else view.mask(matches.rows)
    k = min(k, max(view.manifest.records, 1))
    return _hits(view, view.index.search(queries, k, allow=allow), k, where, None)


def similar(view: View, row: int, id: str, k: int, where: str | None) -> list[Hit]:
    """Return the k records nearest to the one of that id, whose vector is in that row."""
    matches = view.filter(where) if where is not None else None
    allow = None if matches is None else view.mask(matches.rows)
    k = min(k, max(view.manifest.records, 1))
    # One vector more, since the record's own comes first and brings perhaps only the record.
    neighbors = view.index.search(view.vectors.matrix[row : row + 1], k + 1, allow=allow)
    return _hits(view, neighbors, k, where, id)[0]


def rerank(query: str, hits: Sequence[Hit], k: int, reranker: Reranker) -> list[Hit]:
    """Return the k most relevant of the hits, best first; equal ones keep the order they had."""
    from embedkit.validate import check_scores

    if not hits:
        return []
    scores = reranker.rerank(query, [hit.text for hit in hits])
    relevance = check_scores(scores, len(hits), reranker.model_id).tolist()
    order = sorted(range(len(hits)), key=lambda i: (-relevance[i], hits[i].rank))
    return [
        replace(hits[i], rank=rank, score=relevance[i], kind="reranked")
        for rank, i in enumerate(order[:k], start=1)
    ]


def _hits(
    view: View, neighbors: Neighbors, k: int, where: str | None, without: str | None
) -> list[list[Hit]]:
    rows = {int(row) for row in neighbors.keys.ravel() if row >= 0}
    found: dict[int, list[tuple[int, Record]]] = {}
    if rows:
        # One more of each vector than is wanted, for the one that is left out.
        for seq, row, record in view.by_row(sorted(rows), k + 1, where):
            found.setdefault(row, []).append((seq, record))
    return [
        _ranked(keys.tolist(), scores.tolist(), found, k, without, view.manifest.metric)
        for keys, scores in zip(neighbors.keys, neighbors.scores, strict=True)
    ]


def _ranked(
    rows: Sequence[int],
    scores: Sequence[float],
    found: dict[int, list[tuple[int, Record]]],
    k: int,
    without: str | None,
    kind: str,
) -> list[Hit]:
    listed = [
        (-score, seq, record)
        for row, score in zip(rows, scores, strict=True)
        for seq, record in found.get(row, ())
        if record.id != without
    ]
    listed.sort(key=lambda item: item[:2])
    return [
        Hit(rank, record.id, -score, record.text, record.metadata, kind)
        for rank, (score, _, record) in enumerate(listed[:k], start=1)
    ]
