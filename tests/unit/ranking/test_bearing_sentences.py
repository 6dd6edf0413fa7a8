"""How much sentences bear on a question, and the answers made of them."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.generators.extracts.answering import CLOSE, answers
from embedkit.generators.extracts.choosing import Length
from embedkit.generators.extracts.units import units_of
from embedkit.ranking.bearing import bearing, fits


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("How many bridges are there?", "There are 12 of them.", 1),
        ("How many bridges are there?", "There are twelve of them.", 1),
        ("How many bridges are there?", "There are some of them.", -1),
        ("When was it built?", "It was built in 1742.", 1),
        ("When was it built?", "It was built in May.", 1),
        ("When was it built?", "It was built by merchants.", -1),
        ("What year was it built?", "It was built in 1742.", 1),
        ("Who built it?", "It was built by Anna Berger.", 1),
        ("Who is Anna Berger?", "This is Anna Berger.", -1),
        ("Who built it?", "It was built by merchants.", -1),
        ("Where is it?", "It stands in Ulm.", 1),
        ("Why was it built?", "For trade.", 0),
        ("Wer baute es?", "Anna Berger.", 0),
    ],
)
def test_kinds_of_what_is_asked_for(question: str, text: str, expected: int) -> None:
    assert fits(question, text) == expected


def scored(text: str, question: str, similarity: list[float] | None = None) -> np.ndarray:
    units = units_of([text])
    near = np.zeros(len(units)) if similarity is None else np.array(similarity)
    return bearing(units, question, near)


def test_words_of_the_question_count_by_their_rarity() -> None:
    scores = scored("The mill grinds rye. The mill is old. The shop is new.", "Is the mill old?")
    assert np.argmax(scores) == 1


def test_meaning_decides_between_equal_words() -> None:
    scores = scored("Rye is ground. Wheat is sold.", "Why?", [0.1, 0.3])
    assert np.argmax(scores) == 1


def test_a_subject_named_before_counts_for_what_goes_on() -> None:
    text = "Anna founded the mill. It was in debt. Cows graze. They are in debt."
    scores = scored(text, "Was the mill in debt?")
    assert scores[1] > scores[3]


def test_a_question_is_passed_over_and_what_follows_takes_its_place() -> None:
    text = "How do I get a refund? Bring the receipt. Shoes are sold below."
    scores = scored(text, "How do I get a refund?", [1.0, 0.1, 0.2])
    assert scores[0] == -np.inf
    assert np.argmax(scores) == 1


def test_where_all_ask_none_is_passed_over() -> None:
    assert np.isfinite(scored("How? Why?", "How?")).all()


UNITS = units_of(["One is here. Two is there. Three is gone.", "Four is a word. Five is one."])


def test_a_second_sentence_that_is_nearly_as_good_is_told_beside() -> None:
    first = answers(UNITS, np.array([0.9, 0.0, 0.9 - CLOSE / 2, 0.1, 0.2]), 1, Length(3))
    assert first == [(0, 2)]
    alone = answers(UNITS, np.array([0.9, 0.0, 0.9 - CLOSE * 2, 0.1, 0.2]), 1, Length(3))
    assert alone == [(0,)]


def test_the_passage_of_the_best_sentence_comes_first() -> None:
    (first,) = answers(UNITS, np.array([0.0, 0.85, 0.0, 0.0, 0.9]), 1, Length(3))
    assert first == (4, 1)


def test_answers_differ_and_keep_to_the_length() -> None:
    scores = np.array([0.5, 0.4, 0.3, 0.2, -np.inf])
    found = answers(UNITS, scores, 20, Length(2, 6))
    assert len(set(found)) == len(found) > 4
    assert all(len(each) <= 2 and 4 not in each for each in found)
    assert all(sum(UNITS[i].words for i in each) <= 6 for each in found)


def test_where_no_sentence_is_as_short_the_best_is_told() -> None:
    assert answers(UNITS, np.arange(5.0), 3, Length(3, 1)) == [(4,)]
