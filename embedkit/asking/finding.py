"""Excerpts for a question: the nearest pieces of the best records, each with what follows it.

A *neighbour* is a piece of a record; its *continuation* is the piece that follows. Where the
collection keeps passages, they are the pieces, with the vectors that they have already. Where it
keeps whole records, the best of them are cut into pieces of whole sentences here.

Source: the retrieval-enhanced transformer reads, for each chunk of 64 tokens, its two nearest
neighbours together with their continuations. Borgeaud et al.: Improving language models by
retrieving from trillions of tokens, ICML 2022. There by dense vectors alone; here by vectors and
words, which finds more (``benchmarks/asking.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from embedkit.asking.evidence import Question, probability, terms_of
from embedkit.asking.options import CHUNK_TOKENS, Finding
from embedkit.asking.pieces import Piece, cut, joined, whole_sentences
from embedkit.errors import InvalidInputError
from embedkit.retrieval.candidates import Asked
from embedkit.retrieval.confidence import calibration_of
from embedkit.retrieval.options import Wanted
from embedkit.retrieval.search import search
from embedkit.threads import single_threaded_products
from embedkit.types import Excerpt, Hit

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.retrieval.calibration import Calibration
    from embedkit.store.view import View
    from embedkit.types import Vectors

READ = 64
"""Pieces that are compared with the question, at most; of more, the likeliest."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A record that was found, its pieces, and how near it is itself.

    Attributes
    ----------
    similarity : float or None
        Of the record's own vector with the question; None where no model was asked.
    """

    hit: Hit
    pieces: Sequence[Piece]
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a collection has for a question, as one generation of it shows it."""

    question: Question
    records: Sequence[Looked] = ()
    cut: bool = False
    """Whether the pieces are the collection's own passages."""
    notes: list[str] = field(default_factory=list)


def look(
    view: View, text: str, vector: Vectors | None, wanted: Finding, embedder: Embedder | None
) -> Found:
    """Read the records that are nearest to a question, and their pieces.

    Raises
    ------
    FilterError
    InvalidInputError
        A size of pieces for a collection that has passages of its own.
    """
    own = view.manifest.chunk
    if own is not None and wanted.chunk_tokens is not None:
        raise InvalidInputError(
            f"the collection keeps passages of its own ({own}), got "
            f"chunk_tokens={wanted.chunk_tokens}",
            do="leave it out",
        )
    asked = Asked(vector, [text])
    (hits,) = search(view, asked, Wanted(wanted.records, where=wanted.where, mode=wanted.mode))
    calibration = None if vector is None else _calibration(view)
    question = Question.of(text, view.lexical, calibration)
    tokens = wanted.chunk_tokens or CHUNK_TOKENS
    looked = [_read(view, hit, vector, tokens, embedder) for hit in hits]
    return Found(question, looked, own is not None)


def _calibration(view: View) -> Calibration | None:
    try:
        return calibration_of(view)
    except InvalidInputError:
        return None  # there are too few records to tell


def _read(
    view: View, hit: Hit, vector: Vectors | None, tokens: int, embedder: Embedder | None
) -> Looked:
    """Return a record with its pieces, and their vectors as far as they are known."""
    ((seq, row),) = view.query("SELECT seq, row FROM records WHERE id = ?", [hit.id])
    matrix = view.vectors.matrix
    mine: Vectors = matrix[np.array([row])]
    near = None if vector is None else float(mine[0] @ vector[0])
    if view.passages is not None and (kept := view.passages.cut(seq, hit.text)):
        rows = view.passages.rows[view.passages.of(seq)]
        vectors: Vectors = matrix[rows]
        pieces = [
            Piece(each.start, each.stop, each.text, one)
            for each, one in zip(kept, vectors, strict=True)
        ]
        return Looked(hit, pieces, near)
    pieces = cut(hit.text, tokens, embedder)
    if len(pieces) == 1:
        pieces = [replace(pieces[0], vector=mine[0])]
    return Looked(hit, pieces, near)


@dataclass(frozen=True, slots=True)
class _Near:
    """A piece as a neighbour of the question."""

    record: int
    place: int
    similarity: float | None
    odds: float


