from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.errors import InvalidInputError
from embedkit.finetuning.data import Labelled, fingerprints, split


def labelled(labels: list[int], copies: int = 1) -> Labelled:
    texts = [f"text number {i // copies} of {label}" for i, label in enumerate(labels)]
    return Labelled(texts, np.array(labels, np.int64), tuple(map(str, range(max(labels) + 1))))


def test_rows_without_a_text_or_a_label_are_left_out_and_counted() -> None:
    texts = [f"text {i}" for i in range(20)] + ["  ", None, "unlabelled"]
    labels = ["a", "b"] * 10 + ["a", "b", None]
    data = Labelled.of(texts, labels)
    assert (len(data), data.skipped, data.labels) == (20, 3, ("a", "b"))


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        (["one"] * 20, ["a"] * 20, "at least two"),
        (["one", "two"], ["a", "b"], "at least 12 labelled texts, got 2"),
        (["one"] * 20, ["a"] * 19, "20 texts and 19 labels"),
        ([1] * 20, ["a", "b"] * 10, "expected texts, got int"),
        ([f"t{i}" for i in range(20)], [f"l{i}" for i in range(20)], "several texts a label"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_refused(texts: list, labels: list, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Labelled.of(texts, labels)


def test_labels_of_two_texts_each_leave_nothing_to_hold_out() -> None:
    data = labelled([i // 2 for i in range(20)])
    with pytest.raises(InvalidInputError, match="at least 3 different texts"):
        split(data, 0.1, 0)


@given(
    labels=st.lists(st.integers(0, 4), min_size=15, max_size=200),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 9),
    copies=st.integers(1, 3),
)
def test_a_split_has_every_row_once_and_equal_texts_together(
    labels: list[int], share: float, seed: int, copies: int
) -> None:
    labels = [label for label in labels for _ in range(copies)]
    data = labelled(labels, copies)
    try:
        parts = split(data, share, seed)
    except InvalidInputError:
        assert max(np.bincount(data.targets)) // copies < 20  # too few of every label
        return
    rows = np.concatenate([parts.train, parts.stop, parts.judge])
    assert sorted(rows.tolist()) == list(range(len(data)))
    sides = [{data.texts[i] for i in part} for part in (parts.train, parts.stop, parts.judge)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    # No label is only measured: each has texts to learn from.
    assert set(data.targets[parts.train]) == set(data.targets)


def test_a_split_holds_out_the_share_of_each_label() -> None:
    data = labelled([0] * 700 + [1] * 200 + [2] * 100)
    parts = split(data, 0.1, 3)
    for part in (parts.stop, parts.judge):
        assert np.bincount(data.targets[part]).tolist() == [70, 20, 10]


def test_what_case_and_white_space_make_of_a_text_is_known_again() -> None:
    marks = fingerprints(["A  text", "a text", "another"])
    assert marks[0] == marks[1] != marks[2]


def test_the_digest_is_of_texts_labels_and_their_order() -> None:
    one = labelled([0, 1] * 10)
    other = Labelled(one.texts, one.targets[::-1].copy(), one.labels)
    assert one.digest() == labelled([0, 1] * 10).digest()
    assert one.digest() != other.digest()


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"lone surrogate .* at position 3"):
        Labelled.of([f"a {i}" if i != 3 else "a \ud800" for i in range(20)], ["x", "y"] * 10)
