"""Which candidates are taken for one."""

from __future__ import annotations

import pytest

from embedkit.ranking.merging import merge
from embedkit.testing.candidate_filters import make_pool

SAID = "The council of Bern closed 12 of the old bridges over the Aar for cars on Monday."


@pytest.mark.parametrize(
    "other",
    [
        SAID,
        SAID.upper(),
        f"  {SAID}\n",
        SAID.rstrip("."),
        SAID.replace(" ", "  "),
        SAID.replace("12", "twelve"),
        SAID.replace("The council of Bern", "Bern's council"),
        SAID.replace("old bridges", "old bridge"),
        SAID.replace(" of the old bridges", " old bridges"),
        SAID.replace("Monday", "Mon"),
    ],
)
def test_nearly_the_same_is_one(other: str) -> None:
    assert merge(make_pool([SAID, other])) == [None, 0]
    assert merge(make_pool([other, SAID])) == [None, 0]


@pytest.mark.parametrize(
    "other",
    [
        SAID.replace("closed", "has not closed"),
        SAID.replace("closed", "never closed"),
        SAID.replace("closed", "opened"),
        SAID.replace("12", "13"),
        SAID.replace("12", "1,200"),
        SAID.replace("Bern", "Basel"),
        SAID.replace("Aar", "Rhine"),
        SAID.replace("old", "new"),
        SAID.replace("Monday", "Tuesday"),
        SAID.replace("for cars", "without cars"),
        "On Monday, cars closed the Aar for bridges of 12 old council over the Bern.",
        SAID + " Nobody was asked before, and many people are angry about the longer way to work.",
        "",
        "!",
    ],
)
def test_what_says_otherwise_stands_for_itself(other: str) -> None:
    assert merge(make_pool([SAID, other])) == [None, None]
    assert merge(make_pool([other, SAID])) == [None, None]


def test_who_does_what_to_whom_counts() -> None:
    assert merge(make_pool(["The dog bites the man.", "The man bites the dog."])) == [None, None]


def test_the_first_stands_for_all() -> None:
    pool = make_pool([SAID, "Something else.", SAID.lower(), "something  else", SAID])
    assert merge(pool) == [None, None, 0, 1, 0]


def test_a_chain_of_small_changes_does_not_swallow_what_differs_at_its_end() -> None:
    words = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split()  # noqa: SIM905
    chain = [" ".join(words)]
    for i in range(len(words)):
        changed = chain[-1].split()
        changed[i] = f"{changed[i]}{'x' * 3}"[::-1]
        chain.append(" ".join(changed))
    found = merge(make_pool(chain))
    assert found[1] == 0
    assert found[-1] is None or found[-1] > 3
    for place, stands in enumerate(found):
        assert stands is None or found[stands] is None, "what is merged stands for nothing"
        assert stands is None or stands < place


def test_empty_ones_are_one_and_signs_are_what_they_are() -> None:
    assert merge(make_pool(["", "  ", "?", "!", "?"])) == [None, 0, None, None, 2]


def test_nothing_is_merged_where_there_is_nothing() -> None:
    assert merge(make_pool([])) == []
    assert merge(make_pool([SAID])) == [None]


def test_scripts_without_blanks() -> None:
    said = "東京都は日本の首都で、人口は約1400万人である。"
    assert merge(make_pool([said, said.replace("。", ""), said.replace("1400", "1300")])) == [
        None,
        0,
        None,
    ]
