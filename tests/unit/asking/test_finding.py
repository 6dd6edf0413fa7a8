"""What is found for a question: neighbours, and what follows them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.asking.pieces import cut, joined, whole_sentences
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import FilterError, InvalidInputError
from tests.unit.asking.conftest import RECORDS

TEXTS = {record["id"]: record["text"] for record in RECORDS}


def test_a_neighbour_comes_with_what_follows_it(shop) -> None:
    (found,) = shop.passages_for("How long does the rye bread rest?", neighbors=1, chunk_tokens=8)
    assert found.id == "bread"
    assert found.number == 1
    ((start, stop),) = found.near
    assert TEXTS["bread"][start:stop] == "Our rye bread rests for 24 hours."
    assert found.text == "Our rye bread rests for 24 hours. Sourdough makes it rise."
    assert found.metadata == {"part": "goods"}


def test_the_last_piece_is_followed_by_nothing(shop) -> None:
    (found,) = shop.passages_for("How many loaves do we sell a day?", neighbors=1, chunk_tokens=8)
    assert found.text == "We sell 90 loaves a day."
    assert found.stop == len(TEXTS["bread"])


def test_adjacent_neighbours_are_joined_and_nothing_is_repeated(shop) -> None:
    question = "rye bread rests hours sourdough makes rise yeast"
    found = shop.passages_for(question, neighbors=3, chunk_tokens=8, records=1)
    assert [each.id for each in found] == ["bread"]
    assert found[0].text == " ".join(TEXTS["bread"].split(" The oven")[0:1]) + (
        " The oven reaches 280 degrees."
    )
    assert len(found[0].near) == 3


@pytest.mark.parametrize("collection", ["shop", "cut_shop"])
def test_places_are_those_of_the_text(collection, request) -> None:
    for record in RECORDS:
        found = request.getfixturevalue(collection).passages_for(record["text"][:60], neighbors=4)
        assert found
        assert [each.number for each in found] == list(range(1, len(found) + 1))
        for each in found:
            assert TEXTS[each.id][each.start : each.stop] == each.text
            assert 0 <= each.score <= 1
        assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)


def test_kept_passages_are_shown_in_whole_sentences(cut_shop) -> None:
    ends = tuple(".?")
    for question in ("Who runs the delivery service?", "When does the bakery open on Sundays?"):
        for found in cut_shop.passages_for(question):
            assert found.text.endswith(ends)
            assert found.text[0].isupper()
            before = TEXTS[found.id][: found.start].rstrip()
            assert not before or before.endswith(ends)


def test_kept_passages_are_not_embedded_again(cut_shop, monkeypatch) -> None:
    sent: list[str] = []
    real = HashingEmbedder.embed

    def embed(self, texts, **keywords):
        sent.extend(texts)
        return real(self, texts, **keywords)

    monkeypatch.setattr(HashingEmbedder, "embed", embed)
    cut_shop.passages_for("Who runs the delivery?")
    assert sent == ["Who runs the delivery?"]


def test_a_size_of_pieces_is_refused_where_passages_are_kept(cut_shop) -> None:
    with pytest.raises(InvalidInputError, match="passages of its own"):
        cut_shop.passages_for("Who runs the delivery?", chunk_tokens=64)


def test_a_filter_leaves_records_out(shop) -> None:
    found = shop.passages_for("Who runs the delivery?", where="part = 'shop'")
    assert {each.id for each in found} <= {"hours", "returns"}
    assert shop.passages_for("Who runs the delivery?", where="part = 'none'") == []
    with pytest.raises(FilterError):
        shop.passages_for("Who runs the delivery?", where="parts = 'shop'")


def test_records_of_equal_text_are_one_neighbour(shop) -> None:
    shop.upsert([{"id": f"copy{i}", "text": TEXTS["delivery"]} for i in range(6)])
    found = shop.passages_for("Who runs the delivery service?", neighbors=2, records=7)
    assert len({each.text for each in found}) == len(found)


def test_words_alone_find_without_a_model(shop, monkeypatch) -> None:
    monkeypatch.setattr(HashingEmbedder, "embed", None)
    found = shop.passages_for("delivery service", mode="lexical")
    assert found[0].id == "delivery"


def test_a_long_record_is_read_where_it_bears_on_the_question(opened) -> None:
    filler = [f"Row {i} of the list tells of stone {i * i}." for i in range(3000)]
    filler.insert(2345, "Purple elephants quarrel noisily.")
    collection = opened("long")
    collection.upsert([{"id": "one", "text": " ".join(filler)}])
    found = collection.passages_for("Which elephants quarrel?", neighbors=1, chunk_tokens=16)
    assert "Purple elephants quarrel noisily." in found[0].text


@pytest.mark.parametrize(
    "bad",
    [{"neighbors": 0}, {"neighbors": True}, {"chunk_tokens": 0}, {"records": -1}, {"mode": "x"}],
)
def test_options_that_cannot_be_meant(shop, bad) -> None:
    with pytest.raises(InvalidInputError):
        shop.passages_for("Who?", **bad)
    with pytest.raises(TypeError, match="did you mean 'neighbors'"):
        shop.passages_for("Who?", neighbours=3)


@pytest.mark.parametrize("bad", ["", " \n", None, 3, "a\ud800"])
def test_a_question_that_is_none(shop, bad) -> None:
    with pytest.raises(InvalidInputError, match="question"):
        shop.passages_for(bad)


@given(st.text(max_size=300), st.integers(1, 20))
def test_pieces_hold_every_word_once(text: str, tokens: int) -> None:
    pieces = cut(text, tokens)
    assert "".join("".join(piece.text.split()) for piece in pieces) == "".join(text.split())
    assert all(text[piece.start : piece.stop] == piece.text for piece in pieces)
    assert all(a.stop <= b.start for a, b in pairwise(pieces))


def test_a_text_without_sentences_is_cut_between_words() -> None:
    text = " ".join(f"word{i}" for i in range(2000))
    pieces = cut(text, 20)
    assert len(pieces) > 50
    assert all(piece.text.split()[0].startswith("word") for piece in pieces)


def test_stretches_are_widened_to_sentences_that_are_not_endless() -> None:
    text = "One goes first. Two follows it. Three ends it."
    at = text.index("follows")
    start, stop = whole_sentences(text, at, at + 3, 100)
    assert text[start:stop] == "Two follows it."
    endless = "word " * 1000
    assert whole_sentences(endless, 2000, 2010, 30) == (2000, 2010)


def test_spans_with_blanks_between_are_joined() -> None:
    assert joined([(5, 7), (0, 2), (2, 3)], "ab c d ef") == [(0, 3), (5, 7)]
    assert joined([(0, 4), (2, 6), (7, 9)], "abcdef gh") == [(0, 9)]
