"""Texts that come token by token."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embedkit.generators.drawn_text import DrawnText


def drawn(pieces: list[str], stop: list[str]) -> DrawnText:
    text = DrawnText(stop)
    for i, piece in enumerate(pieces):
        text.add(piece, -1.0 - i)
    text.end("length")
    return text


def test_a_stop_that_spans_tokens_ends_the_text_before_it() -> None:
    candidate = drawn(["One. ", "Q", "ue", "stion: two"], ["Question"]).candidate(7)
    assert candidate.text == "One. "
    assert candidate.finish_reason == "stop"
    assert [(token.text, token.logprob) for token in candidate.tokens or ()] == [("One. ", -1.0)]
    assert candidate.prompt_tokens == 7
    assert candidate.completion_tokens == 4


def test_a_token_with_a_stop_within_it_is_cut() -> None:
    candidate = drawn(["One.\n\nTwo"], ["\n\n"]).candidate(None)
    assert [token.text for token in candidate.tokens or ()] == ["One."]


def test_what_comes_after_the_end_is_not_taken() -> None:
    text = drawn(["a", "b", "c", "d"], ["b"])
    assert text.text == "a"
    assert text.tokens == 2


def test_a_token_that_adds_nothing_yet_is_counted() -> None:
    text = DrawnText([])
    text.add("", -2.0)
    text.add("é", -1.0)
    text.add("", None)
    text.end("stop", 3)
    candidate = text.candidate(None)
    assert text.tokens == candidate.completion_tokens == 3
    assert [token.text for token in candidate.tokens or ()] == ["é"]


def test_without_log_probabilities_there_are_no_tokens() -> None:
    text = DrawnText([])
    text.add("a", None)
    text.end("stop")
    assert text.candidate(None).tokens is None


@given(
    st.lists(st.text("ab", min_size=1, max_size=3), max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_it_ends_where_the_first_stop_came(pieces: list[str], stop: list[str]) -> None:
    candidate = drawn(pieces, stop).candidate(None)
    whole = "".join(pieces)
    assert whole.startswith(candidate.text)
    assert not any(one in candidate.text for one in stop)
    assert "".join(token.text for token in candidate.tokens or ()) == candidate.text
    # It ends at a stop that was there as soon as any was.
    seen = ""
    for piece in pieces:
        seen += piece
        if any(one in seen for one in stop):
            assert candidate.finish_reason == "stop"
            assert candidate.text == seen[: min(seen.find(one) for one in stop if one in seen)]
            break
    else:
        assert (candidate.text, candidate.finish_reason) == (whole, "length")
