"""Passages of a text: they cover it, keep to the budget, repeat what was asked for."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit import embedder
from embedkit.chunking.borders import IDEOGRAPH
from embedkit.chunking.chunker import Chunker
from embedkit.chunking.spec import ChunkSpec
from embedkit.chunking.split import split
from embedkit.errors import InvalidInputError
from embedkit.managed.tokens import estimate_offsets, estimate_tokens

WORDS = st.sampled_from(
    [
        "a",
        "the",
        "Paris",
        "3.14",
        "e.g.",
        "naïve",
        "漢字",
        "です。",
        "x=1;",
        "extraordinarily",
        "😀",
    ]
)
BLANKS = st.sampled_from(
    [" ", " ", " ", "\n", "\r\n", "\n\n", ". ", "! ", "  ", "\n- ", "。", ", "]
)
PROSE = st.lists(st.tuples(WORDS, BLANKS), max_size=120).map(
    lambda pairs: "".join(word + blank for word, blank in pairs)
)
TEXTS = st.one_of(PROSE, st.text(max_size=200), st.text("ab \n.", max_size=400))
SIZES = st.integers(2, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))


TOKEN = rf"[{IDEOGRAPH}]|[^\W{IDEOGRAPH}]+|[^\w\s]"


def letters(text):
    """A token for every word or sign: a tokenizer that a test can follow."""
    return np.array([m.start() for m in re.finditer(TOKEN, text)], np.int64)


def tokens(text):
    return len(letters(text))


@given(TEXTS, SIZES)
@settings(max_examples=300, deadline=None)
def test_passages_cover_the_text_in_order_within_the_budget(text, sizes):
    budget, overlap = sizes
    spans = split(text, letters(text), budget, overlap)
    assert spans[0].start == 0
    assert spans[-1].stop == len(text)
    for span in spans:
        assert span.tokens == tokens(text[span.start : span.stop]) <= budget
    for before, after in pairwise(spans):
        assert before.start < after.start <= before.stop < after.stop
        assert tokens(text[after.start : before.stop]) <= overlap
    assert split(text, letters(text), budget, overlap) == spans


@given(TEXTS, SIZES)
@settings(max_examples=200, deadline=None)
def test_a_word_is_parted_only_where_a_passage_holds_no_other_border(text, sizes):
    budget, overlap = sizes
    for span in split(text, letters(text), budget, overlap)[:-1]:
        parted = text[span.stop - 1 : span.stop + 1].isalnum() and text.isascii()
        if parted:
            # Every border in reach would leave the next passage nothing new.
            inside = text[span.start : span.stop]
            assert all(tokens(inside[: m.end()]) <= overlap for m in re.finditer(r"\s+", inside))


@given(PROSE, SIZES)
@settings(max_examples=200, deadline=None)
def test_what_is_repeated_is_as_much_as_fits(text, sizes):
    budget, overlap = sizes
    spans = split(text, letters(text), budget, overlap)
    for before, after in pairwise(spans):
        if overlap >= 12:  # more than any word and its signs
            assert after.start < before.stop


@given(PROSE, PROSE, SIZES)
@settings(max_examples=200, deadline=None)
def test_text_that_is_added_changes_only_the_last_passage(text, more, sizes):
    budget, overlap = sizes
    text += "The end."
    longer = f"{text}\n\nThen {more}"
    before = split(text, letters(text), budget, overlap)
    after = split(longer, letters(longer), budget, overlap)
    assert after[: len(before) - 1] == before[:-1]


def test_a_change_in_the_middle_changes_the_passages_around_it_only():
    paragraphs = [f"Paragraph {i} speaks of thing {i}. It says {i} words of it." for i in range(60)]
    before = "\n\n".join(paragraphs)
    paragraphs[5] += " And something new stands here, long enough to move everything after it."
    after = "\n\n".join(paragraphs)

    def texts(text):
        return {text[a:b] for a, b, _ in split(text, letters(text), 40, 8)}

    assert len(texts(after) - texts(before)) <= 4
    assert len(texts(after)) > 20


def test_cuts_prefer_paragraphs_then_sentences_then_lines_then_words():
    def cuts(text, budget):
        return [text[a:b] for a, b, _ in split(text, letters(text), budget)]

    assert cuts("a b c d e\n\nf g h. i j k", 8) == ["a b c d e\n\n", "f g h. i j k"]
    assert cuts("a b c d. E f g h i j", 8) == ["a b c d. ", "E f g h i j"]
    assert cuts("a b c d\ne f g h i j", 8) == ["a b c d\n", "e f g h i j"]
    assert cuts("a b c d e f g h i j", 8) == ["a b c d e f g h ", "i j"]
    assert cuts("a,b,c,d,e", 4) == ["a,b,", "c,d,", "e"]


def test_an_endless_word_is_parted_between_tokens_rather_than_dropped():
    text = "x" * 1000
    starts = np.arange(0, 1000, 4)
    spans = split(text, starts, 100, 20)
    assert [(s.start, s.stop) for s in spans] == [(0, 400), (320, 720), (640, 1000)]


def test_more_tokens_taken_alone_than_within_the_text_make_shorter_passages():
    text = " ".join(["word"] * 100)
    spans = split(text, letters(text), 10, 2, count=lambda part: tokens(part) + 3)
    assert {span.tokens for span in spans[:-1]} == {10}
    assert spans[-1].stop == len(text)


def test_blanks_without_a_token_make_no_passage_of_their_own():
    assert len(split(" " * 5000, letters(" "), 4)) == 1
    assert len(split("a b" + " " * 5000, np.array([0, 2]), 4)) == 1


@given(st.text(max_size=300))
def test_the_estimate_has_as_many_places_as_tokens(text):
    text = text.encode("utf-8", "replace").decode()
    places = estimate_offsets(text)
    assert len(places) == estimate_tokens(text)
    assert places.tolist() == sorted(set(places.tolist()))


@pytest.mark.parametrize("name", ["minilm", "hashing"])
def test_an_embedder_counts_its_own_tokens_of_every_passage(name):
    model = embedder(name)
    text = "Dr. Søren paid 3.50 for unhyphenatedlongish words, e.g. these.\n\n漢字の文です。" * 30
    chunker = Chunker(ChunkSpec(40, 10), model)
    (spans,) = chunker.split([text])
    passages = [text[a:b] for a, b, _ in spans]
    counted = model.embed_batch(passages).tokens
    if counted is None:  # it has no tokens: they are estimated
        counted = np.array([estimate_tokens(passage) for passage in passages])
    assert [span.tokens for span in spans] == counted.tolist()
    assert counted.max() <= 40
    assert np.median(counted) >= 20


def test_chunks_longer_than_the_model_reads_are_refused_with_both_numbers():
    with pytest.raises(InvalidInputError, match=r"at most 256 tokens.*got tokens=257"):
        Chunker(ChunkSpec(257), embedder("minilm"))
    Chunker(ChunkSpec(256, 40), embedder("minilm"))
    with pytest.raises(InvalidInputError, match=r"more than 12 tokens.*got tokens=12"):
        Chunker(ChunkSpec(12, 10), embedder("minilm"))
