from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedkit.errors import DimensionMismatchError, InvalidInputError
from embedkit.rerankers.base import BaseReranker


class Given(BaseReranker):
    """Returns what it was built with, whatever it is asked."""

    model_id = "given"

    def __init__(self, result: Any) -> None:
        self.result = result

    def _rerank(self, query: str, texts: list[str]) -> Any:
        return self.result


def test_the_result_passes_as_float32() -> None:
    scores = Given([1, 0.5]).rerank("x", ["a", "b"])
    assert scores.dtype == np.float32
    assert scores.tolist() == [1, 0.5]


def test_an_empty_list_never_reaches_the_model() -> None:
    assert Given([1]).rerank("x", []).shape == (0,)
    with pytest.raises(InvalidInputError, match="query"):
        Given([1]).rerank("", [])


@pytest.mark.parametrize("result", [[1, 2, 3], [1], [[1, 2]], 1])
def test_not_one_number_a_text_is_an_error(result: Any) -> None:
    with pytest.raises(DimensionMismatchError, match="expected 2 scores from given, one a text"):
        Given(result).rerank("x", ["a", "b"])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e300])
def test_a_relevance_that_is_not_finite_names_its_text(bad: float) -> None:
    with pytest.raises(InvalidInputError, match=r"finite scores from given.*position 1"):
        Given([0, bad]).rerank("x", ["a", "b"])


def test_what_is_no_number_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="expected numbers from given"):
        Given(["high", "low"]).rerank("x", ["a", "b"])
