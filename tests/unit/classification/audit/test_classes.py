"""Labels that are rare, confused, or spelled in two ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.audit.classes import class_facts, confusions, spellings
from tests.unit.classification.audit.made import evidence


def test_labels_with_what_cross_validation_says() -> None:
    labels = ["card"] * 12 + ["post"] * 2 + ["once"]
    said = ["card"] * 10 + ["post"] * 2 + ["post"] * 2 + ["card"]
    found = class_facts(
        evidence([f"text {i}" for i in range(15)], labels, said=said, wrong=[0.9] + [0.0] * 14)
    )
    assert [(c.label, c.rows, c.rare) for c in found] == [
        ("once", 1, True),
        ("post", 2, True),
        ("card", 12, False),
    ]
    once, post, card = found
    assert (once.recall, once.precision) == (None, None)
    assert (post.recall, post.precision) == (1.0, 0.5)
    assert card.recall == pytest.approx(10 / 12, abs=1e-4)
    assert card.precision == pytest.approx(10 / 11, abs=1e-4)
    assert (card.errors, card.share) == (1, 0.8)


def test_a_tenth_of_an_even_share_is_rare() -> None:
    labels = ["a"] * 400 + ["b"] * 400 + ["c"] * 20
    found = {c.label: c for c in class_facts(evidence(["x"] * 820, labels))}
    assert found["c"].rare
    assert not found["a"].rare


def test_labels_often_taken_for_each_other() -> None:
    labels = ["refund"] * 10 + ["return"] * 10 + ["other"] * 10
    said = ["refund"] * 6 + ["return"] * 4 + ["return"] * 8 + ["refund"] * 2 + ["other"] * 8
    found = confusions(evidence([f"t {i}" for i in range(30)], labels, said=[*said, "refund", "x"]))
    assert [(c.first, c.second, c.share) for c in found] == [("refund", "return", 0.3)]
    assert (found[0].first_as_second, found[0].second_as_first) == (4, 2)
    assert (found[0].first_rows, found[0].second_rows) == (10, 10)


def test_spellings_of_one_label() -> None:
    counts = {"Refund": 40, "refund": 3, "re-fund!": 1, "delivery": 9, "delivary": 1, "post": 5}
    assert [(s.label, s.other, s.differ) for s in spellings(counts)] == [
        ("delivary", "delivery", "one letter"),
        ("re-fund!", "Refund", "case, blanks or punctuation"),
        ("re-fund!", "refund", "case, blanks or punctuation"),
        ("refund", "Refund", "case, blanks or punctuation"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("refund", "refunds", True),
        ("refund", "refnud", False),
        ("entity1", "entity2", False),
        ("level 1", "level 10", False),
        ("cat", "car", False),
        ("payment", "paymant", True),
        ("xpayment", "payment", True),
        ("payment", "shipment", False),
    ],
)
def test_one_letter(one: str, other: str, alike: bool) -> None:
    found = [s.differ for s in spellings({one: 2, other: 1})]
    assert found == (["one letter"] if alike else [])


def distance(one: str, other: str) -> int:
    """Levenshtein's, by its definition."""
    before = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        now = [i]
        for j, b in enumerate(other, start=1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (a != b)))
        before = now
    return before[-1]


@given(st.sets(st.text("abc", min_size=5, max_size=7), min_size=2, max_size=10))
def test_one_letter_is_an_edit_distance_of_one(labels: set[str]) -> None:
    found = {frozenset((s.label, s.other)) for s in spellings(dict.fromkeys(labels, 1))}
    want = {
        frozenset((one, other)) for one in labels for other in labels if distance(one, other) == 1
    }
    assert found == want
