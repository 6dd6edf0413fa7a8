"""From query vectors to hits: candidates, filter, records, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embedkit.types import Hit, Neighbors, Record

if TYPE_CHECKING:
    from embedkit.store.filters import Matches
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
    return _hits(view, view.index.search(queries, k, allow=allow), k, matches, None)


def similar(view: View, row: int, id: str, k: int, where: str | None) -> list[Hit]:
    """Return the k records nearest to the one of that id, whose vector is in that row."""
    matches = view.filter(where) if where is not None else None
    allow = None if matches is None else view.mask(matches.rows)
    # One vector more, since the record's own comes first and brings perhaps only the record.
    neighbors = view.index.search(view.vectors.matrix[row : row + 1], k + 1, allow=allow)
    return _hits(view, neighbors, k, matches, id)[0]


def _hits(
    view: View, neighbors: Neighbors, k: int, matches: Matches | None, without: str | None
) -> list[list[Hit]]:
    rows = {int(row) for row in neighbors.keys.ravel() if row >= 0}
    found = _records(view, sorted(rows), matches)
    return [
        _ranked(keys.tolist(), scores.tolist(), found, k, without)
        for keys, scores in zip(neighbors.keys, neighbors.scores, strict=True)
    ]


def _records(
    view: View, rows: Sequence[int], matches: Matches | None
) -> dict[int, list[tuple[int, Record]]]:
    """Return the records of each vector row, in their order, as far as the filter lets them."""
    allowed = None if matches is None else set(matches.seqs.tolist())
    found: dict[int, list[tuple[int, Record]]] = {}
    for seq, row, record in view.by_row(rows) if rows else ():
        if allowed is None or seq in allowed:
            found.setdefault(row, []).append((seq, record))
    return found


def _ranked(
    rows: Sequence[int],
    scores: Sequence[float],
    found: dict[int, list[tuple[int, Record]]],
    k: int,
    without: str | None,
) -> list[Hit]:
    listed = [
        (-score, seq, record)
        for row, score in zip(rows, scores, strict=True)
        for seq, record in found.get(row, ())
        if record.id != without
    ]
    listed.sort(key=lambda item: item[:2])
    return [
        Hit(rank, record.id, -score, record.text, record.metadata)
        for rank, (score, _, record) in enumerate(listed[:k], start=1)
    ]
