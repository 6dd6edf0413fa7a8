from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import embedkit
from embedkit.errors import InvalidInputError
from embedkit.rerankers.lexical import LexicalReranker, words


def test_a_case_worked_by_hand() -> None:
    """n = 3, L = 8/3; idf(red) = ln(8/3), idf(fish) = ln(1.6); 2.2 / (1 + 0.975) a word."""
    scores = LexicalReranker().rerank("red fish", ["red fish", "blue fish", "a bird a bird"])
    np.testing.assert_allclose(scores, [1.616118, 0.523549, 0], rtol=1e-5)


def test_a_repeated_word_adds_less_each_time_and_nothing_at_k1_0() -> None:
    texts = ["fish", "fish fish", "fish fish fish", "bird"]
    one, two, three, none = LexicalReranker(b=0).rerank("fish", texts)
    assert one < two < three
    assert two - one > three - two
    assert none == 0
    assert len(set(LexicalReranker(k1=0).rerank("fish", texts[:3]).tolist())) == 1


def test_a_word_asked_twice_counts_twice() -> None:
    texts = ["one fish", "two birds"]
    once, twice = (LexicalReranker().rerank(query, texts)[0] for query in ("fish", "fish fish"))
    assert twice == pytest.approx(2 * once)


def test_longer_texts_are_marked_down_unless_b_is_0() -> None:
    texts = ["fish", "fish and a lot of other things"]
    short, long = LexicalReranker().rerank("fish", texts)
    assert short > long
    short, long = LexicalReranker(b=0).rerank("fish", texts)
    assert short == long


def test_a_word_of_every_text_never_counts_against_one() -> None:
    assert LexicalReranker().rerank("fish", ["fish", "fish bird", "fish"]).min() > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't PANIC, it's 2-3 km!", ["don", "t", "panic", "it", "s", "2", "3", "km"]),
        ("Straße", ["strasse"]),
        ("ΣΊΣΥΦΟΣ σίσυφος", ["σίσυφοσ", "σίσυφοσ"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("ﬁne №5 ①", ["fine", "no5", "1"]),
        ("東京都 カナ", ["東", "京", "都", "カ", "ナ"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("snake_case a\0b", ["snake", "case", "a", "b"]),
        ("?! 😀", []),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(min_size=1).filter(str.strip), st.lists(st.text(), max_size=6))
def test_any_text_has_a_relevance_of_at_least_0(query: str, texts: list[str]) -> None:
    scores = LexicalReranker().rerank(query, texts)
    assert scores.shape == (len(texts),)
    assert (scores >= 0).all()
    asked = set(words(query))
    assert (scores > 0).tolist() == [bool(asked & set(words(text))) for text in texts]


@pytest.mark.parametrize("options", ["k1=-1", "k1=nan", "k1=inf", "b=2", "b=-0.1", "b=nan"])
def test_impossible_constants_are_refused(options: str) -> None:
    with pytest.raises(InvalidInputError, match=f"expected {options.partition('=')[0]}"):
        embedkit.reranker(f"lexical?{options}")


def test_the_name_tells_the_constants() -> None:
    assert embedkit.reranker("lexical?k1=2").model_id == "lexical:bm25 k1=2 b=0.75"
