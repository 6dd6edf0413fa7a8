"""The index of words of a collection: what is on disk, what is newer, what is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.lexical import words
from embedkit.lexical.base import Base, Texts
from embedkit.lexical.tail import Statistics, Tail
from embedkit.lexical.words import Asked
from embedkit.types import Neighbors
from embedkit.validate import check_k

if TYPE_CHECKING:
    import tantivy

    from embedkit.types import Keys, Mask, Scores

TERMS = 256
"""Different terms of a query that are looked for; of more, the rarest."""
ALTERNATIVES = 8
"""Words that an unknown one may have been meant to be, those of most texts."""


class LexicalIndex:
    """Rows ranked by the words that they share with a query. Immutable, safe for several threads.

    Rows on disk are tantivy's; what is newer is read from memory, with the statistics of those on
    disk, so that scores compare. Deleted rows are left out.

    Parameters
    ----------
    live : bool array, shape (n,)
        Which rows count.
    base : Base or None
    tail : Tail
        The texts of the live rows that the base does not cover, or of which it has an old text.

    Notes
    -----
    A text's score for a query, over N texts of L terms on average, is::

        sum over the terms t of the query, repeated ones again, of
            idf(t) * tf(t) * (k1 + 1) / (tf(t) + k1 * (1 - b + b * length / L))
        idf(t) = ln(1 + (N - df(t) + 0.5) / (df(t) + 0.5)),   k1 = 1.2, b = 0.75

    N, L and df are those of the rows on disk, deleted ones among them until the index is built
    again; length is exact up to 40 terms and rounded by a few per cent beyond. So the scores of an
    index that grew differ a little from those of one built at once, by as much as its statistics.
    A phrase in quotes counts twice its words' idf on top. A word of letters that no text holds
    counts half, as the best of the words that one slip of typing makes of it.

    Source
    ------
    Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond, Foundations and
    Trends in Information Retrieval 3(4), 2009; in the form of Lucene and tantivy.
    """

    def __init__(self, live: Mask, base: Base | None, tail: Tail) -> None:
        self._live, self._base, self._tail = live, base, tail
        self._read: dict[int, tuple[str, Sequence[str]]] = {}
        self._analyzer: tantivy.TextAnalyzer = words.analyzer()
        self._covered, self._all = np.zeros_like(live), False
        if base is not None:
            n = min(len(live), len(base.about.rows))
            self._covered[:n] = live[:n] & base.about.rows[:n]
            self._covered[tail.rows] = False  # those whose texts have changed
            self._all = int(np.count_nonzero(self._covered)) == base.texts

    @classmethod
    def of(
        cls, live: Mask, base: Base | None, texts: Texts, earlier: LexicalIndex | None = None
    ) -> LexicalIndex:
        """Make an index of a base and of the texts beside it, in batches.

        Parameters
        ----------
        earlier : LexicalIndex, optional
            One that may have read the same texts already.
        """
        known = earlier._read if earlier is not None else {}
        analyzer = words.analyzer()
        read: dict[int, tuple[str, Sequence[str]]] = {}
        for rows, batch in texts:
            for row, text in zip(rows.tolist(), batch, strict=True):
                before = known.get(row)
                if before is None or before[0] != text:
                    before = text, analyzer.analyze(words.cut(text))
                read[row] = before
        order = sorted(read)
        index = cls(live, base, Tail(np.array(order, np.int64), [read[row][1] for row in order]))
        index._read = read
        return index

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows on disk that count, and rows that are read from memory."""
        return int(np.count_nonzero(self._covered)), len(self._tail)

    def search(self, queries: Sequence[str], n: int, *, allow: Mask | None = None) -> Neighbors:
        """Return the n best rows of each query.

        Parameters
        ----------
        queries : sequence of str
            Text, not syntax: signs are signs, and only a phrase in double quotes says more.
        n : int, >= 1
        allow : bool array, shape (rows,), optional
            Only these rows count.

        Returns
        -------
        Neighbors
            Keys are row numbers, shape (n_queries, n), scores BM25. A row that shares no word with
            the query is no hit, so there may be fewer.

        Raises
        ------
        InvalidInputError
        """
        n = check_k(n, "n")
        if allow is not None and (allow.dtype != np.bool_ or allow.shape != self._live.shape):
            raise InvalidInputError(
                f"expected allow as flags of shape {self._live.shape}, got {allow.dtype} of shape"
                f" {allow.shape}"
            )
        found = [self._one(self.asked(query), n, allow) for query in queries]
        m = max((len(rows) for rows, _ in found), default=0)
        keys = np.full((len(found), max(n, m)), -1, np.int64)
        scores = np.full(keys.shape, -np.inf, np.float32)
        for i, (rows, values) in enumerate(found):
            keys[i, : len(rows)], scores[i, : len(rows)] = rows, values
        return Neighbors(keys, scores)

    def shares(self, query: str, rows: Keys) -> list[dict[str, float]]:
        """Return for each row what each term of the query adds to its BM25, the most first."""
        allow = np.zeros(self._live.shape, np.bool_)
        allow[rows] = True
        out: dict[int, dict[str, float]] = {int(row): {} for row in rows}
        asked = self.asked(query)
        parts = [(term, Asked({term: times})) for term, times in asked.terms.items()]
        parts += [(term, Asked({}, alike={term: some})) for term, some in asked.alike.items()]
        parts += [(f'"{" ".join(phrase)}"', Asked({}, (phrase,))) for phrase in asked.phrases]
        for name, part in parts:
            hits, scores = self._one(part, len(out), allow)
            for row, score in zip(hits.tolist(), scores.tolist(), strict=True):
                out[row][name] = score
        return [dict(sorted(out[int(r)].items(), key=lambda item: -item[1])) for r in rows]

    def mass(self, query: str) -> float:
        """Return the BM25 of a text of mean length that holds each term of the query once.

        Terms that no text holds count as the rarest there are.
        """
        return sum(self.weights(query).values())

    def weights(self, query: str) -> dict[str, float]:
        """Return what each term of the query tells: how often it is there, times its idf.

        Terms that no text holds count as the rarest there are.
        """
        found = words.asked(query, self._analyzer)
        known = self._known(found)
        return {term: times * known.idf(term) for term, times in found.terms.items()}

    def asked(self, query: str) -> Asked:
        """Return what is looked for: the terms of a query, as far as any text holds them."""
        found = words.asked(query, self._analyzer)
        held = {term: self._holding(term) for term in found.terms}
        alike: dict[str, tuple[str, ...]] = {}
        for term in found.terms:
            if not held[term] and words.may_be_mistyped(term) and len(alike) < TERMS:
                some = self._alike(term)
                alike |= {term: some} if some else {}
        terms = {term: times for term, times in found.terms.items() if held[term]}
        if len(terms) > TERMS:
            rarest = sorted(terms, key=lambda term: (held[term], term))[:TERMS]
            terms = {term: terms[term] for term in rarest}
        return replace(found, terms=terms, alike=alike)

    def _holding(self, term: str) -> int:
        on_disk = self._base.holding(term) if self._base else 0
        return on_disk + self._tail.holding(term)

    def _alike(self, term: str) -> tuple[str, ...]:
        """Return the terms that one slip makes of this one, past its first two letters."""
        prefix = term[:2]
        held = dict(self._base.vocabulary(prefix)) if self._base else {}
        for other in self._tail.terms:
            if other.startswith(prefix):
                held[other] = held.get(other, 0) + self._tail.holding(other)
        near = [other for other in held if words.is_alike(term, other)]
        return tuple(sorted(near, key=lambda other: (-held[other], other))[:ALTERNATIVES])

    def _one(self, asked: Asked, n: int, allow: Mask | None) -> tuple[Keys, Scores]:
        rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        if self._base is not None:
            flags = None if self._all and allow is None else self._covered
            flags = flags if allow is None else self._covered & allow
            reach = len(self._base.about.rows)
            if flags is not None and len(flags) < reach:
                flags = np.pad(flags, (0, reach - len(flags)))
            rows, scores = self._base.search(asked, n, flags)
        if len(self._tail):
            values = self._tail.scores(asked, self._known(asked)).astype(np.float32)
            inside = self._live[self._tail.rows]
            inside &= (values > 0) & (allow[self._tail.rows] if allow is not None else True)
            rows = np.concatenate((rows, self._tail.rows[inside]))
            scores = np.concatenate((scores, values[inside]))
            order = np.lexsort((rows, -scores))[:n]
            rows, scores = rows[order], scores[order]
        return rows, scores

    def _known(self, asked: Asked) -> Statistics:
        """Return the statistics that rows beside the base are scored with: the base's."""
        tail, base = self._tail, self._base
        names: set[Any] = {*asked.terms, *(t for some in asked.alike.values() for t in some)}
        names.update(*asked.phrases)
        if base is None or not base.texts:
            holding = {term: tail.holding(term) for term in names}
            return Statistics(len(tail), tail.length / max(1, len(tail)), holding)
        # A word that is new has no frequency there yet; it counts as in what is new.
        holding = {term: base.holding(term) or tail.holding(term) for term in names}
        return Statistics(base.texts, base.mean, holding)
