from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.labels import LabelSet, is_missing, shown
from embedkit.errors import InvalidInputError

NAMES = st.one_of(
    st.lists(st.text(min_size=1).filter(str.strip), min_size=2, unique=True),
    st.lists(st.integers(), min_size=2, unique=True),
    st.just([True, False]),
)


@given(NAMES, st.data())
def test_labels_come_back_from_their_classes(names: list[Any], data: st.DataObject) -> None:
    labels = names + data.draw(st.lists(st.sampled_from(names)))
    known = LabelSet.learn(labels)
    targets = known.encode(labels)
    assert known.decode(targets).tolist() == labels
    assert list(known.names) == sorted(names)
    assert set(targets.tolist()) == set(range(len(names)))


def test_a_label_may_end_with_a_nul() -> None:
    known = LabelSet.learn(["a", "a\0"])
    assert known.decode(known.encode(["a\0", "a"])).tolist() == ["a\0", "a"]


@given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=2))
def test_several_labels_come_back_from_their_flags(labels: list[set[str]]) -> None:
    known = LabelSet.learn(labels)
    assert known.task == "multi"
    decoded = known.decode(known.encode(labels))
    assert [set(found) for found in decoded] == labels


def test_flags_are_an_array_or_rows_of_them() -> None:
    flags = [[0, 0, 1], [1, 0, 1], [0, 1, 0]]
    for labels in (np.array(flags), flags, [np.array(row) for row in flags]):
        known = LabelSet.learn(labels)
        assert (known.task, known.names) == ("multi", (0, 1, 2))
        assert known.encode(labels).tolist() == np.array(flags).astype(bool).tolist()


def test_lists_of_numbers_are_labels_where_none_repeats() -> None:
    known = LabelSet.learn([[0, 1], [1, 0], [1, 2]])
    assert known.names == (0, 1, 2)
    assert known.encode([[0, 1]]).tolist() == [[True, True, False]]


def test_a_text_may_have_no_label_of_several() -> None:
    known = LabelSet.learn([["a"], [], ["b", "a"]])
    assert known.encode([["a"], [], ["b", "a"]]).sum(axis=1).tolist() == [1, 0, 2]


def test_an_order_is_kept() -> None:
    known = LabelSet.learn(["low", "high"], order=["low", "medium", "high"])
    assert (known.task, known.names) == ("ordered", ("low", "medium", "high"))
    with pytest.raises(InvalidInputError, match="'mid'"):
        LabelSet.learn(["low", "mid"], order=["low", "medium", "high"])
    with pytest.raises(InvalidInputError, match="once in the order"):
        LabelSet.learn(["a", "b"], order=["a", "b", "a"])


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([], "no labelled row"),
        (["a", "a"], "one class, 'a'"),
        ([1, "1"], "of one type, got '1' and 1"),
        ([1, 1.5], "of one type"),
        ([0.5, 0.25], "continuous numbers such as 0.25"),
        ([object(), "a"], "texts or numbers, got object"),
    ],
)
def test_labels_that_cannot_be_meant(labels: list[Any], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        LabelSet.learn(labels)


def test_a_text_where_lists_of_labels_are_expected() -> None:
    with pytest.raises(InvalidInputError, match="a list of labels for each text, got the text 'b'"):
        LabelSet.learn([["a"], "b"])


def test_an_unknown_label_is_answered_with_the_nearest() -> None:
    known = LabelSet(["refund", "delivery"])
    with pytest.raises(InvalidInputError, match="did you mean 'refund'"):
        known.encode(["refunds"])
    assert "refund" in known
    assert "refunds" not in known
    assert ["refund"] not in known


@pytest.mark.parametrize("cell", [None, float("nan"), np.nan, "", "  \n", np.float32("nan")])
def test_missing(cell: Any) -> None:
    assert is_missing(cell)


@pytest.mark.parametrize("cell", [0, False, "None", "0", 0.0, [], "nan"])
def test_not_missing(cell: Any) -> None:
    assert not is_missing(cell)


def test_many_labels_are_shown_by_the_first() -> None:
    assert shown(range(3)) == "0, 1, 2"
    assert shown(range(1000)).endswith("11, … (1,000 in all)")
