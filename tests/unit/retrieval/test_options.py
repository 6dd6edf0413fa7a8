"""What a search may be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from embedkit.errors import InvalidInputError
from embedkit.retrieval.options import check_options


def test_as_many_records_as_are_chosen_from_are_looked_at() -> None:
    assert check_options(10, {}).depth == 10
    assert check_options(10, {"offset": 20}).depth == 30
    assert check_options(10, {"diversity": 0.5}).depth == 100
    assert check_options(10, {"rerank": "lexical", "candidates": 7}).depth == 10


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"mode": "sparse"}, "expected mode to be one of dense, lexical, hybrid"),
        ({"fusion": "rrf"}, "expected fusion with mode 'hybrid'"),
        ({"diversity": 1.5}, "expected diversity from 0 to 1"),
        ({"diversity": "much"}, "expected diversity to be a number"),
        ({"min_confidence": -0.1}, "expected min_confidence from 0 to 1"),
        ({"min_score": float("nan")}, "expected min_score to be a number"),
        ({"offset": -1}, "expected offset to be a whole number"),
        ({"candidates": 0}, "expected candidates to be a whole number"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: Any, part: str) -> None:
    with pytest.raises(InvalidInputError, match=part):
        check_options(10, options)


def test_of_an_unknown_option_the_nearest_is_offered() -> None:
    with pytest.raises(TypeError, match="did you mean 'offset'"):
        check_options(10, {"ofset": 3})  # type: ignore[typeddict-unknown-key]
