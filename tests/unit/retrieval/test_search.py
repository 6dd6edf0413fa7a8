"""Pages, thresholds, diversity, examples and explanations of a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from embedkit import Collection
from embedkit import open as open_collection
from embedkit.errors import InvalidInputError, RecordNotFoundError
from tests.conftest import ScriptedEmbedder

TEXTS = [
    "how do I get my money back",
    "how do I get my money back please",
    "how can I get my money returned",
    "the money market in Frankfurt",
    "repot an orchid in spring",
    "a visa for New Zealand",
]
QUERY = "get my money back"


@pytest.fixture
def filled(opened: Callable[..., Collection]) -> Collection:
    collection = opened()
    collection.upsert([{"id": f"r{i}", "text": text, "n": i} for i, text in enumerate(TEXTS)])
    return collection


def test_pages_follow_each_other(filled: Collection) -> None:
    whole = filled.search(QUERY, 6)
    pages = [filled.search(QUERY, 2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [hit for page in pages for hit in page] == list(whole)
    assert [hit.rank for hit in pages[1]] == [3, 4]
    assert pages[3] == []


def test_only_hits_of_a_least_score(filled: Collection) -> None:
    whole = filled.search(QUERY, 6)
    least = whole[2].score
    assert filled.search(QUERY, 6, min_score=least) == whole[:3]
    assert filled.search(QUERY, 6, min_score=2) == []


def test_diverse_hits_are_the_same_records_in_another_order(filled: Collection) -> None:
    plain, spread = filled.search(QUERY, 6), filled.search(QUERY, 6, diversity=0.8)
    assert {hit.id for hit in plain} == {hit.id for hit in spread}
    assert spread[0].id == plain[0].id
    assert spread[1].id != plain[1].id
    assert [hit.rank for hit in spread] == [1, 2, 3, 4, 5, 6]
    scores = {hit.id: hit.score for hit in plain}
    assert all(hit.score == scores[hit.id] for hit in spread)


def test_examples_and_counter_examples(filled: Collection) -> None:
    near = filled.similar(["r0", "r3"], 6)
    assert {hit.id for hit in near} == {"r1", "r2", "r4", "r5"}
    away = filled.similar(["r0", "r3"], 6, unlike="r2")
    assert {hit.id for hit in away} == {"r1", "r4", "r5"}
    before = next(hit.score for hit in near if hit.id == "r1")
    assert next(hit.score for hit in away if hit.id == "r1") < before
    with pytest.raises(RecordNotFoundError, match="r99"):
        filled.similar(["r0", "r99"])


def test_one_example_is_the_record_itself(filled: Collection) -> None:
    assert filled.similar("r0") == filled.similar(["r0"])


def test_an_explanation_tells_rank_score_and_words(filled: Collection) -> None:
    hits = filled.search(QUERY, 3, explain=True)
    for rank, hit in enumerate(hits, start=1):
        assert hit.why is not None
        assert (hit.why.dense_rank, hit.why.dense) == (rank, hit.score)
        assert hit.why.words[0].share > 0
    assert {share.word for share in hits[0].why.words} == set(TEXTS[0].split())  # type: ignore[union-attr]
    assert all(hit.why is None for hit in filled.search(QUERY, 3))


def test_a_hit_as_plain_values_has_no_empty_fields(filled: Collection) -> None:
    plain = filled.search(QUERY, 1)[0].to_dict()
    assert list(plain) == ["rank", "id", "score", "text", "metadata", "kind"]
    assert "why" in filled.search(QUERY, 1, explain=True)[0].to_dict()


def test_vectors_have_no_words(filled: Collection) -> None:
    vector = np.ones(filled.embedder.dim, np.float32)
    assert len(filled.search_vectors(vector, 2, offset=1)[0]) == 2
    with pytest.raises(InvalidInputError, match="a query without a text, got mode 'hybrid'"):
        filled.search_vectors(vector, mode="hybrid")
    with pytest.raises(InvalidInputError, match="got rerank"):
        filled.search_vectors(vector, rerank="lexical")


def test_diversity_chooses_by_what_the_reranker_says(filled: Collection) -> None:
    plain = filled.search(QUERY, 6, rerank="lexical")
    spread = filled.search(QUERY, 6, rerank="lexical", diversity=0.0)
    assert [hit.id for hit in plain] == [hit.id for hit in spread]


def test_only_hits_of_which_it_is_sure(opened: Callable[..., Collection]) -> None:
    collection = opened()
    collection.upsert([f"{text} {i}" for i in range(9) for text in TEXTS])
    whole = collection.search(QUERY, 54, explain=True)
    told = [hit.confidence for hit in whole]
    assert told == sorted(told, reverse=True)  # type: ignore[type-var]
    sure = collection.search(QUERY, 54, min_confidence=0.5)
    assert [hit.id for hit in sure] == [h.id for h in whole if h.confidence >= 0.5]  # type: ignore[operator]
    assert 0 < len(sure) < 54
    assert collection.search(QUERY, 5, min_confidence=1.0) == []
    chance = collection.calibration().probability(whole[0].score)
    assert whole[0].confidence == pytest.approx(float(chance))


def test_confidence_is_of_the_vectors_whatever_orders_the_hits(filled: Collection) -> None:
    filled.upsert([{"id": f"s{i}", "text": f"{text} in {i} days"} for i, text in enumerate(TEXTS)])
    plain = {hit.id: hit.confidence for hit in filled.search(QUERY, 12, explain=True)}
    for hit in filled.search(QUERY, 12, explain=True, rerank="lexical"):
        assert hit.confidence == pytest.approx(plain[hit.id])


def test_too_few_records_tell_nothing(filled: Collection) -> None:
    assert filled.search(QUERY, 1, explain=True)[0].confidence is None
    with pytest.raises(InvalidInputError, match="at least 10 different texts"):
        filled.search(QUERY, 1, min_confidence=0.5)


def test_by_words_no_model_is_asked(opened: Callable[..., Collection]) -> None:
    embedder = ScriptedEmbedder()
    collection = opened(embedder=embedder)
    collection.upsert([{"id": f"r{i}", "text": text} for i, text in enumerate(TEXTS)])
    embedder.sent.clear()
    hits = collection.search("orchid market", 6, mode="lexical", explain=False)
    assert {hit.id for hit in hits} == {"r3", "r4"}
    assert {hit.kind for hit in hits} == {"bm25"}
    assert embedder.sent == []


def test_by_words_hits_say_which_terms_they_share(filled: Collection) -> None:
    hits = filled.search("money Frankfurt", 3, mode="lexical", explain=True)
    assert hits[0].id == "r3"
    why = hits[0].why
    assert why is not None
    assert (why.lexical_rank, why.dense_rank) == (1, None)
    assert [share.word for share in why.terms] == ["frankfurt", "money"]
    assert sum(share.share for share in why.terms) == pytest.approx(hits[0].score, rel=1e-4)


@pytest.mark.parametrize("fusion", [None, "rrf?k=10", "weighted?dense=0.5"])
def test_by_both_hits_have_a_share_of_each(filled: Collection, fusion: str | None) -> None:
    dense = {hit.id: hit.score for hit in filled.search(QUERY, 6)}
    words = {hit.id: hit.score for hit in filled.search(QUERY, 6, mode="lexical")}
    hits = filled.search(QUERY, 6, mode="hybrid", fusion=fusion, explain=True)
    assert {hit.id for hit in hits} == set(dense)
    assert [hit.score for hit in hits] == sorted([hit.score for hit in hits], reverse=True)
    for hit in hits:
        assert hit.kind == "fused"
        assert hit.why is not None
        assert hit.why.dense == pytest.approx(dense[hit.id], abs=1e-6)
        assert hit.why.lexical == (pytest.approx(words[hit.id]) if hit.id in words else None)


def test_by_both_a_filter_is_filled(filled: Collection) -> None:
    for mode in ("dense", "hybrid"):
        hits = filled.search(QUERY, 3, mode=mode, where="n >= 3")
        assert {hit.id for hit in hits} == {"r3", "r4", "r5"}
    assert [h.id for h in filled.search("visa", 3, mode="lexical", where="n = 5")] == ["r5"]


def test_what_was_just_written_is_found_by_its_words(filled: Collection) -> None:
    filled.upsert([{"id": "new", "text": "ticket ORA-00942 table missing", "n": 9}])
    assert filled.search("ora-00942", 1, mode="lexical")[0].id == "new"
    filled.delete("new")
    assert filled.search("ora-00942", 1, mode="lexical") == []


WORDS = [
    "money",
    "back",
    "order",
    "refund",
    "parcel",
    "visa",
    "orchid",
    "spring",
    "market",
    "Frankfurt",
    "get",
    "return",
    "my",
]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """More records than the lists that are fused are long."""
    generator = np.random.default_rng(4)
    home = tmp_path_factory.mktemp("many")
    collection = open_collection("many", home=home, embedder="hashing?dim=64")
    drawn = generator.choice(WORDS, (700, 5))
    collection.upsert([f"{' '.join(words)} {i}" for i, words in enumerate(drawn)])
    return collection


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "hybrid"},
        {"mode": "hybrid", "fusion": "rrf"},
        {"mode": "lexical"},
        {"diversity": 0.4, "candidates": 500},
        {"rerank": "lexical", "candidates": 500},
    ],
    ids=str,
)
def test_pages_of_any_search_hold_every_hit_once(many: Collection, options: Any) -> None:
    whole = [hit.id for hit in many.search(QUERY, 500, **options)]
    paged = [
        hit.id
        for offset in range(0, 500, 50)
        for hit in many.search(QUERY, 50, offset=offset, **options)
    ]
    assert paged == whole
    assert len(set(whole)) == len(whole) == 500
    scores = [hit.score for hit in many.search(QUERY, 500, **options)]
    assert "diversity" in options or scores == sorted(scores, reverse=True)


def test_a_page_beyond_what_is_chosen_from_is_refused(many: Collection) -> None:
    with pytest.raises(InvalidInputError, match="the candidates that rerank or"):
        many.search(QUERY, 10, offset=95, diversity=0.5)
    assert len(many.search(QUERY, 150, diversity=0.5)) == 150


def test_the_length_of_a_query_vector_means_nothing(many: Collection) -> None:
    vector = many.embedder.embed([QUERY], input_type="query")[0]
    told = [
        [(hit.id, hit.score, hit.confidence) for hit in hits]
        for scale in (0.01, 1.0, 100.0)
        for hits in many.search_vectors(vector * scale, 5, explain=True)
    ]
    for other in told[1:]:
        for one, two in zip(told[0], other, strict=True):
            assert one[0] == two[0]
            assert one[1:] == pytest.approx(two[1:], rel=1e-4)


def test_ids_that_are_no_texts_name_records_all_the_same(opened: Callable[..., Collection]) -> None:
    collection = opened()
    collection.upsert([{"id": i, "text": text} for i, text in enumerate(TEXTS)])
    assert collection.similar(2) == collection.similar("2") == collection.similar([2])  # type: ignore[arg-type, list-item]
    assert "2" not in {hit.id for hit in collection.similar([2, 3])}  # type: ignore[list-item]


def test_counts_that_no_machine_holds_are_refused(filled: Collection) -> None:
    for options in ({"k": 10**30}, {"k": 1, "offset": 10**30}):
        with pytest.raises(InvalidInputError, match="4,611,686,018"):
            filled.search(QUERY, **options)
