"""A query made of examples."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.errors import InvalidInputError
from embedkit.retrieval.examples import query_from_examples


def test_it_is_the_mean_of_what_is_wanted_less_half_of_what_is_not() -> None:
    like = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    unlike = np.array([[0, 0, 1]], np.float32)
    expected = np.array([0.5, 0.5, -0.5]) / np.sqrt(0.75)
    assert query_from_examples(like, unlike)[0] == pytest.approx(expected)
    assert query_from_examples(like)[0] == pytest.approx(np.array([1, 1, 0]) / np.sqrt(2))


def test_examples_that_cancel_out_are_refused() -> None:
    like = np.array([[1, 0], [-1, 0]], np.float32)
    with pytest.raises(InvalidInputError, match="cancel out"):
        query_from_examples(like)
