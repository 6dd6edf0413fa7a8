"""A step tells what a model gives its tokens, what is left of it, and what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.generators.decoding.steps import Law, step

WORDS = ["a", "b", "c", "d", "e"]
FIVE = np.log([0.4, 0.1, 0.3, 0.15, 0.05])


def test_choices_come_likeliest_first_with_their_fates() -> None:
    found = step(FIVE, WORDS.__getitem__, 2, Law(1.0, 4, 0.8), shown=5)
    assert [choice.text for choice in found.choices] == ["a", "c", "d", "b", "e"]
    assert [choice.cut for choice in found.choices] == ["", "", "", "top-p", "top-k"]
    assert [choice.drawn for choice in found.choices] == [False, True, False, False, False]
    assert found.drawn.text == "c"
    assert found.drawn.left == pytest.approx(0.3 / 0.85)
    assert (found.left, found.others) == (3, 0)
    assert found.cut_by_top_k == pytest.approx(0.05)
    assert found.cut_by_top_p == pytest.approx(0.1)


def test_logits_do_as_well() -> None:
    found = step(FIVE + 7, WORDS.__getitem__, 0, Law(), shown=5)
    assert [choice.probability for choice in found.choices] == pytest.approx(
        [0.4, 0.3, 0.15, 0.1, 0.05]
    )


def test_the_drawn_token_is_shown_wherever_it_stands() -> None:
    found = step(FIVE, WORDS.__getitem__, 4, Law(), shown=2)
    assert [choice.text for choice in found.choices] == ["a", "c", "e"]
    assert found.others == 2
    assert found.others_probability == pytest.approx(0.25)


def test_temperature_is_told_beside_the_models_own_share() -> None:
    found = step(FIVE, WORDS.__getitem__, 0, Law(0.5), shown=1)
    assert found.choices[0].probability == pytest.approx(0.4)
    assert found.choices[0].tempered == pytest.approx(0.16 / 0.285)
    assert found.others_tempered == pytest.approx(1 - 0.16 / 0.285)


def test_where_all_others_are_cut_they_have_nothing_at_all() -> None:
    found = step(FIVE, WORDS.__getitem__, 0, Law(0.7, 3), shown=3)
    assert found.others_left == 0


def test_at_temperature_0_the_likeliest_is_left_alone() -> None:
    found = step(FIVE, WORDS.__getitem__, 0, Law(0.0), shown=3)
    assert [choice.cut for choice in found.choices] == ["", "temperature", "temperature"]
    assert (found.left, found.choices[0].left) == (1, 1)


def test_tokens_that_are_not_known_are_counted_with_their_share() -> None:
    known = FIVE[[0, 2]]
    found = step(known, WORDS.__getitem__, 0, Law(), shown=1, unknown=3, rest=0.3)
    assert (found.left, found.others) == (5, 4)
    assert found.others_probability == pytest.approx(0.6)
    cut_off = step(known, WORDS.__getitem__, 0, Law(1.0, 2), shown=1, unknown=3, rest=0.3)
    assert (cut_off.left, cut_off.others, cut_off.cut_by_top_k) == (2, 4, pytest.approx(0.3))
    unsure = step(known, WORDS.__getitem__, 0, Law(1.0, None, 0.9), shown=1, unknown=3, rest=0.3)
    assert unsure.left is None


def test_texts_are_made_for_what_is_shown_alone() -> None:
    asked: list[int] = []

    def text(place: int) -> str:
        asked.append(place)
        return WORDS[place]

    step(FIVE, text, 4, Law(), shown=1)
    assert asked == [0, 4]


@given(
    st.lists(st.floats(-20, 20), min_size=1, max_size=30).map(np.array),
    st.integers(1, 30),
    st.integers(1, 30),
    st.data(),
)
def test_fewer_choices_tell_the_same(
    logits: np.ndarray, shown: int, fewer: int, data: st.DataObject
) -> None:
    drawn = data.draw(st.integers(0, len(logits) - 1))
    whole = step(logits, str, drawn, Law(0.7, 9, 0.9), shown=len(logits))
    direct = step(logits, str, drawn, Law(0.7, 9, 0.9), shown=shown)
    assert whole.fewer(shown).choices == direct.choices
    assert whole.fewer(shown).others == direct.others
    for name in ("others_probability", "others_tempered", "others_left"):
        assert getattr(whole.fewer(shown), name) == pytest.approx(getattr(direct, name), abs=1e-9)
    assert direct.fewer(fewer).drawn == direct.drawn
    told = sum(choice.left for choice in direct.choices) + direct.others_left
    assert told == pytest.approx(1)
