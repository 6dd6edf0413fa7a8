"""What is measured without judgements."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit import Collection, Record
from embedkit.errors import FilterError, InvalidInputError
from embedkit.evaluation.unjudged import (
    WAYS,
    consistency,
    evaluate_without_judgements,
    first_part,
    self_retrieval,
)

SUBJECTS = ("a cat", "the dog", "one bird", "a fish", "my horse", "the cow", "our sheep")
PLACES = ("in the house", "on a hill", "by the river", "under trees", "at sea", "in town")


@pytest.fixture
def animals(opened: Callable[..., Collection]) -> Collection:
    collection = opened()
    rows = [
        {"id": f"{i}-{j}", "text": f"{subject} lives {place}. It is happy.", "place": j}
        for i, subject in enumerate(SUBJECTS)
        for j, place in enumerate(PLACES)
    ]
    collection.index(rows, id="id", text="text")
    return collection


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("The first one is long. The second.", "The first one is long."),
        ("Title of a paper\nAbstract of the paper.", "Title of a paper"),
        ("one two three four five", "one two three"),
        ("No. It has a short first sentence.", "No. It has a"),
        ("three words only", "three words only"),
        ("  padded  ", "padded"),
        ("这是一个很长的句子没有空格", "这是一个很长"),
        ("第一个句子。第二个", "第一个句"),
        ("", ""),
    ],
)
def test_the_first_part_of_a_text(text: str, part: str) -> None:
    assert first_part(text) == part


def test_records_find_themselves(animals: Collection) -> None:
    found = self_retrieval(animals, animals.sample(20))
    assert found["whole@1"].mean == 1.0
    assert found["part@10"].mean == 1.0
    assert found["part-MRR@10"].mean >= found["part@1"].mean >= 0.9
    assert found["part@1"].n == 20


def test_records_that_a_search_cannot_find_are_told(animals: Collection) -> None:
    strangers = [Record("x", "nothing of this kind at all was ever indexed")]
    found = self_retrieval(animals, strangers)
    assert {value.mean for value in found.values()} == {0.0}


def test_records_of_equal_text_are_one(opened: Callable[..., Collection]) -> None:
    collection = opened()
    rows = [{"id": str(i), "text": "the same text for all"} for i in range(15)]
    collection.index([*rows, {"id": "z", "text": "another text altogether"}], id="id")
    found = self_retrieval(collection, [collection.get("14")])
    assert found["whole@1"].mean == 1.0


def test_a_changed_query_keeps_some_hits(animals: Collection) -> None:
    queries = [f"{subject} {place}" for subject, place in zip(SUBJECTS, PLACES, strict=False)]
    found = consistency(animals, [*queries, "cow"])
    assert list(found) == list(WAYS)
    assert found["reordered"].mean == 1.0, "a bag of words has no order"
    assert found["reordered"].n == 6, "a single word has none either"
    assert found["capitals"].n == 7
    assert 0 < found["mistyped"].mean < 1


def test_the_same_seed_measures_the_same(animals: Collection) -> None:
    one = evaluate_without_judgements(animals, n=15, seed=3)
    assert one == evaluate_without_judgements(animals, n=15, seed=3)
    assert one.records == one.queries == 15
    assert one != evaluate_without_judgements(animals, n=15, seed=4)
    assert set(one.measures) == {*one.self_retrieval, *one.consistency}


def test_queries_and_filters(animals: Collection) -> None:
    found = evaluate_without_judgements(animals, ["a fish", "a bird"], n=5, where="place = 2")
    assert (found.records, found.queries) == (5, 2)
    assert found.subject == "q, where=place = 2"
    assert found.self_retrieval["whole@1"].mean == 1.0
    with pytest.raises(InvalidInputError, match="has none that the filter matches"):
        evaluate_without_judgements(animals, where="place = 99")
    with pytest.raises(FilterError):
        evaluate_without_judgements(animals, where="; DROP")


def test_a_sample_mostly_stays_when_records_come(animals: Collection) -> None:
    before = {record.id for record in animals.sample(10)}
    assert len(before) == 10
    animals.upsert([{"id": "new", "text": "a new animal"}])
    assert len(before & {record.id for record in animals.sample(10)}) >= 9
    assert len(animals.sample(1000)) == len(animals)


@given(st.text(max_size=60), st.integers(0, 5))
def test_the_ways_change_a_query_as_they_say(query: str, seed: int) -> None:
    changed = {way: change(query, Random(seed)) for way, change in WAYS.items()}
    words = query.split()
    assert sorted(changed["reordered"].split()) == sorted(words)
    assert len(changed["shortened"].split()) == max(0, len(words) - 1)
    assert len(changed["mistyped"].split()) == len(words)
    assert sorted(changed["mistyped"].replace(" ", "")) == sorted("".join(words))
