from __future__ import annotations

import base64
import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.managed.decode import count_billed, decode_floats
from embedkit.managed.service import BadAnswerError


def encoded(*rows: list[float]) -> list[str]:
    return [base64.b64encode(np.array(row, "<f4").tobytes()).decode() for row in rows]


def test_both_forms_give_the_same_vectors() -> None:
    rows = [[1.5, -2.0, 0.25], [0.0, 1e-30, 3e38]]
    expected = np.array(rows, np.float32)
    for given_rows in (rows, encoded(*rows)):
        vectors = decode_floats(given_rows, 2, 3)
        assert vectors.dtype == np.float32
        assert vectors.flags.c_contiguous
        np.testing.assert_array_equal(vectors, expected)
    assert decode_floats(rows, 2, None).shape == (2, 3)


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (None, "holds no vectors"),
        ("ab", "holds no vectors"),
        ({"0": [1, 2]}, "holds no vectors"),
        ([[1, 2]], "1 vectors for 2 texts"),
        ([[1, 2]] * 3, "3 vectors for 2 texts"),
        ([[1, 2], [3]], "not rows of numbers"),
        ([[1, 2], None], "not rows of numbers"),
        ([[1, "x"], [2, 3]], "not rows of numbers"),
        ([1, 2], "not rows of numbers"),
        ([[], []], "not rows of numbers"),
        (["", ""], "not rows of numbers"),
        ([[1, 2, 3], [1, 2, 3]], "width 3, not 2"),
        ([[1, None], [1, 2]], "not finite"),
        ([[1, float("inf")], [1, 2]], "not finite"),
        ([[1, 1e300], [1, 2]], "not finite"),
        ([[0, 0], [1, 2]], "zero"),
        (["AAAAAAAA", None], "cannot be decoded"),
        (["é", "AAAA"], "cannot be decoded"),
        (["A", "A"], "cannot be decoded"),
        (["AA==", "AA=="], "differ in width"),
        ([*encoded([1.0, 2.0]), *encoded([1.0])], "differ in width"),
        (encoded([1.0, float("nan")], [1.0, 2.0]), "not finite"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for(rows: Any, part: str) -> None:
    with pytest.raises(BadAnswerError, match=part):
        decode_floats(rows, 2, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=9,
)


@given(rows=st.lists(JSON, max_size=3) | JSON)
def test_whatever_an_answer_holds_is_decoded_or_refused(rows: Any) -> None:
    with contextlib.suppress(BadAnswerError):
        assert len(decode_floats(rows, 2, None)) == 2


@pytest.mark.parametrize(("told", "billed"), [(0, 0), (7, 7), (7.0, 7)])
def test_what_is_billed(told: Any, billed: int) -> None:
    assert count_billed(told) == billed


@pytest.mark.parametrize("told", [None, -1, "7", True, 10**30, float("nan"), float("inf"), [7]])
def test_what_is_no_bill(told: Any) -> None:
    """A bill below nothing would lift a budget, one of 30 digits would break the ledger."""
    assert count_billed(told) is None
