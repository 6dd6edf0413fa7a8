"""From the scores of rankers to one: scales, weights, what says nothing, what is shipped."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import pytest

from embedkit import registry
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import InvalidInputError
from embedkit.ranking.blend import Blend, Signal, scorer, shipped
from embedkit.ranking.pool import Pool
from embedkit.types import Candidate, Token

NAN = math.nan


class Told:
    """Says what it was told."""

    name: ClassVar[str] = "told"
    question: ClassVar[bool] = False

    def __init__(self, *scores: float) -> None:
        self.scores = scores

    def score(self, pool: Pool) -> Any:
        return np.array(self.scores)


def pool(*texts: str, question: str = "") -> Pool:
    listed = tuple(Candidate(text, "stop") for text in texts)
    return Pool("A river rose in spring.", listed, HashingEmbedder(), question=question)


def signal(*scores: float, weight: float = 1, mean: Any = 0.0, deviation: Any = 1.0) -> Signal:
    return Signal("told", Told(*scores), weight, mean, deviation)


def test_scores_are_weighed_on_their_own_scales() -> None:
    blend = Blend([signal(3, 5, weight=2, mean=1, deviation=4), signal(1, 0, weight=-1)])
    assert blend(pool("a", "b"), {}) == pytest.approx([2 * 0.5 - 1, 2 * 1 - 0])


def test_what_says_nothing_is_as_good_as_the_usual() -> None:
    blend = Blend([signal(3, NAN, mean=2), signal(1, 1)])
    assert blend(pool("a", "b"), {}) == pytest.approx([1 + 1, 0 + 1])


def test_where_nothing_says_anything_there_is_no_score() -> None:
    blend = Blend([signal(1, NAN, NAN), signal(NAN, NAN, 2)])
    assert blend(pool("a", "b", "c"), {}) == pytest.approx([1, NAN, 2], nan_ok=True)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((1, 3, NAN), [-1, 1, 0]), ((2, 2, 2), [0, 0, 0]), ((NAN, NAN, 7), [0, 0, 0])],
)
def test_without_a_measured_scale_the_pool_is_one(scores: Any, expected: Any) -> None:
    made = signal(*scores, mean=None, deviation=None)
    assert made.standard(np.array(scores)) == pytest.approx(expected)


def test_known_scores_are_not_computed_again() -> None:
    blend = Blend([signal(1, 2)])
    assert blend(pool("a", "b"), {"told": np.array([7.0, 8.0])}) == pytest.approx([7, 8])


def test_the_weights_of_a_mapping_are_those_of_shipped_scales() -> None:
    made = pool("The river rose.", "Spring came.")
    coverage = registry.create("ranker", "coverage").score(made)
    scale = shipped()["scales"]["coverage"]
    found = scorer({"coverage": 2})(made, {})
    assert found == pytest.approx(2 * (coverage - scale["mean"]) / scale["deviation"])


def test_missing_log_probabilities_do_not_move_a_candidate() -> None:
    told = tuple(Token(word, shipped()["scales"]["mean_logprob"]["mean"]) for word in "ab")
    made = pool("The river rose.", "The river rose.")
    mixed = Pool(
        made.source,
        (Candidate("The river rose.", "stop", tokens=told), made.candidates[1]),
        made.embedder,
    )
    blended = scorer({"coverage": 1, "mean_logprob": 1})(mixed, {})
    assert blended[0] == pytest.approx(blended[1], abs=1e-9)


def test_what_is_shipped_names_rankers_and_scales() -> None:
    blend = shipped()
    rankers = registry.names("ranker")
    assert set(blend["weights"]) <= set(blend["scales"]) <= set(rankers)
    assert all(weight > 0 for weight in blend["weights"].values())
    assert all(scale["deviation"] > 0 for scale in blend["scales"].values())
    assert set(blend["deviation_over_folds"]) | set(blend["not_learned"]) == set(blend["weights"])
    assert "ranking.py" in blend["command"]


def test_the_shipped_figures_hold_the_bar() -> None:
    """Held out, the blend is above every signal alone, and says more than the length does."""
    figures = shipped()["figures"]
    ours = figures["blend (held out)"]
    others = {name: each for name, each in figures.items() if name != "blend (held out)"}
    assert {"log(words)", "sum_logprob", "ROUGE-L to the source", "lead", "coverage"} <= set(others)
    assert all(ours["spearman"] > each["spearman"] for each in others.values())
    assert ours["interval"][0] < ours["spearman"] < ours["interval"][1]
    assert ours["given_length"] > 0.3
    assert ours["alike_in_length"] > 0.5


def test_no_learned_weight_hangs_on_a_fold() -> None:
    blend = shipped()
    for name, deviation in blend["deviation_over_folds"].items():
        assert deviation < blend["weights"][name] / 2, name


@pytest.mark.parametrize("score", ["bearing", {"bearing": 1}, "relevance"])
def test_answers_need_a_question(score: Any) -> None:
    with pytest.raises(InvalidInputError, match="expected a question"):
        scorer(score)
    assert scorer(score, "Why?")(pool("Spring came.", question="Why?"), {}).shape == (1,)


def test_answers_go_by_how_they_bear_on_the_question() -> None:
    made = pool("The river rose.", "It was sunny.", question="When did the river rise?")
    expected = registry.create("ranker", "bearing").score(made)
    assert scorer("default", made.question)(made, {}) == pytest.approx(expected)
