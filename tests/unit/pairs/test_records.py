from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from embedkit import Collection, Pair
from embedkit.errors import CollectionNotFoundError, FilterError, InvalidInputError
from embedkit.pairs import records

Opener = Callable[..., Collection]

TEXTS = [
    ("a", "how do I get my money back"),
    ("b", "how do I get my money back?"),
    ("c", "where is the nearest station"),
    ("d", "how do I get my money back"),
    ("e", "how do I get my money back"),
    ("f", "where is the nearest station please"),
    ("g", "something else entirely"),
]


@pytest.fixture
def filled(opened: Opener) -> Collection:
    collection = opened()
    collection.upsert(
        [{"id": id, "text": text, "even": i % 2 == 0} for i, (id, text) in enumerate(TEXTS)]
    )
    return collection


def test_equal_texts_form_a_star_and_only_the_first_meets_others(filled: Collection) -> None:
    found = list(filled.pairs(0.7))
    assert [(p.id1, p.id2) for p in found] == [("a", "d"), ("a", "e"), ("a", "b"), ("c", "f")]
    assert [p.exact for p in found] == [True, True, False, False]
    assert [p.score for p in found[:2]] == [1.0, 1.0]
    assert found[2].text1 == TEXTS[0][1]
    assert found[2].text2 == TEXTS[1][1]
    scores = [p.score for p in found]
    assert scores == sorted(scores, reverse=True)
    hits = {hit.id: hit.score for hit in filled.similar("a", k=6)}
    assert hits["b"] == pytest.approx(found[2].score, abs=1e-6)


def test_both_records_of_a_pair_fulfil_the_filter(filled: Collection) -> None:
    assert [(p.id1, p.id2) for p in filled.pairs(0.7, where="even")] == [("a", "e")]
    assert [(p.id1, p.id2) for p in filled.pairs(0.7, where="id <> 'a'")] == [
        ("d", "e"), ("b", "d"), ("c", "f"),
    ]  # fmt: skip
    assert list(filled.pairs(0.7, where="id = 'g'")) == []


@pytest.mark.parametrize("limit", range(1, 6))
def test_a_limit_keeps_the_best(filled: Collection, limit: int) -> None:
    assert list(filled.pairs(0.7, limit=limit)) == list(filled.pairs(0.7))[:limit]


def test_texts_are_read_a_page_at_a_time(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = list(filled.pairs(0.05))
    monkeypatch.setattr(records, "FETCHED", 1)
    assert list(filled.pairs(0.05)) == everything
    assert len(everything) == 4


def test_what_is_read_is_one_state_of_the_collection(filled: Collection) -> None:
    reading = filled.pairs(0.7)
    filled.delete(["a", "c"])
    assert next((p.id1, p.id2) for p in reading) == ("a", "d")
    assert [(p.id1, p.id2) for p in filled.pairs(0.7)] == [("d", "e"), ("b", "d")]


def test_a_thousand_copies_give_one_pair_less(opened: Opener) -> None:
    collection = opened()
    collection.upsert([{"id": str(i), "text": "the same"} for i in range(1000)])
    found = list(collection.pairs())
    assert len(found) == 999
    assert {p.id1 for p in found} == {"0"}
    assert all(p.exact for p in found)


def test_vectors_of_your_own_may_agree_where_texts_do_not(opened: Opener) -> None:
    collection = opened(embedder=None)
    vectors = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0.01, 0]], np.float32)
    collection.upsert([(str(i), f"text {i}") for i in range(4)], vectors=vectors)
    found = list(collection.pairs(0.99))
    assert [(p.id1, p.id2, p.exact) for p in found] == [("0", "1", False), ("0", "3", False)]


def test_wrong_questions_are_refused_at_once(filled: Collection, opened: Opener) -> None:
    for threshold in (0, 2, "x"):
        with pytest.raises(InvalidInputError):
            filled.pairs(threshold)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        filled.pairs(limit=0)
    with pytest.raises(FilterError, match="even"):
        filled.pairs(where="evan")
    with pytest.raises(CollectionNotFoundError):
        opened("missing").pairs()


def test_a_pair_as_plain_values() -> None:
    pair = Pair("1", "2", "x", "y", 0.5)
    assert list(pair.to_dict()) == ["id1", "id2", "text1", "text2", "score", "exact"]
    assert Pair("1", "2", "x", "y", 0.5, probability=0.2).to_dict()["probability"] == 0.2


def test_clusters_the_largest_first(filled: Collection) -> None:
    filled.upsert([{"id": "h", "text": "something else entirely!"}])
    found = list(filled.clusters(0.7))
    assert [(m.cluster, m.size, m.id, m.first) for m in found] == [
        (1, 4, "a", True), (1, 4, "b", False), (1, 4, "d", False), (1, 4, "e", False),
        (2, 2, "c", True), (2, 2, "f", False),
        (3, 2, "g", True), (3, 2, "h", False),
    ]  # fmt: skip
    assert [m.exact for m in found[:4]] == [True, False, True, True]
    assert found[1].score == next(p.score for p in filled.pairs(0.7) if p.id2 == "b")
    assert found[2].score == 1.0
    assert list(filled.clusters(0.7, limit=1)) == found[:4]
    assert [m.id for m in filled.clusters(0.7, where="id <> 'a'", limit=1)] == ["b", "d", "e"]
    assert [m.id for m in filled.clusters(0.7, linkage="leader", limit=1)] == ["a", "b", "d", "e"]


def test_clusters_of_a_chain(opened: Opener) -> None:
    collection = opened(embedder=None)
    angles = np.deg2rad([0, 20, 40, 100])
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    collection.upsert([(str(i), f"text {i}") for i in range(4)], vectors=vectors)
    chained = list(collection.clusters(0.93))
    assert [m.id for m in chained] == ["0", "1", "2"]
    assert chained[2].score == pytest.approx(np.cos(np.deg2rad(40)), abs=1e-6)
    assert [m.id for m in collection.clusters(0.93, linkage="leader")] == ["0", "1"]
    with pytest.raises(InvalidInputError, match="linkage"):
        collection.clusters(linkage="complete")  # type: ignore[arg-type]


def test_a_huge_cluster_of_equal_texts(opened: Opener) -> None:
    collection = opened()
    collection.upsert([{"id": str(i), "text": "the same"} for i in range(20_000)])
    found = list(collection.clusters())
    assert len(found) == 20_000
    assert {(m.cluster, m.size, m.score, m.exact) for m in found} == {(1, 20_000, 1.0, True)}
    assert [m.first for m in found].count(True) == 1
