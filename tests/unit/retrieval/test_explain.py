"""Which words carry a similarity: checked against leaving them out by hand."""

from __future__ import annotations

import pytest

from embedkit.embedders.hashing import HashingEmbedder
from embedkit.leaving_out import MOST
from embedkit.retrieval.explain import word_shares
from embedkit.types import WordShare
from tests.conftest import ScriptedEmbedder

EMBEDDER = HashingEmbedder(dim=256)


def asked(query: str) -> object:
    return EMBEDDER.embed([query], input_type="query")[0]


def shares(query: str, text: str) -> dict[str, float]:
    found = word_shares(EMBEDDER, asked(query), [text])  # type: ignore[arg-type]
    return {share.word: share.share for share in found[0]}


def test_a_share_is_how_far_the_score_falls_without_the_word() -> None:
    query, text = "money back", "I want my money, all my money, back"
    found = shares(query, text)
    assert set(found) == {"I", "want", "my", "money", "all", "back"}
    vectors = EMBEDDER.embed([text, "I want my , all my , back"])
    whole, without = vectors @ asked(query)  # type: ignore[operator]
    assert found["money"] == pytest.approx(float(whole - without), abs=1e-6)


def test_the_words_that_carry_most_come_first() -> None:
    found = word_shares(EMBEDDER, asked("refund"), ["a refund for the shoes"])  # type: ignore[arg-type]
    assert found[0][0].word == "refund"
    falls = [share.share for share in found[0]]
    assert falls == sorted(falls, reverse=True)


def test_of_a_long_text_the_words_of_its_best_parts_are_left_out() -> None:
    filler = "the shoes arrived on time and fit as they should in every way " * 12
    words = [f"{word}{i}" for i, word in enumerate(filler.split())]
    text = " ".join([*words[:100], "refund", "policy", *words[100:]])
    found = shares("refund policy", text)
    assert len(found) == MOST
    assert set(list(found)[:2]) == {"refund", "policy"}


def test_all_texts_are_embedded_in_two_calls_at_most_and_none_twice() -> None:
    embedder = ScriptedEmbedder(dim=64)
    query = embedder.embed(["one two"], input_type="query")[0]
    embedder.sent.clear()
    word_shares(embedder, query, ["one two three", "one two three", "two"])
    assert len(embedder.sent) == len(set(embedder.sent))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("refund", ["refund"]),
        ("退款吗", ["退", "款", "吗"]),
        ("don't e-mail v1.2", ["don't", "e-mail", "v1.2"]),
        ("...", []),
    ],
)
def test_what_a_word_is(text: str, words: list[str]) -> None:
    found = word_shares(EMBEDDER, asked("refund"), [text])[0]  # type: ignore[arg-type]
    assert sorted(share.word for share in found) == sorted(words)


def test_the_only_word_carries_all_of_it() -> None:
    vector = asked("refund")
    score = float(EMBEDDER.embed(["refund"])[0] @ vector)  # type: ignore[operator]
    found = word_shares(EMBEDDER, vector, ["refund"])[0]  # type: ignore[arg-type]
    assert found == (WordShare("refund", pytest.approx(score)),)
