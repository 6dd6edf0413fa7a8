from __future__ import annotations

import pytest

from embedkit.prompts.choices import Choices

LABELS = ["refund", "lost_card", "Card", "card", "not sure"]


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("refund", "refund"),
        ("  Refund.\n", "refund"),
        ("Refund!", "refund"),
        ("\n\n**refund**\nbecause it says so", "refund"),
        ("Label: refund", "refund"),
        ("The answer is refund", "refund"),
        ("lost card", "lost_card"),
        ("'Lost_Card'", "lost_card"),
        ("card", "card"),
        ("Card", "Card"),
        ("CARD", None),  # which of the two?
        ("Not  sure", "not sure"),
        ("It is not refund", None),
        ("refund or card", None),
        ("refunds", None),
        ("", None),
        (" \n ", None),
        ("none of them", None),
    ],
)
def test_an_answer_is_one_label_or_none(answer: str, label: str | None) -> None:
    place = Choices(LABELS).place(answer)
    assert (None if place is None else LABELS[place]) == label
