"""What a label looks like: typical and borderline rows, and its words."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.classification.fitted import Examples
from embedkit.classification.labels import LabelSet
from embedkit.classification.likeness import (
    borderline_rows,
    members,
    portraits,
    typical_rows,
    typical_words,
    words_of_rows,
)
from embedkit.errors import InvalidInputError

KNOWN = LabelSet(("a", "b"))


def examples(
    angles: list[float], targets: list[int], sure: list[float], texts: list[str] | None = None
) -> Examples:
    """Rows on a circle, each with the probability of its own class."""
    turned = np.radians(angles)
    vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)
    own, numbers = np.array(sure), np.array(targets)
    chances = np.where(numbers[:, None] == np.arange(2), own[:, None], 1 - own[:, None])
    return Examples(texts or [f"t{i}" for i in range(len(angles))], numbers, vectors, chances)


def test_typical_rows_are_in_the_middle_sure_and_unlike_each_other() -> None:
    #         middle, its twin, unsure, far off, of another label
    sure = [0.9, 0.7, 0.2, 0.95, 0.95, 0.9]
    rows = examples([0, 1, 0, 40, -40, 0], [0, 0, 0, 0, 0, 1], sure)
    found = typical_rows(rows, KNOWN, "a", 3)
    assert found[0].text == "t0"
    assert {row.text for row in found[1:]} == {"t3", "t4"}
    assert found[0].similarity == pytest.approx(1, abs=1e-3)
    assert found[0].other == "b"
    assert found[0].margin == pytest.approx(0.8)
    assert typical_rows(rows, KNOWN, "a", 0) == ()


def test_borderline_rows_are_those_of_least_margin() -> None:
    rows = examples([0] * 4, [0, 0, 0, 1], [0.9, 0.55, 0.2, 0.5])
    found = borderline_rows(rows, KNOWN, "a", 2)
    assert [(row.text, round(row.margin, 6)) for row in found] == [("t1", 0.1), ("t2", -0.6)]


def test_the_words_of_a_label_are_weighed_as_in_the_paper() -> None:
    texts = ["the refund", "the refund", "the refund now", "the parcel", "the parcel", "the post"]
    rows = examples([0] * 6, [0, 0, 0, 1, 1, 1], [0.9] * 6, texts)
    found = {word.word: word for word in typical_words(words_of_rows(rows), members(rows, 0))}
    # Counts: 7 words of a, 6 of b; "refund" 3 and 0; the prior is worth 500 words.
    prior = 500 * 3 / 13
    one, two = 3 + prior, 0 + prior
    ratio = np.log(one / (7 + 500 - one)) - np.log(two / (6 + 500 - two))
    assert found["refund"].z == pytest.approx(ratio / np.sqrt(1 / one + 1 / two))
    assert (found["refund"].rows, found["refund"].elsewhere) == (3, 0)
    assert next(iter(found)) == "refund"
    assert "parcel" not in found
    assert "the" not in found, "it is in all rows, so that it is rarer among the words of a"


def test_words_of_one_row_count_once() -> None:
    rows = examples([0] * 2, [0, 1], [0.9] * 2, ["spam spam spam spam eggs", "tea"])
    words = typical_words(words_of_rows(rows), members(rows, 0))
    assert words[0].z == pytest.approx(words[1].z)


def test_a_label_without_rows_and_one_that_is_not_known() -> None:
    rows = examples([0, 1], [0, 0], [0.9, 0.8])
    found = portraits(rows, KNOWN)[1]
    assert found.label == "b"
    assert (found.rows, found.typical, found.borderline, found.words) == (0, (), (), ())
    with pytest.raises(InvalidInputError, match="expected a label of this classifier"):
        portraits(rows, KNOWN, ["c"])
