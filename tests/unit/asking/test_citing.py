"""Which sources a sentence rests on."""

from __future__ import annotations

import pytest

from embedkit.asking.citing import Citing, named, unmarked
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.types import Excerpt

TEXTS = (
    "The bakery opens at six. On Sundays it opens at eight.",
    "Anna Berger runs the delivery service. It costs 3 euros.",
)


@pytest.fixture
def citing() -> Citing:
    excerpts = [Excerpt(i, f"r{i}", 0, len(t), t, 0.9) for i, t in enumerate(TEXTS, 1)]
    return Citing(excerpts, HashingEmbedder())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It opens at six [1].", [("It opens at six.", [1])]),
        ("It opens. [1] It is shut [2,3].", [("It opens.", [1]), ("It is shut.", [2, 3])]),
        ("It opens. [1][2]", [("It opens.", [1, 2])]),
        ("It opens [1-3].", [("It opens.", [1, 2, 3])]),
        ("It opens [1 and 4]", [("It opens", [1, 4])]),
        ("[1]", []),
        ("[2] It opens.", [("It opens.", [2])]),
        ("It [sic] opens in [May].", [("It [sic] opens in [May].", [])]),
        ("It opens [1-99999999].", [("It opens.", [1, 99999999])]),
        ("", []),
    ],
)  # fmt: skip
def test_numbers_are_read(text, expected) -> None:
    assert named(text) == expected


def test_numbers_are_taken_out() -> None:
    assert unmarked("It opens at six [1]. It is shut. [7]") == "It opens at six.\nIt is shut."


def test_a_sentence_of_a_source_names_it(citing) -> None:
    statements, invented = citing.statements("On Sundays it opens at eight. It costs 3 euros.")
    assert [each.sources for each in statements] == [(1,), (2,)]
    assert invented == []


def test_a_number_that_is_no_source_is_left_out(citing) -> None:
    statements, invented = citing.statements("On Sundays it opens at eight [7].")
    assert statements[0].text == "On Sundays it opens at eight."
    assert statements[0].sources == (1,)
    assert invented == [7]


def test_a_source_that_says_something_else_is_replaced(citing) -> None:
    statements, _ = citing.statements("The bakery opens at six [2].")
    assert statements[0].sources == (1,)


def test_what_no_source_says_has_none(citing) -> None:
    statements, _ = citing.statements("Elephants live in herds of forty [1].")
    assert statements[0].sources == ()


def test_other_words_for_the_same_name_their_source(citing) -> None:
    statements, _ = citing.statements("The delivery service is run by Anna Berger.")
    assert statements[0].sources == (2,)