def excerpts(
    found: Found, vector: Vectors | None, wanted: Finding, embedder: Embedder | None
) -> list[Excerpt]:
    """Return the neighbours with their continuations, most relevant first, what overlaps joined.

    Parameters
    ----------
    vector : float32 array, shape (1, dim), or None
        Of the question.
    embedder : Embedder or None
        What embeds pieces whose vectors are not known; None where that would be paid for: then each
        piece is as near as its record.
    """
    chosen = _neighbors(found, vector, wanted.neighbors, embedder)
    made: list[tuple[float, Excerpt]] = []
    for record in dict.fromkeys(near.record for near in chosen):
        mine = [near for near in chosen if near.record == record]
        made += _of_record(found, found.records[record], mine)
    made.sort(key=lambda each: -each[0])
    return [replace(excerpt, number=i) for i, (_, excerpt) in enumerate(made, 1)]


def _neighbors(
    found: Found, vector: Vectors | None, n: int, embedder: Embedder | None
) -> list[_Near]:
    """Return the n pieces that bear most on the question; of equal texts, the first."""
    near = sorted(_scored(found, vector, embedder), key=lambda each: -each.odds)
    chosen: dict[str, _Near] = {}
    for each in near:
        text = found.records[each.record].pieces[each.place].text.strip()
        if len(chosen) < n:
            chosen.setdefault(text, each)
    return list(chosen.values())


def _scored(found: Found, vector: Vectors | None, embedder: Embedder | None) -> list[_Near]:
    """Return what of the pieces is worth a look, with its odds, in their order."""
    places = [(r, k) for r, each in enumerate(found.records) for k in range(len(each.pieces))]
    if not places:
        return []
    pieces = [found.records[r].pieces[k] for r, k in places]
    similar = [_similarity(piece, vector) for piece in pieces]
    shares: list[float] | None = None
    kept: Sequence[int] = range(len(pieces))
    if len(pieces) > READ:
        # A vector that is known costs least to compare, words come next, the model last.
        known = all(value is not None for value in similar)
        if not known:
            shares = [found.question.coverage(terms_of(piece.text)) for piece in pieces]
        ranked = np.array(similar if known else shares, np.float64)
        kept = sorted(np.argsort(-ranked, kind="stable")[:READ].tolist())
    if vector is not None:
        _embed_missing(pieces, similar, kept, vector, embedder)
    out = []
    for i in kept:
        record, place = places[i]
        share = shares[i] if shares else found.question.coverage(terms_of(pieces[i].text))
        value = similar[i]
        if value is None and vector is not None:
            value = found.records[record].similarity
        out.append(_Near(record, place, value, found.question.odds(value, share)))
    return out


def _similarity(piece: Piece, vector: Vectors | None) -> float | None:
    if piece.vector is None or vector is None:
        return None
    return float(piece.vector @ vector[0])


def _embed_missing(
    pieces: Sequence[Piece],
    similar: list[float | None],
    kept: Sequence[int],
    vector: Vectors,
    embedder: Embedder | None,
) -> None:
    """Fill in the similarities of those of the pieces that have none."""
    missing = [i for i in kept if similar[i] is None and pieces[i].text.strip()]
    if not missing or embedder is None:
        return
    made = embedder.embed([pieces[i].text for i in missing], input_type="document")
    with single_threaded_products():
        values = made @ vector[0]
    for i, value in zip(missing, values.tolist(), strict=True):
        similar[i] = value


def _of_record(
    found: Found, looked: Looked, chosen: Sequence[_Near]
) -> list[tuple[float, Excerpt]]:
    """Return the excerpts of one record, with the odds of each."""
    text, pieces = looked.hit.text, looked.pieces
    spans = []
    odds: dict[tuple[int, int], float] = {}
    for near in chosen:
        piece = pieces[near.place]
        follows = pieces[near.place + 1 : near.place + 2]
        stop = follows[0].stop if follows else piece.stop
        start = piece.start
        if found.cut:
            # Passages end where the tokens do; nothing is shown from the middle of a sentence.
            start, stop = whole_sentences(text, start, stop, max(stop - start, 1))
        share = found.question.coverage(terms_of(text[start:stop]))
        odds[piece.start, piece.stop] = found.question.odds(near.similarity, share)
        spans.append((start, stop))
    made = []
    for start, stop in joined(spans, text):
        inside = tuple(sorted(span for span in odds if start <= span[0] and span[1] <= stop))
        best = max(odds[span] for span in inside)
        told = text[start:stop]
        first = start + len(told) - len(told.lstrip())
        body = told.strip()
        made.append(
            (
                best,
                Excerpt(
                    number=0,
                    id=looked.hit.id,
                    start=first,
                    stop=first + len(body),
                    text=body,
                    score=probability(best),
                    near=inside,
                    metadata=looked.hit.metadata,
                ),
            )
        )
    return made
