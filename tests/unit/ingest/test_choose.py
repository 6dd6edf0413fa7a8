"""Which column holds the text and which the id."""

from __future__ import annotations

import pytest

from embedkit.errors import ColumnError
from embedkit.ingest.choose import Choice, Sample, choose, split_columns

PROSE = Sample("question", "VARCHAR", ["How do I pay?", "Where is my parcel now?"])
MORE = Sample("answer", "VARCHAR", ["With a card of yours.", "On its way to you."])
LANG = Sample("lang", "VARCHAR", ["en", "de"])
VOTES = Sample("votes", "BIGINT", ["1", "2"])
KEY = Sample("id", "VARCHAR", ["q1", "q2"])
TEXT = Sample("Text", "VARCHAR", ["x", "y"])


def picked(*samples, text=None, id=None, remembered=None):
    choice = choose(samples, text=text, id=id, remembered=remembered)
    return choice.text, choice.id


def test_the_only_column_that_reads_like_text_is_the_text():
    assert picked(KEY, LANG, PROSE, VOTES) == (("question",), "id")


def test_a_column_called_text_is_the_text_whatever_it_holds():
    assert picked(KEY, PROSE, MORE, TEXT) == (("Text",), "id")


def test_a_lone_column_is_the_text_even_if_it_is_called_id():
    assert picked(LANG) == (("lang",), None)
    assert picked(KEY) == (("id",), None)


def test_several_columns_that_read_like_text_are_asked_about_with_examples():
    long = Sample("notes", "VARCHAR", ["many words " * 20])
    with pytest.raises(ColumnError) as caught:
        picked(KEY, PROSE, MORE, long, Sample("blank", "VARCHAR", []))
    assert str(caught.value).splitlines() == [
        "which column is the text? several columns look like text; say it with --text: "
        "the columns are",
        "  id: q1",
        "  question: How do I pay?",
        "  answer: With a card of yours.",
        "  notes: " + ("many words " * 20)[:59] + "…",
        "  blank: (empty)",
    ]


def test_no_column_that_reads_like_text_is_asked_about():
    with pytest.raises(ColumnError, match="no column looks like text"):
        picked(KEY, LANG, VOTES)


def test_what_the_user_says_counts_whatever_its_case():
    assert picked(KEY, PROSE, LANG, text=["lang"]) == (("lang",), "id")
    assert picked(KEY, PROSE, LANG, text=["QUESTION", "Lang"], id="ID") == (
        ("question", "lang"),
        "id",
    )


def test_two_columns_that_differ_by_case_must_be_named_exactly():
    pair = [Sample("Note", "VARCHAR", ["x"]), Sample("note", "VARCHAR", ["y"])]
    assert picked(*pair, text=["note"]) == (("note",), None)
    with pytest.raises(ColumnError, match="got 'NOTE'"):
        picked(*pair, text=["NOTE"])


@pytest.mark.parametrize("how", [{"text": ["qestion"]}, {"id": "qestion"}])
def test_an_unknown_column_is_refused_with_the_nearest(how):
    with pytest.raises(
        ColumnError, match=r"got 'qestion'; did you mean 'question'\?(?s:.*)votes: 1"
    ):
        picked(KEY, PROSE, VOTES, **how)


def test_the_id_of_the_user_may_be_the_text_too():
    assert picked(PROSE, LANG, text=["question"], id="question") == (("question",), "question")
    assert picked(KEY, LANG, text=["id"]) == (("id",), None), "found by itself, it is not both"


def test_what_was_read_before_is_read_again_unless_it_is_gone():
    before = Choice(("answer",), "lang")
    assert picked(KEY, PROSE, MORE, LANG, remembered=before) == (("answer",), "lang")
    assert picked(KEY, PROSE, MORE, LANG, text=["question"], remembered=before) == (
        ("question",),
        "lang",
    )
    assert picked(KEY, PROSE, MORE, LANG, id="id", remembered=before) == (("answer",), "id")
    assert picked(KEY, PROSE, remembered=before) == (("question",), "id")
    assert picked(KEY, PROSE, MORE, remembered=before) == (("answer",), "id")


def test_the_found_id_is_not_taken_for_the_text():
    wordy = Sample("id", "VARCHAR", ["the first of all", "the second of all"])
    assert picked(wordy, PROSE, VOTES) == (("question",), "id")


@pytest.mark.parametrize(
    ("values", "like"),
    [
        (["one two three", "four five six"], True),
        (["one two", "three"], False),
        (["如何申请退款以及退款需要多长时间"], True),
        (["退款"], False),
        (["in good order"] * 9 + ["out of order now"], False),
        (["in good order"] * 3, True),
        ([], False),
    ],
    ids=["words", "few words", "unspaced", "short unspaced", "categories", "three", "empty"],
)
def test_what_reads_like_text(values, like):
    assert Sample("c", "VARCHAR", values).text_like is like


def test_numbers_never_read_like_text():
    assert not Sample("c", "DOUBLE", ["one two three four"]).text_like


def test_own_columns_are_no_metadata_unless_texts_are_joined():
    assert Choice(("question",), "id").own == {"question", "id"}
    assert Choice(("question", "answer"), "id").own == {"id"}
    assert Choice(("question",), None).own == {"question"}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, None),
        ("title", ["title"]),
        ("title, body", ["title", "body"]),
        (["a b", "c"], ["a b", "c"]),
        ("", None),
        (" , ", None),
        ([], None),
    ],
)
def test_columns_are_split_at_commas(given, names):
    assert split_columns(given) == names
