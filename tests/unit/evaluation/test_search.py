"""Evaluation of a search by judgements."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import embedkit
from embedkit import Collection
from embedkit.errors import FilterError, InvalidInputError
from embedkit.evaluation.search import evaluate_run

TEXTS = {
    "apple": "a red apple",
    "sky": "the blue sky",
    "grass": "green grass in spring",
    "apple 2": "a green apple",
    "sun": "the yellow sun",
}
QUERIES = {"q1": "red apple", "q2": "green grass", "q3": "nothing judged", "q4": "blue"}
QRELS: dict[str, dict[str, float]] = {
    "q1": {"apple": 2, "apple 2": 1, "sun": 0},
    "q2": {"grass": 1, "sky": 1},
    "q4": {"sky": 0},
    "q9": {"sun": 1},
}


@pytest.fixture
def colours(opened: Callable[..., Collection]) -> Collection:
    collection = opened()
    rows = [{"id": id, "text": text, "size": len(text)} for id, text in TEXTS.items()]
    collection.index(rows, id="id", text="text")
    return collection


def test_the_hits_of_the_search_are_measured(colours: Collection) -> None:
    found = embedkit.evaluate_search(colours, QUERIES, QRELS, measures=["ndcg@5", "recall@5"])
    first, second = found.queries
    assert (first.query_id, first.query, first.relevant) == ("q1", "red apple", 2)
    assert list(first.ranking) == [hit.id for hit in colours.search("red apple", 100)]
    assert first.ranking[:2] == ("apple", "apple 2")
    assert first.values == {"nDCG@5": pytest.approx(1.0), "recall@5": 1.0}
    # Worked by hand: grass is first, sky wherever the search put it.
    place = second.ranking.index("sky") + 1
    ideal = 1 + 1 / math.log2(3)
    assert second.values["nDCG@5"] == pytest.approx((1 + 1 / math.log2(place + 1)) / ideal)
    assert found.measures["nDCG@5"].mean == pytest.approx((1 + second.values["nDCG@5"]) / 2)
    assert found.measures["nDCG@5"].n == 2
    assert found.worst(1) == [second]
    assert found.subject == "q"


def test_what_is_left_out_is_told(colours: Collection) -> None:
    qrels = {**QRELS, "q1": {**QRELS["q1"], "pear": 3}}
    found = embedkit.evaluate_search(colours, QUERIES, qrels, measures=["recall@5"])
    assert found.unjudged == ("q3", "q4")
    assert found.unasked == ("q9",)
    assert found.unknown == ("pear",)
    assert found.queries[0].values["recall@5"] == pytest.approx(2 / 3), "it counts as not found"
    missed = found.queries[0].missed
    assert missed is not None
    assert (missed.id, missed.rank, missed.known) == ("pear", None, False)
    told = "\n".join(found.notes)
    assert "2 queries without anything judged relevant left out: 'q3', 'q4'" in told
    assert "1 judged query not among those given: 'q9'" in told
    assert "1 of 6 judged records not in the collection, which count as not found: 'pear'" in told


def test_blanks_in_ids_may_be_escaped(colours: Collection) -> None:
    queries = {"q 1": "red apple"}
    qrels = {"q%201": {"apple%202": 1}}
    found = embedkit.evaluate_search(colours, queries, qrels, measures=["recall@5"])
    assert found.queries[0].query_id == "q 1"
    assert found.measures["recall@5"].mean == 1.0
    assert found.unknown == ()
    run = {"q%201": [("apple%202", 1.0)]}
    other = evaluate_run(run, queries, qrels, collection=colours, measures=["recall@5"])
    assert other.measures["recall@5"].mean == 1.0


@pytest.mark.parametrize(
    ("queries", "qrels", "said"),
    [
        ({}, QRELS, "at least one query"),
        (QUERIES, {}, "judgements of the queries, got none"),
        (QUERIES, {"q1": {"pear": 1}}, "none of the 1 judged records .* 'pear'; its ids look like"),
        (QUERIES, {"x": {"apple": 1}}, "none of the 1 judged queries is among the 4 given: 'x'"),
        (QUERIES, {"q4": {"sky": 0}}, "relevance above 0"),
    ],
)
def test_what_does_not_fit_is_refused(
    colours: Collection, queries: Any, qrels: Any, said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        embedkit.evaluate_search(colours, queries, qrels)


def test_depth_is_what_the_measures_need(colours: Collection) -> None:
    def depth(**options: Any) -> int:
        return embedkit.evaluate_search(colours, QUERIES, QRELS, **options).k

    assert depth() == 100
    assert depth(measures=["recall@300"]) == 300
    assert depth(measures=["map"], k=3) == 3
    with pytest.raises(InvalidInputError, match=r"k of at least 10, .* got 3"):
        depth(measures=["ndcg@10"], k=3)


def test_options_of_search_are_passed_on(colours: Collection) -> None:
    found = embedkit.evaluate_search(
        colours, QUERIES, QRELS, measures=["recall@5"], where="size > 15", rerank="lexical"
    )
    assert found.subject == "q, where=size > 15, rerank=lexical"
    assert set(found.queries[0].ranking) == {"grass"}
    with pytest.raises(FilterError):
        embedkit.evaluate_search(colours, QUERIES, QRELS, where="sice > 15")
    with pytest.raises(TypeError, match="did you mean 'where'"):
        embedkit.evaluate_search(colours, QUERIES, QRELS, wher="x")  # type: ignore[call-arg]


def test_a_run_is_measured_like_the_search_that_made_it(colours: Collection) -> None:
    ours = embedkit.evaluate_search(colours, QUERIES, QRELS)
    run = {q.query_id: list(zip(q.ranking, q.scores, strict=True)) for q in ours.queries}
    theirs = evaluate_run(run, QUERIES, QRELS, collection=colours)
    assert theirs.measures == ours.measures
    assert all(d.p_value == 1 and d.ties == 2 for d in ours.against(theirs).values())
    with pytest.raises(InvalidInputError, match="hits for none of the judged queries: 'z'"):
        evaluate_run({"z": []}, QUERIES, QRELS, collection=colours)


def test_the_best_missed_record_is_named(opened: Callable[..., Collection]) -> None:
    collection = opened()
    collection.index([{"id": f"d{i:02}", "text": f"word{i} common"} for i in range(30)], id="id")
    order = [hit.id for hit in collection.search("word3 common", 30)]
    qrels = {"q": {order[0]: 1, order[20]: 1, order[15]: 1}}
    found = embedkit.evaluate_search(collection, {"q": "word3 common"}, qrels)
    missed = found.queries[0].missed
    assert missed is not None
    assert (missed.id, missed.rank) == (order[15], 16)
    graded = {"q": {order[0]: 1, order[20]: 2, order[15]: 1}}
    missed = embedkit.evaluate_search(collection, {"q": "word3 common"}, graded).queries[0].missed
    assert missed is not None
    assert missed.rank == 21, "the more relevant one"


def test_more_queries_than_one_batch(opened: Callable[..., Collection]) -> None:
    collection = opened()
    collection.index([{"id": str(i), "text": f"word{i}"} for i in range(300)], id="id")
    queries = {f"q{i}": f"word{i}" for i in range(300)}
    found = embedkit.evaluate_search(
        collection, queries, {f"q{i}": {str(i): 1} for i in range(300)}, measures=["success@1"], k=1
    )
    assert found.measures["success@1"].n == 300
    assert found.measures["success@1"].mean > 0.95
