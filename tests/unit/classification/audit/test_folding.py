"""Texts that read the same are one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.audit.folding import fold, group_equal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where's my card?", "where s  MY card"),
        ("refund_not_showing_up", "Refund not showing up?"),
        ("ﬁne  coﬀee", "fine coffee"),
        ("Straße", "STRASSE!"),
    ],
)
def test_case_blanks_and_punctuation_make_no_difference(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("card 1", "card 2"), (":-)", ":-("), ("ja", "já")])
def test_letters_digits_and_bare_signs_do(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.lists(st.sampled_from(["a b", "A  b!", "a", "?", "! ", "c"]), max_size=12))
def test_groups_are_named_by_their_first(texts: list[str]) -> None:
    groups = group_equal(texts).tolist()
    assert all(groups[first] == first for first in groups)
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            assert (groups[i] == groups[j]) == (fold(one) == fold(other))
