"""What can be said of a search without judgements, which is not how relevant its hits are.

Self-retrieval asks with words of a record and looks for that record. Consistency asks the same
thing in two ways and looks how many hits both share. A search that fails in these is broken; one
that passes may still be irrelevant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Unpack

from embedkit.errors import InvalidInputError
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.evaluation.retrieval import overlap
from embedkit.evaluation.search import BATCH, JUDGED, describe
from embedkit.types import Estimate, Hits, Record

if TYPE_CHECKING:
    from embedkit.retrieval.options import SearchOptions
    from embedkit.searching import Searching

SAMPLED = 200
SEEN = 10
LONGEST = 1000
"""Characters of a record that are asked with: a query is short."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_FEW_WORDS = 4


@dataclass(frozen=True, slots=True)
class Unjudged:
    """What a search does with words of its own records, and with queries put in another way.

    Attributes
    ----------
    subject : str
        What was searched, and how.
    self_retrieval : mapping of str to Estimate
        ``part@1``, ``part@10`` and ``part-MRR@10``: how often a record is the first hit, or among
        the first ten, for its own first sentence or first half; ``whole@1``: for its whole text.
    consistency : mapping of str to Estimate
        Share of the first ten hits that stay when the query is in ``capitals``, ``mistyped``,
        ``shortened`` by a word or ``reordered``.
    """

    subject: str
    records: int
    queries: int
    self_retrieval: Mapping[str, Estimate]
    consistency: Mapping[str, Estimate]

    @property
    def measures(self) -> Mapping[str, Estimate]:
        """All that was measured."""
        return {**self.self_retrieval, **self.consistency}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def evaluate_without_judgements(
    collection: Searching,
    queries: Sequence[str] | None = None,
    *,
    n: int = SAMPLED,
    seed: int = 0,
    **options: Unpack[SearchOptions],
) -> Unjudged:
    """Measure self-retrieval and consistency over a sample of a collection.

    Parameters
    ----------
    queries : sequence of str, optional
        What to ask in several ways. Default: the first words of the sampled records.
    n : int, >= 1
        Records, and queries, that are sampled at most.
    seed : int
        Which ones, and how the queries are changed: the same seed measures the same.
    **options
        How to search; see :meth:`embedkit.Collection.search`.

    Raises
    ------
    InvalidInputError
        The collection holds no record with words, or the options no search takes.
    """
    where = options.get("where")
    records = [r for r in collection.sample(n, seed=seed, where=where) if r.text.strip()]
    if not records:
        raise InvalidInputError(
            f"expected records to ask with, collection {collection.name!r} has none"
            + (" that the filter matches" if where else "")
        )
    given = None if queries is None else _drawn(list(queries), n, seed)
    asked = [first_part(record.text) for record in records] if given is None else given
    return Unjudged(
        describe(collection.name, options),
        len(records),
        len(asked),
        self_retrieval(collection, records, seed=seed, **options),
        consistency(collection, asked, seed=seed, **options),
    )


def self_retrieval(
    collection: Searching,
    records: Sequence[Record],
    *,
    seed: int = 0,
    **options: Unpack[SearchOptions],
) -> dict[str, Estimate]:
    """Return how often records are found by their own words; records of equal text are one."""
    parts = _search(collection, [first_part(record.text) for record in records], options)
    whole = _search(collection, [record.text[:LONGEST] for record in records], options)
    ranks = [_rank(record, hits) for record, hits in zip(records, parts, strict=True)]
    again = [_rank(record, hits) for record, hits in zip(records, whole, strict=True)]
    values = {
        "whole@1": [float(rank == 1) for rank in again],
        "part@1": [float(rank == 1) for rank in ranks],
        "part@10": [float(rank > 0) for rank in ranks],
        "part-MRR@10": [1 / rank if rank else 0.0 for rank in ranks],
    }
    return {name: mean_with_interval(listed, seed=seed) for name, listed in values.items()}


def consistency(
    collection: Searching,
    queries: Sequence[str],
    *,
    seed: int = 0,
    **options: Unpack[SearchOptions],
) -> dict[str, Estimate]:
    """Return how many of the first ten hits stay when each query is put in another way.

    A query that a way cannot change, such as one word whose order is changed, is left out of it.
    """
    before = [_ids(hits) for hits in _search(collection, queries, options)]
    found = {}
    for way, change in WAYS.items():
        random = Random(f"{seed} {way}")  # noqa: S311
        changed = [change(query, random) for query in queries]
        kept = [i for i, text in enumerate(changed) if text.strip() and text != queries[i]]
        after = _search(collection, [changed[i] for i in kept], options)
        shares = [overlap(before[i], _ids(hits)) for i, hits in zip(kept, after, strict=True)]
        if shares:
            found[way] = mean_with_interval(shares, seed=seed)
    return found


def first_part(text: str) -> str:
    """Return the first sentence of a text; of a single sentence, the first half of its words.

    A text of less than four words is returned whole.
    """
    sentences = [part for part in _SENTENCE_END.split(text.strip()) if part and part.strip()]
    if len(sentences) > 1 and len(sentences[0].split()) >= _FEW_WORDS:
        return sentences[0].strip()[:LONGEST]
    words = text.split()
    if len(words) < _FEW_WORDS:
        # A script without blanks is one word to us; half of its characters are enough to ask with.
        stripped = text.strip()
        long = len(words) == 1 and not stripped.isascii() and len(stripped) >= 2 * _FEW_WORDS
        return stripped[: len(stripped) // 2][:LONGEST] if long else stripped[:LONGEST]
    return " ".join(words[: (len(words) + 1) // 2])[:LONGEST]


def other_case(query: str, random: Random) -> str:
    """Return the query in capitals, or in small letters where it is in capitals."""
    return query.upper() if query != query.upper() else query.lower()


def mistyped(query: str, random: Random) -> str:
    """Return the query with two letters exchanged in a fifth of its words, in one at least."""
    words = query.split()
    fit = [i for i, word in enumerate(words) if len(word) > 3 and len(set(word[1:])) > 1]
    for i in random.sample(fit, min(len(fit), max(1, len(words) // 5))):
        word = words[i]
        places = [at for at in range(1, len(word) - 1) if word[at] != word[at + 1]]
        at = random.choice(places)
        words[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def shortened(query: str, random: Random) -> str:
    """Return the query without one of its words; of one word, nothing is left."""
    words = query.split()
    if words:
        del words[random.randrange(len(words))]
    return " ".join(words)


def reordered(query: str, random: Random) -> str:
    """Return the words of the query in another order."""
    words = query.split()
    random.shuffle(words)
    return " ".join(words)


WAYS: dict[str, Callable[[str, Random], str]] = {
    "capitals": other_case,
    "mistyped": mistyped,
    "shortened": shortened,
    "reordered": reordered,
}


def _drawn(queries: list[str], n: int, seed: int) -> list[str]:
    return Random(seed).sample(queries, min(n, len(queries)))  # noqa: S311


def _search(
    collection: Searching, texts: Sequence[str], options: Mapping[str, Any]
) -> Sequence[Hits]:
    size = BATCH if options.get("rerank") is None else JUDGED
    found: list[Hits] = []
    for start in range(0, len(texts), size):
        found += collection.search_many(texts[start : start + size], SEEN, **options)
    return found


def _rank(record: Record, hits: Hits) -> int:
    """Return where the record, or one of equal text, is among the hits; 0 where it is not."""
    return next((h.rank for h in hits if h.id == record.id or h.text == record.text), 0)


def _ids(hits: Hits) -> list[str]:
    return [hit.id for hit in hits]
