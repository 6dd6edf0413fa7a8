"""How far the source carries what a candidate says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.ranking.rankers.faithfulness import FaithfulnessRanker, support
from embedkit.testing.candidate_filters import GOOD, SOURCE, make_pool

TRUE = "It is 120 metres long and was built by Anna Keller within two years."


def score(text: str, **options: str) -> float:
    """Return the faithfulness of one text."""
    return float(FaithfulnessRanker().score(make_pool([text], **options))[0])


@pytest.mark.parametrize(
    "wrong",
    [
        TRUE.replace("120", "150"),
        TRUE.replace("Anna Keller", "Barack Obama"),
        TRUE.replace("was built", "was not built"),
        TRUE.replace("120 metres", "9,000 metres"),
        "Bake the cake for an hour in a hot oven.",
        f"{TRUE} Bake the cake for an hour in a hot oven.",
    ],
)
def test_what_is_wrong_is_carried_less(wrong: str) -> None:
    assert score(wrong) < score(TRUE)


def test_a_yes_turned_to_a_no_costs_a_quarter() -> None:
    source = "The old stone bridge over the river is open for all cars of the town."
    assert score(source, source=source) == pytest.approx(1, abs=0.01)
    assert score(source.replace("is open", "is not open"), source=source) < 0.76


def test_a_number_of_another_place_costs_a_tenth() -> None:
    source = "The bridge has 12 lamps. It rained all day on Monday. The tower has 90 windows."
    right, wrong = (
        support(make_pool([text], source=source))[0][0].score
        for text in ("The bridge has 12 lamps.", "The bridge has 90 lamps.")
    )
    assert right > 0.98
    assert 0.7 < wrong < 0.8
    assert support(make_pool(["The bridge has 90 lamps."], source=source))[0][0].claims == ()


def test_the_source_carries_itself() -> None:
    assert score(SOURCE) == pytest.approx(1, abs=0.02)
    found = support(make_pool([SOURCE]))[0]
    assert [each.source for each in found] == [each.sentence for each in found]


def test_each_sentence_names_what_carries_it() -> None:
    text = "Anna Keller is an engineer from Bern. Today 8,000 cars use the bridge each day."
    first, second = support(make_pool([text]))[0]
    assert first.sentence.text == "Anna Keller is an engineer from Bern."
    assert first.source is not None
    assert "Anna Keller, an engineer" in first.source.text
    assert SOURCE[first.source.start : first.source.end] == first.source.text
    assert second.source is not None
    assert "9,000 cars" in second.source.text
    assert [claim.text for claim in second.claims] == ["8,000"]
    assert text[second.claims[0].start : second.claims[0].end] == "8,000"
    assert first.claims == ()
    assert first.score > second.score


def test_two_neighbours_carry_what_neither_does() -> None:
    source = "The red house burned. Nobody was hurt. It rained in the evening."
    (found,) = support(make_pool(["The red house burned, nobody was hurt."], source=source))[0]
    assert found.source is not None
    assert found.source.text == "The red house burned. Nobody was hurt."


def test_the_score_is_the_mean_and_the_worst() -> None:
    pool = make_pool([GOOD, f"{TRUE} Bake a cake.", ""])
    scores = FaithfulnessRanker().score(pool)
    for listed, value in zip(support(pool)[:2], scores, strict=False):
        told = [each.score for each in listed]
        assert value == pytest.approx((np.mean(told) + min(told)) / 2)
    assert math.isnan(scores[2])


def test_nothing_carries_nothing() -> None:
    assert math.isnan(score(GOOD, source=" "))
    assert support(make_pool([])) == []
    assert FaithfulnessRanker().score(make_pool([])).shape == (0,)
    assert support(make_pool(["", GOOD]))[0] == []


def test_citations_of_an_answer_are_no_claims() -> None:
    answer = "Anna Keller built the bridge [17]."
    with_question = support(make_pool([answer], question="Who built it?"))[0][0]
    assert with_question.claims == ()
    assert [claim.text for claim in support(make_pool([answer]))[0][0].claims] == ["17"]


@given(st.lists(st.text(max_size=80), max_size=4), st.text(max_size=200))
def test_any_text_has_a_support_from_0_to_1(texts: list[str], source: str) -> None:
    pool = make_pool(texts, source=source)
    for listed, sentences in zip(support(pool), pool.candidate_sentences, strict=True):
        assert [each.sentence for each in listed] == sentences
        assert all(0 <= each.score <= 1 for each in listed)
