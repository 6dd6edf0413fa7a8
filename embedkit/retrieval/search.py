"""From queries to hits: candidates, filter, records, choice, ranks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.retrieval.candidates import Asked, Ranked, rank
from embedkit.types import Hit, Hits, Passage, Record, SearchPlan, Why, WordShare

if TYPE_CHECKING:
    from embedkit.protocols import Reranker
    from embedkit.retrieval.calibration import Calibration
    from embedkit.retrieval.options import Wanted
    from embedkit.store.filters import Matches
    from embedkit.store.passages import Passages
    from embedkit.store.view import View
    from embedkit.types import Keys, Vectors


@dataclass(frozen=True, slots=True)
class Item:
    """A record on its way to become a hit: its score, and where it stands among the candidates."""

    record: Record
    score: float
    row: int
    place: int
    confidence: float | None = None
    passage: Passage | None = None

    @property
    def text(self) -> str:
        """What of the record's text the score is of."""
        return self.record.text if self.passage is None else self.passage.text


PASSAGES = 4
"""How many candidates are asked for each record that is wanted, where texts are cut."""

Found = dict[int, list[tuple[int, Record]]]
"""The records of a vector row, each with its number."""


def search(
    view: View, asked: Asked, wanted: Wanted, reranker: Reranker | None = None
) -> list[Hits]:
    """Return the hits of each query, in the order of the queries.

    Records with equal texts share a vector, so n candidates bring at least n records.
    """
    matches = None
    if wanted.where is not None:
        matches = view.filter(wanted.where)
        if not len(matches.rows):
            plan = SearchPlan("none", "no record matches the filter", view.manifest.vector_rows, 0)
            return [Hits(plan=plan) for _ in range(len(asked))]
    depth = min(wanted.depth, max(view.manifest.records, 1))
    # Of each example that is left out, its row comes first and brings perhaps only itself.
    depth += len(asked.without)
    ranked, found = _candidates(view, asked, wanted, depth, matches)
    choice = _Choice(view, asked, wanted, reranker, _calibration(view, asked, wanted))
    chosen = (_choose(choice, query, ranked, found) for query in range(len(asked)))
    kind = ranked.kind if reranker is None else "reranked"
    answers = []
    for query, items in enumerate(chosen):
        whys = _whys(view, asked, query, ranked, items) if wanted.explain else None
        answers.append(Hits(_hits(items, kind, wanted.offset, whys), ranked.plan))
    return answers


def _candidates(
    view: View, asked: Asked, wanted: Wanted, depth: int, matches: Matches | None
) -> tuple[Ranked, Found]:
    """Return candidates that hold the ``depth`` best records of each query, as far as there are.

    Where a record has several passages, the best candidates may all be of a few records: then more
    are asked for.
    """
    allow = None if matches is None else view.mask(view.rows_of(matches))
    records = depth if matches is None else min(depth, len(matches.seqs))
    n = depth if view.passages is None else PASSAGES * depth
    while True:
        ranked = rank(view, asked, wanted, n, allow)
        found = _records(view, ranked.rows, depth, matches)
        last = view.passages is None or n >= view.manifest.vector_rows
        if last or not _short(ranked, found, n, records):
            return ranked, found
        n = min(n * PASSAGES, view.manifest.vector_rows)


def _short(ranked: Ranked, found: Found, n: int, records: int) -> bool:
    """Whether more than n candidates would bring a query more records, and it needs them."""
    if ranked.rows.shape[1] < n:
        return False
    return any(
        len({seq for row in rows for seq, _ in found.get(row, ())}) < records
        for rows in ranked.rows[ranked.rows[:, n - 1] >= 0].tolist()
    )


def _records(view: View, rows: Keys, limit: int, matches: Matches | None) -> Found:
    """Return the records of some vectors, at most so many of each, the first ones."""
    wanted = {int(row) for row in rows.ravel() if row >= 0}
    found: Found = {}
    if wanted:
        for seq, row, record in view.by_row(sorted(wanted), limit, matches):
            found.setdefault(row, []).append((seq, record))
    return found


@dataclass(frozen=True, slots=True)
class _Choice:
    """What decides which candidates become hits, the same for all queries of a search."""

    view: View
    asked: Asked
    wanted: Wanted
    reranker: Reranker | None
    calibration: Calibration | None


