"""Candidates from anywhere, ranked."""

from __future__ import annotations

from typing import Any

import pytest

import embedkit
from embedkit.errors import InvalidInputError, UnknownBackendError

SOURCE = (
    "The bakery on Mill Street opens at six. It sells bread all week, and cakes on Sundays. "
    "Anna Berg has run it since 1998. Her son will take it over next spring."
)
SAID = [
    "The bakery on Mill Street sells bread, and cakes on Sundays; Anna Berg runs it.",
    "A bakery opens at six.",
    "The weather in the mountains was fine.",
]


def rank(candidates: Any = SAID, source: Any = SOURCE, **options: Any) -> embedkit.Ranking:
    return embedkit.rank_candidates(
        source, candidates, **({"embedder": "hashing", "filters": "none"} | options)
    )


def test_all_candidates_come_back_best_first_with_every_score() -> None:
    ranking = rank([*SAID, ""])
    assert sorted(each.place for each in ranking) == [0, 1, 2, 3]
    scores = [each.score for each in ranking]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    assert [each.rank for each in ranking] == [1, 2, 3, 4]
    assert ranking[3].text == ""
    assert set(ranking[0].scores) >= {"coverage", "agreement", "mean_logprob", "brevity"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"candidates": []}, "at least one candidate"),
        ({"candidates": "one text"}, "write \\[candidate\\]"),
        ({"candidates": [None]}, "NoneType at position 0"),
        ({"candidates": 3}, "got int"),
        ({"source": "  \n"}, "source with words"),
        ({"source": b"bytes"}, "got bytes"),
        ({"score": {}}, "at least one ranker"),
        ({"score": {"coverage": "much"}}, "number as the weight of coverage"),
        ({"least_words": 9, "most_words": 3}, "got 9 and 3"),
        ({"most_words": 0}, "most_words"),
        ({"extracts": [7]}, "from 0 to 2"),
        ({"generators": ["one"]}, "expected 3 generators"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        rank(**options)


@pytest.mark.parametrize("asked", [{"score": "coverge"}, {"rankers": ["coverge"]}])
def test_the_nearest_ranker_is_offered(asked: dict[str, Any]) -> None:
    with pytest.raises(UnknownBackendError, match="did you mean 'coverage'"):
        rank(**asked)
