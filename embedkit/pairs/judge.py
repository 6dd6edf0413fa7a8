"""Which row stands for each of a source's rows: itself, or the near-duplicate that is kept."""

from __future__ import annotations

import contextlib
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.ingest.stage import Progress
from embedkit.pairs.clusters import leaders
from embedkit.pairs.join import Join, check_threshold
from embedkit.pairs.shelf import Matrix, Texts
from embedkit.protocols import Embedder
from embedkit.store.vectors import content_key

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask, Scores

Keep = Literal["first", "last", "longest"]
KEEPS: tuple[Keep, ...] = ("first", "last", "longest")
EMBEDDED = 1024
"""Texts that are embedded together."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How duplicates are told.

    Attributes
    ----------
    threshold : float or None
        Least cosine of near-duplicates; None where only equal texts count.
    keep : {"first", "last", "longest"}
        Which row of a group is kept: by its place, or by the length of its text (the first of
        several that are as long).
    normalize : bool
        Whether texts are equal that differ only in case, white space or the form of characters.
    """

    threshold: float | None = 0.9
    keep: Keep = "first"
    normalize: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which row stands for each: itself where it is kept.

    Attributes
    ----------
    kept : int64 array, shape (n,)
    scores : float32 array, shape (n,)
    equal : bool array, shape (n,)
        Whether the row has the text of the one that stands for it.
    blank : int
        Rows without a text.
    """

    kept: Keys
    scores: Scores
    equal: Mask
    blank: int

    @property
    def stays(self) -> Mask:
        """Which rows are kept, shape (n,)."""
        return np.equal(self.kept, np.arange(len(self.kept)))


def check_wishes(threshold: float | None, keep: str, normalize: bool) -> Wishes:
    """Return what is wished, or refuse it."""
    for known in KEEPS:
        if known == keep:
            least = None if threshold is None else check_threshold(threshold)
            return Wishes(least, known, normalize)
    raise InvalidInputError(f"expected keep to be first, last or longest, got {keep!r}")


def judge(texts: Texts, wishes: Wishes, embedder: Embedder | None, show: Progress) -> Verdict:
    """Find the row that stands for each."""
    groups, group = _groups(texts, normalize=wishes.normalize)
    n = len(texts)
    # The rows of each group, the one to keep first.
    preference = _preference(wishes.keep, texts)
    has_text = np.flatnonzero(group >= 0)
    order = has_text[np.lexsort((preference[has_text], group[has_text]))]
    best = order[np.unique(group[order], return_index=True)[1]]
    leader, scores = np.arange(len(best)), np.ones(len(best), np.float32)
    if embedder is not None and len(best) > 1:
        with contextlib.closing(Matrix(embedder.dim)) as vectors:
            _embed(texts, groups, embedder, vectors, show)
            assert wishes.threshold is not None
            ranked = np.argsort(preference[best], kind="stable")
            join = Join(vectors.read(), ranked, wishes.threshold)
            join.progress = show
            place, score = leaders(join)
            leader[ranked], scores[ranked] = ranked[place], score
    kept, row_scores = np.arange(n), np.ones(n, np.float32)
    kept[has_text] = best[leader[group[has_text]]]
    row_scores[has_text] = scores[group[has_text]]
    equal = np.ones(n, np.bool_)
    equal[has_text] = leader[group[has_text]] == group[has_text]
    return Verdict(kept, row_scores, equal, n - len(has_text))


def _groups(texts: Texts, *, normalize: bool) -> tuple[list[int], Keys]:
    """Return the first row of each text, and for each row which text it has, -1 for none."""
    known: dict[bytes, int] = {}
    firsts: list[int] = []
    group = np.full(len(texts), -1)
    for row in range(len(texts)):
        text = texts[row]
        if not text:
            continue
        key = content_key(_plain(text) if normalize else text)
        number = known.setdefault(key, len(firsts))
        if number == len(firsts):
            firsts.append(row)
        group[row] = number
    return firsts, group


def _plain(text: str) -> str:
    """Return a text without what tells it from others that read the same."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _preference(keep: Keep, texts: Texts) -> Keys:
    """Return a number for each row: of two rows, the one of the smaller is kept."""
    rows = np.arange(len(texts))
    if keep == "last":
        return rows[::-1].copy()
    if keep == "longest":
        rank = np.empty_like(rows)
        rank[np.lexsort((rows, -texts.lengths()))] = rows
        return rank
    return rows


def _embed(
    texts: Texts, firsts: list[int], embedder: Embedder, vectors: Matrix, show: Progress
) -> None:
    for start in range(0, len(firsts), EMBEDDED):
        show("embedding", start, len(firsts))
        some = [texts[row] for row in firsts[start : start + EMBEDDED]]
        vectors.add(embedder.embed(some, input_type="document"))
    show("embedding", len(firsts), len(firsts))