def _choose(choice: _Choice, query: int, ranked: Ranked, found: Found) -> Sequence[Item]:
    """Return the records of one query that become hits, in their final order."""
    view, asked, wanted = choice.view, choice.asked, choice.wanted
    reranker, calibration = choice.reranker, choice.calibration
    items: Sequence[Item] = _listed(view, ranked, query, found, asked.without, wanted.depth)
    if reranker is not None:
        assert asked.texts is not None
        items = _reranked(asked.texts[query], items, reranker)
    if calibration is not None:
        assert asked.vectors is not None
        items = _confident(view, asked.vectors[query], items, calibration, wanted.min_confidence)
    if wanted.min_score is not None:
        items = [item for item in items if item.score >= wanted.min_score]
    if wanted.diversity is not None:
        items = _spread(view, items, wanted)
    return items[wanted.offset : wanted.end]


def _listed(
    view: View, ranked: Ranked, query: int, found: Found, without: Iterable[str], depth: int
) -> list[Item]:
    """Return the best records of a query's candidates, each by its best passage.

    Equal ones are in the order in which they came.
    """
    listed = [
        (-score, seq, Item(record, score, row, place))
        for place, (row, score) in enumerate(
            zip(ranked.rows[query].tolist(), ranked.scores[query].tolist(), strict=True)
        )
        for seq, record in found.get(row, ())
        if record.id not in without
    ]
    listed.sort(key=lambda item: item[:2])
    best: dict[int, Item] = {}
    for _, seq, item in listed:
        best.setdefault(seq, item)
    kept = islice(best.items(), depth)
    if view.passages is None:
        return [item for _, item in kept]
    return [_with_passage(view.passages, seq, item) for seq, item in kept]


def _with_passage(passages: Passages, seq: int, item: Item) -> Item:
    place = passages.place(seq, item.row)
    if place is None:
        return item
    return replace(item, passage=passages.cut(seq, item.record.text)[place])


def _reranked(query: str, items: Sequence[Item], reranker: Reranker) -> list[Item]:
    """Return the items by the relevance a reranker gives; equal ones keep the order they had."""
    from embedkit.validate import check_scores

    if not items:
        return []
    scores = reranker.rerank(query, [item.text for item in items])
    relevance = check_scores(scores, len(items), reranker.model_id).tolist()
    judged = [replace(item, score=score) for item, score in zip(items, relevance, strict=True)]
    return sorted(judged, key=lambda item: -item.score)


def _calibration(view: View, asked: Asked, wanted: Wanted) -> Calibration | None:
    """Return what makes confidences of similarities, where they are wanted and can be told."""
    from embedkit.retrieval.confidence import calibration_of

    if asked.vectors is None or (wanted.min_confidence is None and not wanted.explain):
        return None
    try:
        return calibration_of(view)
    except InvalidInputError:
        if wanted.min_confidence is not None:
            raise
        return None  # too few records tell nothing; an explanation goes without


def _confident(
    view: View, query: Vectors, items: Sequence[Item], calibration: Calibration, least: float | None
) -> Sequence[Item]:
    """Return the items with the probability that each is relevant, those below the least left out.

    It is told by the similarity of the vectors, whatever the items were ordered by.
    """
    from embedkit.indexes.exact import score_rows

    rows = np.array([[item.row for item in items]], np.int64)
    dense = score_rows(query[np.newaxis], view.vectors.matrix, rows)[0]
    told = zip(items, calibration.probability(dense).tolist(), strict=True)
    judged = [replace(item, confidence=chance) for item, chance in told]
    return [item for item in judged if least is None or (item.confidence or 0) >= least]


def _spread(view: View, items: Sequence[Item], wanted: Wanted) -> list[Item]:
    from embedkit.retrieval.diversity import diverse

    assert wanted.diversity is not None
    scores = np.array([item.score for item in items], np.float32)
    vectors = view.vectors.matrix[np.array([item.row for item in items], np.int64)]
    return [items[i] for i in diverse(scores, vectors, wanted.end, wanted.diversity)]


def _whys(view: View, asked: Asked, query: int, ranked: Ranked, items: Sequence[Item]) -> list[Why]:
    """Return why each item is a hit: by its scores, its ranks and the terms it shares."""
    whys = [ranked.why(query, item.place) for item in items]
    if asked.texts is None or all(why.lexical is None for why in whys):
        return whys
    rows = np.array([item.row for item in items], np.int64)
    shares = view.lexical.shares(asked.texts[query], rows)
    terms = (tuple(WordShare(*pair) for pair in line.items()) for line in shares)
    return [replace(why, terms=line) for why, line in zip(whys, terms, strict=True)]


def _hits(
    items: Sequence[Item], kind: str, offset: int, whys: Sequence[Why] | None
) -> Iterator[Hit]:
    for place, item in enumerate(items):
        record = item.record
        yield Hit(
            offset + place + 1,
            record.id,
            item.score,
            record.text,
            record.metadata,
            kind,
            confidence=item.confidence,
            why=whys[place] if whys is not None else None,
            passage=item.passage,
        )
