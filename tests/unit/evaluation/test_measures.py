"""Measures of retrieval against cases worked by hand."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.errors import InvalidInputError, MissingDependencyError
from embedkit.evaluation.measures import (
    DEFAULT,
    check_measures,
    deepest,
    per_query,
    same_measure,
)
from embedkit.evaluation.retrieval import ndcg


def measured(names: list[str], relevance: dict[str, float], ranking: list[str]) -> dict[str, float]:
    return per_query(check_measures(names), {"q": relevance}, {"q": ranking})["q"]


def test_a_case_worked_by_hand() -> None:
    # Relevant are a (2), c (1) and e (1); found are b a c, so ranks 2 and 3 are relevant.
    found = measured(
        ["ndcg@10", "mrr@10", "recall@2", "recall@10", "map", "precision@2", "success@1"],
        {"a": 2, "b": 0, "c": 1, "e": 1},
        ["b", "a", "c"],
    )
    gained = 2 / math.log2(3) + 1 / math.log2(4)
    ideal = 2 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found == pytest.approx(
        {
            "nDCG@10": gained / ideal,
            "MRR@10": 1 / 2,
            "recall@2": 1 / 3,
            "recall@10": 2 / 3,
            "MAP": (1 / 2 + 2 / 3) / 3,
            "precision@2": 1 / 2,
            "success@1": 0,
        }
    )


def test_names_are_known_however_they_are_written() -> None:
    assert list(check_measures(["NDCG@10", "rr@10", "R@100", "AP", "p@5", "Hit@1", "bpref"])) == [
        "nDCG@10", "MRR@10", "recall@100", "MAP", "precision@5", "success@1", "Bpref",
    ]  # fmt: skip
    assert list(check_measures(["map", "MAP", "AP"])) == ["MAP"]
    assert list(check_measures(["P(rel=2)@5"])) == ["precision(rel=2)@5"]
    assert list(check_measures(DEFAULT)) == list(DEFAULT)
    assert deepest(check_measures(DEFAULT)) == 100
    assert deepest(check_measures(["map"])) == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ndgc@10", "did you mean 'nDCG@10'"),
        ("recal@10", "did you mean 'recall@10'"),
        ("zzzzzz", "there are nDCG@10"),
        ("ndcg@0", "at least one hit"),
        ("ndcg@ten", "there is no measure"),
        ("", "there is no measure"),
        ("ndcg(x=1)@10", "expected a measure such as"),
        ("P(rel='a')@5", "expected a measure such as"),
        ("alpha_nDCG@10", "can be computed here"),
        ("__import__('os')", "there is no measure|expected a measure"),
    ],
)
def test_what_is_no_measure_is_refused(name: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        check_measures([name])


def test_a_query_that_found_nothing_is_worth_nothing() -> None:
    assert per_query(check_measures(["map"]), {"a": {"d": 1}, "b": {"d": 1}}, {"b": ["d"]}) == {
        "a": {"MAP": 0.0},
        "b": {"MAP": 1.0},
    }


def test_the_order_of_the_ranking_counts_not_the_names() -> None:
    # trec_eval would put the larger id first among equal scores.
    assert measured(["mrr@10"], {"a": 1}, ["a", "z"]) == {"MRR@10": 1.0}


def test_relevance_in_fractions_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"whole numbers as relevance, got 0\.5 .*'d'"):
        measured(["map"], {"d": 0.5}, ["d"])


def test_the_library_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(MissingDependencyError, match=r"ir_measures.*embedkit\[evaluate\]'"):
        check_measures(["map"])


def test_a_measure_that_was_taken_is_found_by_its_name() -> None:
    known = ["nDCG@10", "MRR@10", "part@1"]
    assert same_measure("ndcg@10", known) == "nDCG@10"
    assert same_measure("rr@10", known) == "MRR@10"
    assert same_measure("part@1", known) == "part@1"
    with pytest.raises(InvalidInputError, match=r"did you mean 'part@1'"):
        same_measure("prt@1", known)


ids = st.sampled_from("abcdefgh")


@given(st.dictionaries(ids, st.integers(0, 3), min_size=1), st.lists(ids, unique=True, max_size=8))
def test_our_own_ndcg_which_needs_no_extra_is_the_same(
    relevance: dict[str, int], ranking: list[str]
) -> None:
    own = ndcg(ranking, relevance, 5)
    theirs = measured(["ndcg@5"], {**relevance}, ranking)["nDCG@5"]
    assert theirs == pytest.approx(own or 0.0)
