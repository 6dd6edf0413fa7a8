"""Comparisons of two searches."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.errors import InvalidInputError
from embedkit.evaluation.results import QueryScore, SearchEvaluation
from embedkit.evaluation.significance import difference
from embedkit.types import Estimate


def evaluation(subject: str, values: dict[str, float], measure: str = "MAP") -> SearchEvaluation:
    queries = tuple(QueryScore(id, id, {measure: value}) for id, value in values.items())
    return SearchEvaluation(subject, 10, {measure: Estimate(0, 0, 0, 1)}, queries)


def test_all_changes_of_signs_are_counted_where_there_are_few_queries() -> None:
    # The sum is 1.9; of 32 changes of signs, 4 bring a sum as large, up or down.
    found = difference("MAP", [(1.0, 0.5)] * 4 + [(0.3, 0.4)])
    assert found.p_value == pytest.approx(4 / 32)
    assert found.difference.mean == pytest.approx(0.38)
    assert (found.wins, found.ties, found.losses) == (4, 0, 1)
    assert found.ours == pytest.approx(0.86)
    assert found.theirs == pytest.approx(0.48)


def test_equal_searches_do_not_differ() -> None:
    found = difference("MAP", [(0.1 + 0.2, 0.3)] * 5)
    assert found.p_value == 1.0
    assert (found.wins, found.ties, found.losses) == (0, 5, 0)
    assert difference("MAP", [(1.0, 0.0)]).p_value == 1.0


def test_the_other_way_round_is_the_same_with_the_other_sign() -> None:
    rng = np.random.default_rng(3)
    pairs = [(float(a), float(b)) for a, b in rng.random((40, 2))]
    one = difference("MAP", pairs)
    two = difference("MAP", [(b, a) for a, b in pairs])
    assert one.p_value == pytest.approx(two.p_value, abs=0.02)
    assert one.difference.mean == pytest.approx(-two.difference.mean)
    assert (one.wins, one.losses) == (two.losses, two.wins)


def test_what_is_better_every_time_is_no_chance_and_noise_mostly_is() -> None:
    assert difference("MAP", [(0.6, 0.5)] * 30).p_value < 0.001
    rng = np.random.default_rng(0)
    drawn = rng.random((60, 30, 2))
    p = [difference("MAP", [(a, b) for a, b in sample.tolist()]).p_value for sample in drawn]
    # Were the two equal, one in twenty would look significant.
    assert sum(value < 0.05 for value in p) <= 8
    assert 0.3 < float(np.mean(p)) < 0.7


def test_the_same_seed_measures_the_same() -> None:
    rng = np.random.default_rng(1)
    pairs = [(float(a), float(b)) for a, b in rng.random((50, 2))]
    assert difference("MAP", pairs, seed=4) == difference("MAP", pairs, seed=4)


def test_only_queries_that_both_have_are_compared() -> None:
    ours = evaluation("a", {"1": 1.0, "2": 0.5, "3": 0.0})
    theirs = evaluation("b", {"2": 0.25, "1": 1.0, "9": 1.0})
    found = ours.against(theirs)["MAP"]
    assert found.difference.n == 2
    assert found.difference.mean == pytest.approx(0.125)
    with pytest.raises(InvalidInputError, match="a and c have none"):
        ours.against(evaluation("c", {"9": 1.0}))
    assert ours.against(evaluation("d", {"1": 1.0}, "P@5")) == {}
