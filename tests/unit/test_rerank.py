"""Searching with a reranker: which records it reads, and what becomes of its judgement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from embedkit import Collection, Record
from embedkit.errors import DimensionMismatchError, InvalidInputError, UnknownBackendError
from embedkit.rerankers import lexical
from embedkit.rerankers.base import BaseReranker
from embedkit.rerankers.lexical import LexicalReranker

QUERY = "how do I get my money back"
ROWS = [
    Record("q1", "how do I get my money back", {"lang": "en"}),
    Record("q2", "how do I get my parcel", {"lang": "en"}),
    Record("q3", "wie bekomme ich mein Geld", {"lang": "de"}),
    Record("q4", "how do I get a visa", {"lang": "en"}),
    Record("q5", "the money market", {"lang": "en"}),
]


class Judge(BaseReranker):
    """Judges by a function of the text, and remembers what it was asked."""

    model_id = "judge"

    def __init__(self, relevance: Callable[[str], float]) -> None:
        self.relevance = relevance
        self.asked: list[tuple[str, list[str]]] = []

    def _rerank(self, query: str, texts: list[str]) -> Any:
        self.asked.append((query, texts))
        return [self.relevance(text) for text in texts]


@pytest.fixture
def filled(opened: Callable[..., Collection]) -> Collection:
    collection = opened()
    collection.upsert(ROWS)
    return collection


def test_the_most_relevant_come_first_under_the_rerankers_score(filled: Collection) -> None:
    judge = Judge(lambda text: -len(text))
    hits = filled.search(QUERY, 3, rerank=judge)
    assert [hit.id for hit in hits] == ["q5", "q4", "q2"]
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert [hit.score for hit in hits] == [-16, -19, -22]
    assert {hit.kind for hit in hits} == {"reranked"}
    assert hits[0].metadata == {"lang": "en"}
    assert len(judge.asked) == 1


def test_without_one_the_kind_is_the_metric(filled: Collection) -> None:
    assert {hit.kind for hit in filled.search(QUERY)} == {"cosine"}
    assert {hit.kind for hit in filled.similar("q1")} == {"cosine"}


def test_it_reads_the_nearest_in_their_order(filled: Collection) -> None:
    dense = [hit.text for hit in filled.search(QUERY, 5)]
    for k, candidates, read in ((1, 3, 3), (2, 1, 2), (1, 1, 1), (1, 100, 5)):
        judge = Judge(len)
        assert len(filled.search(QUERY, k, rerank=judge, candidates=candidates)) == k
        assert judge.asked == [(QUERY, dense[:read])]


def test_equal_relevance_keeps_the_dense_order(filled: Collection) -> None:
    dense = [hit.id for hit in filled.search(QUERY, 5)]
    assert [hit.id for hit in filled.search(QUERY, 5, rerank=Judge(lambda _: 0.5))] == dense


def test_a_filter_holds_before_and_after(filled: Collection) -> None:
    judge = Judge(len)
    hits = filled.search(QUERY, 2, where="lang = 'de'", rerank=judge)
    assert [hit.id for hit in hits] == ["q3"]
    assert judge.asked == [(QUERY, [ROWS[2].text])]
    assert filled.search(QUERY, where="lang = 'fr'", rerank=judge) == []
    assert len(judge.asked) == 1, "nothing to read, nothing to ask"


def test_one_call_a_query(filled: Collection) -> None:
    judge = Judge(len)
    answers = filled.search_many([QUERY, "the money market"], 1, rerank=judge)
    assert [hits[0].id for hits in answers] == ["q1", "q1"]
    assert [query for query, _ in judge.asked] == [QUERY, "the money market"]
    assert filled.search_many([], rerank=judge) == []


def test_what_a_spec_names_is_made_once(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[LexicalReranker] = []

    class Counted(LexicalReranker):
        def __init__(self, *, k1: float = 1.2) -> None:
            super().__init__(k1=k1)
            made.append(self)

    monkeypatch.setattr(lexical, "LexicalReranker", Counted)
    for _ in range(2):
        assert filled.search(QUERY, 1, rerank="lexical")[0].id == "q1"
    assert filled.search(QUERY, 1, rerank="lexical?k1=2")[0].id == "q1"
    assert [one.k1 for one in made] == [1.2, 2]


def test_lexical_by_its_name(filled: Collection) -> None:
    hits = filled.search("money", 2, rerank="lexical")
    assert [hit.id for hit in hits] == ["q5", "q1"]
    assert hits[0].score > hits[1].score > 0


@pytest.mark.parametrize("candidates", [0, -1, 1.5, True, None])
def test_no_candidates_are_refused(filled: Collection, candidates: Any) -> None:
    with pytest.raises(InvalidInputError, match="expected candidates to be a whole number >= 1"):
        filled.search(QUERY, candidates=candidates)


def test_what_is_no_reranker_is_refused(filled: Collection) -> None:
    wrong: Any = 3
    with pytest.raises(UnknownBackendError, match="did you mean 'lexical'"):
        filled.search(QUERY, rerank="lexcal")
    with pytest.raises(InvalidInputError, match="expected a spec or a reranker"):
        filled.search(QUERY, rerank=wrong)


def test_a_foreign_reranker_is_checked_too(filled: Collection) -> None:
    class Foreign:
        model_id = "foreign"

        def rerank(self, query: str, texts: Sequence[str]) -> Any:
            return np.ones(len(texts) - 1)

    with pytest.raises(DimensionMismatchError, match="expected 5 scores from foreign"):
        filled.search(QUERY, rerank=Foreign())
