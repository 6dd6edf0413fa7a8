"""Texts that come twice, in one table or in two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.audit import repeats as module
from embedkit.classification.audit.repeats import Kept, repeats
from embedkit.pairs.join import Found
from tests.unit.classification.audit.made import evidence


def test_equal_texts_with_different_labels_are_conflicts() -> None:
    texts = ["Where is my card?", "where is my  CARD", "lost card", "Where is my card", "a"]
    found = evidence(texts, ["card", "card", "lost", "post", "card"])
    conflicts, duplicates, notes = repeats(found, 0.99)
    assert [(c.kind, c.line, c.label, c.other_line, c.other_label) for c in conflicts] == [
        ("equal", 5, "post", 2, "card")
    ]
    assert [(d.kind, d.line, d.other_line) for d in duplicates] == [("equal", 3, 2)]
    assert notes == []


def test_the_minority_is_told_against_the_majority() -> None:
    found = evidence(["a b", "A b", "a, b"], ["x", "y", "y"])
    conflicts, duplicates, _ = repeats(found, 0.99)
    assert [(c.line, c.other_line, c.other_label) for c in conflicts] == [(2, 3, "y")]
    assert [(d.line, d.other_line) for d in duplicates] == [(4, 3)]


def test_near_texts_are_paired_once() -> None:
    texts = [
        "how do I bake a loaf of bread at home",
        "how do I bake a loaf of bread at home",
        "how do I bake a loaf of bread at home today",
        "something else entirely",
    ]
    found = evidence(texts, ["cooking", "cooking", "travel", "travel"])
    conflicts, duplicates, _ = repeats(found, 0.85)
    assert [(c.kind, c.line, c.other_line) for c in conflicts] == [("near", 2, 4)]
    assert 0.85 <= conflicts[0].cosine < 1
    assert [(d.kind, d.line, d.other_line) for d in duplicates] == [("equal", 3, 2)]


def test_too_many_near_pairs_are_cut_off_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"how do I bake a loaf of bread at home number {i}" for i in range(12)]
    found = evidence(texts, ["x"] * 11 + ["y"])
    all_of_them = repeats(found, 0.5)[1]
    monkeypatch.setattr(module, "MOST", 3)
    monkeypatch.setattr(Kept.__init__, "__defaults__", (3,))
    _, duplicates, notes = repeats(found, 0.5)
    assert duplicates == all_of_them[:3]
    assert any(f"of {len(all_of_them)} harmless pairs" in note for note in notes)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 5))
def test_the_best_pairs_are_kept_whatever_the_order(scores: list[int], most: int) -> None:
    kept = Kept(most)
    for i, score in enumerate(scores):
        kept.add(Found(np.array([i]), np.array([i + 1]), np.array([score], np.float32)))
    best = kept.best()
    assert best.scores.tolist() == sorted(scores, reverse=True)[:most]
    assert kept.count == len(scores)
