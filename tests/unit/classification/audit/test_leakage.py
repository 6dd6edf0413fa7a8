"""Test rows that stand among the training rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.audit import leakage as module
from embedkit.classification.audit.evidence import fit_all
from embedkit.classification.audit.folding import fold
from embedkit.classification.audit.leakage import effect, leaks
from embedkit.classification.audit.rows import HeldOut
from embedkit.embedders.hashing import HashingEmbedder
from tests.unit.classification.audit.made import evidence


def held_out(texts: list[str], labels: list[str]) -> HeldOut:
    vectors = HashingEmbedder(dim=64).embed(texts)
    return HeldOut(texts, labels, np.arange(2, len(texts) + 2), vectors)


def test_test_rows_among_the_training_rows() -> None:
    train = evidence(
        ["how do I bake a loaf of bread at home", "where is my card", "a flight to Rome"],
        ["cooking", "bank", "travel"],
    )
    test = held_out(
        [
            "Where is my CARD?",
            "how do I bake a loaf of bread at home now",
            "why is the sky blue",
        ],
        ["bank", "cooking", "science"],
    )
    told, leaked = leaks(train, test, 0.8)
    assert [(leak.kind, leak.test_line, leak.train_line) for leak in told] == [
        ("equal", 2, 3),
        ("near", 3, 2),
    ]
    assert leaked.tolist() == [True, True, False]
    assert told[0].cosine == 1
    assert told[1].train_label == "cooking"
    assert told[1].test_label == "cooking"


@given(
    st.lists(st.sampled_from(["a b c", "A b, c", "d e", "f g h i", "x"]), min_size=2, max_size=8),
    st.lists(st.sampled_from(["a b c", "d E", "q r", "x!"]), min_size=1, max_size=8),
)
def test_every_equal_text_leaks(train: list[str], test: list[str]) -> None:
    rows = evidence(train, ["one", "two"] * 4 if len(train) == 8 else ["one"] * len(train))
    told, leaked = leaks(rows, held_out(test, []), 1.0)
    known = {fold(text) for text in train}
    equal = [fold(text) in known for text in test]
    assert [flag for flag, same in zip(leaked.tolist(), equal, strict=True) if same] == [
        True
    ] * sum(equal)
    assert len(told) == leaked.sum()
    assert all(leak.test_label == "" for leak in told)


def test_the_nearest_training_row_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Small blocks, so that the nearest may come in any of them.
    monkeypatch.setattr(module, "HIGH", 2)
    monkeypatch.setattr(module, "WIDE", 2)
    base = "how do I bake a loaf of bread at home"
    train = evidence(
        [base + " today or tomorrow", base + " then", base, "x y z", base + " now"],
        ["a", "b", "c", "d", "e"],
    )
    test = held_out([base + " now please", "x y", base + "!", base + " then again"], [])
    told, _ = leaks(train, test, 0.5)
    cosines = test.vectors @ train.vectors.T
    for leak in told:
        if leak.kind == "near":
            assert leak.train_line - 2 == int(cosines[leak.test_line - 2].argmax())
    assert {leak.test_line for leak in told if leak.kind == "equal"} == {4}


def test_accuracy_with_and_without_leaks() -> None:
    train = evidence(
        ["red apple pie", "green apple tart", "fast red car", "slow green lorry"] * 2,
        ["food", "food", "road", "road"] * 2,
    )
    test = held_out(
        ["Red apple pie!", "apple tart", "the fast car", "a slow train"],
        ["food", "food", "road", "rail"],
    )
    _, leaked = leaks(train, test, 0.99)
    assert leaked.tolist() == [True, False, False, False]
    found = effect(train, test, leaked, lambda: fit_all(train))
    assert found is not None
    assert found.leaked is not None
    assert found.without is not None
    # A label that no training row has is never given.
    assert (found.with_leaks.mean, found.with_leaks.n) == (0.75, 4)
    assert (found.leaked.mean, found.leaked.n) == (1.0, 1)
    assert found.without.mean == pytest.approx(2 / 3)
    assert effect(train, held_out(["x"], []), leaked[:1], lambda: fit_all(train)) is None
