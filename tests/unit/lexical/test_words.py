"""How texts are cut: what must be found by its whole and by its parts."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from embedkit.lexical.words import (
    _COMPOUND,
    _SIGNS,
    LONGEST,
    _folded,
    _taken_apart,
    analyzer,
    asked,
    cut,
    is_alike,
    may_be_mistyped,
)

ANALYZER = analyzer()


def terms(text: str) -> list[str]:
    return ANALYZER.analyze(cut(text))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("ORA-00942: table or view does not exist", "ora-00942"),
        ("register 0x7F holds it", "0x7f"),
        ("written in C++, not in C#.", "C++"),
        ("written in C++, not in C#.", "c#"),
        ("runs on .NET 8", ".net"),
        ("order AB-1234 was lost", "AB1234"),
        ("order AB1234 was lost", "ab-1234"),
        ("order AB1234 was lost", "AB_1234"),
        ("write to joe.smith@example.org.", "joe.smith@example.org"),
        ("write to joe.smith@example.org.", "example.org"),
        ("call getUserName() first", "get_user_name"),
        ("call get_user_name() first", "getUserName"),
        ("call HTTPServer first", "server"),
        ("version 2.13.0 is out", "2.13.0"),
        ("it costs 1,000 euros", "1000"),
        ("the U.S.A. today", "USA"),
        ("an e-mail today", "email"),
        ("John's house", "john"),
        ("John’s house", "john"),
        ("the café of Müller", "CAFE muller"),
        ("Die Straße", "STRASSE"),
        ("full width ＡＢＣ", "abc"),
        ("東京都に住む", "東京"),
        ("東京都に住む", "都"),
        ("한국어의 형태소", "한국어"),
        ("हिन्दी भाषा", "हिन्दी"),
        ("they were running", "run"),
        ("see https://example.org/a/b?c=d now", "example.org"),
    ],
)
def test_a_query_shares_its_words_with_a_text(text: str, query: str) -> None:
    assert set(terms(query)) & set(terms(text))
    whole = terms(query)[0]
    assert whole in terms(text)


@pytest.mark.parametrize(
    ("text", "query"),
    [("1-2", "12"), ("C++", "C#"), ("AB-1234", "AB-1235"), ("2.13.0", "2.13.1")],
)
def test_wholes_that_differ_stay_apart(text: str, query: str) -> None:
    assert terms(text)[0] not in terms(query)


def test_parts_are_found_too() -> None:
    assert terms("getUserName") == ["getusernam", "get", "user", "name"]
    assert terms("ORA-00942") == ["ora00942", "ora", "00942"]
    assert terms("0x7F 3D H2O") == ["0x7f", "3d", "h2o"]


@given(st.text(max_size=60))
@example("\ue000\ue001 a\ue002b")
@example("''''-'-a--'")
@example("\x00\ud7a3 \u0301")
def test_any_text_can_be_cut(text: str) -> None:
    words = cut(text)
    assert "\n" not in words
    assert not any("\ue000" <= c <= "\uf8ff" for c in words)
    for term in terms(text):
        assert term
        assert not any(c.isspace() for c in term)


@given(st.text(max_size=40), st.text(max_size=40))
def test_words_of_two_texts_are_those_of_both(a: str, b: str) -> None:
    assert terms(f"{a} {b}") == terms(a) + terms(b)


@given(st.text("aBé'.,:(+#-1", max_size=8))
def test_the_short_way_for_ordinary_words_changes_nothing(text: str) -> None:
    long = _COMPOUND.sub(_taken_apart, text if text.isascii() else _folded(text))
    assert cut(text).split() == long.translate(_SIGNS).split()


def test_what_is_no_word_is_left_out() -> None:
    assert terms("x" * (LONGEST + 1)) == []
    assert terms("''' ++ # . ,") == []


def test_only_quotes_say_more_than_words() -> None:
    query = asked('title:"exact phrase here" AND +must -not (a OR b) ^2 ~ *', ANALYZER)
    assert query.phrases == (("exact", "phrase", "here"),)
    assert {"and", "must", "not", "a", "or", "b", "titl"} <= set(query.terms)
    assert asked('an "unclosed quote', ANALYZER).phrases == ()
    assert asked('"word"', ANALYZER).phrases == ()


def test_a_repeated_word_counts_as_often() -> None:
    assert asked("run, run, running", ANALYZER).terms == {"run": 3.0}


@given(st.text("abc", min_size=1, max_size=6), st.data())
def test_one_slip_is_alike(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("abcd"))
    slips = [
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    ]
    assert all(is_alike(word, slip) and is_alike(slip, word) for slip in slips)


def test_two_slips_are_not_alike() -> None:
    assert not is_alike("retrieval", "retrvl")
    assert not is_alike("abcd", "badc")
    assert not is_alike("abc", "cab")


def test_codes_are_not_mistyped_words() -> None:
    assert may_be_mistyped("quantum")
    assert not may_be_mistyped("ab1234")
    assert not may_be_mistyped("abc")


def test_an_emoji_is_a_word() -> None:
    assert cut("party 🎉🎉time!").split() == ["party", "🎉", "🎉", "time"]
