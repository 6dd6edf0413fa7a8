"""The formula of each ranker, by cases worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit import registry
from embedkit.embedders.base import BaseEmbedder
from embedkit.ranking.pool import Limits, Pool
from embedkit.ranking.rankers.cue import CUE
from embedkit.ranking.rankers.source import beyond, content_words, likeness, weights
from embedkit.types import Candidate, Embeddings, InputType, Token

TABLE = {
    "The river rose.": [1.0, 0.0, 0.0],
    "Nobody was hurt in it.": [0.6, 0.8, 0.0],
    "Rain.": [0.0, 0.0, 1.0],
    "The river rose. Rain.": [0.8, 0.0, 0.6],
    "Who was hurt?": [0.0, 1.0, 0.0],
    "We show that it rained.": [0.0, 0.6, 0.8],
}
SOURCE = "The river rose. Nobody was hurt in it."


class Written(BaseEmbedder):
    """Vectors of a table."""

    model_id = "written"
    dim = 3

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        return Embeddings(np.array([TABLE[text] for text in texts], np.float32))


def pool(*texts: str, source: str = SOURCE, **options: Any) -> Pool:
    return Pool(source, tuple(Candidate(text, "stop") for text in texts), Written(), **options)


def score(spec: str, made: Pool) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = registry.create("ranker", spec).score(made)
    return scores


def tokens(*logprobs: float) -> Candidate:
    return Candidate("some words", "stop", tokens=tuple(Token("w", each) for each in logprobs))


def test_log_probabilities_are_averaged_or_summed() -> None:
    made = replace(
        pool(), candidates=(tokens(-1, -3), tokens(-3), tokens(), Candidate("x", "stop"))
    )
    assert score("mean_logprob", made) == pytest.approx([-2, -3, math.nan, math.nan], nan_ok=True)
    assert score("sum_logprob", made) == pytest.approx([-4, -3, math.nan, math.nan], nan_ok=True)


def test_a_token_that_cannot_be_says_nothing() -> None:
    assert np.isnan(score("mean_logprob", replace(pool(), candidates=(tokens(-1, -math.inf),))))


def test_agreement_is_the_mean_cosine_with_the_others_that_say_something() -> None:
    made = pool("The river rose.", "Nobody was hurt in it.", "Rain.", "")
    assert score("agreement", made) == pytest.approx([0.3, 0.3, 0, math.nan], nan_ok=True)
    assert np.isnan(score("agreement", pool("Rain.", ""))).all()


def test_sentences_weigh_by_words_and_place() -> None:
    assert weights(pool()) == pytest.approx([3, 5 / math.sqrt(2)])
    long = "word " * 40 + "end."
    assert weights(pool(source=long)) == pytest.approx([30])


def test_the_scale_begins_where_any_two_sentences_are() -> None:
    assert likeness(pool()) == pytest.approx(0.6)
    assert beyond(np.array([0.6, 1.0, 0.8]), pool()) == pytest.approx([0, 1, 0.5], abs=1e-6)
    assert likeness(pool(source="Rain.")) == 0


def test_coverage_is_what_each_sentence_finds_weighed() -> None:
    first, second = 3.0, 5 / math.sqrt(2)
    told = (first * 1 + second * 0.6) / (first + second)
    made = pool("The river rose.", "The river rose. Rain.", SOURCE, "Rain.", "")
    expected = [(told - 0.6) / 0.4, (told - 0.6) / 0.4, 1, -1.5, math.nan]
    assert score("coverage", made) == pytest.approx(expected, nan_ok=True)


def test_cue_is_the_cosine_with_sentences_that_say_what_it_is_about() -> None:
    source = f"{SOURCE} We show that it rained."
    made = pool("Rain.", "The river rose. Rain.", "", source=source)
    floor = likeness(made)
    expected = [(0.8 - floor) / (1 - floor), (0.4 - floor) / (1 - floor), math.nan]
    assert score("cue", made) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(score("cue", pool("Rain.", "The river rose."))).all()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("In this paper, a method is told.", True),
        ("We also propose a test.", True),
        ("OUR RESULTS are new.", True),
        ("Results suggest that it works.", True),
        ("Overall, it rained.", True),
        ("We were hurt.", False),
        ("They show a film.", False),
        ("The results of the election came late.", False),
    ],
)
def test_cues_are_phrases_that_point_at_what_matters(text: str, found: bool) -> None:
    assert bool(CUE.search(text)) is found


def test_lead_is_the_cosine_with_the_first_fifty_words() -> None:
    begins = np.array([3 + 5 * 0.6, 5 * 0.8, 0])
    expected = (begins[0] / np.linalg.norm(begins) - 0.6) / 0.4
    made = pool("The river rose.", "")
    assert score("lead", made) == pytest.approx([expected, math.nan], nan_ok=True)


def test_lead_reads_no_further_than_fifty_words() -> None:
    first = "one " * 49 + "rose."
    TABLE[first] = [1.0, 0.0, 0.0]
    made = pool("The river rose.", source=f"{first} Rain.")
    assert score("lead", made) == pytest.approx([1])


def test_content_counts_different_words_of_the_source() -> None:
    source = "The river rose in spring, and the river rose in autumn; it was not the sea."
    made = pool(
        "The river, the river!", "A river rose in spring.", "The sea of Mars.", "", source=source
    )
    expected = [1 - math.exp(-n / 20) for n in (1, 3, 1)]
    assert score("content", made) == pytest.approx([*expected, math.nan], nan_ok=True)
    asked = replace(made, limits=Limits(most_words=200))
    assert score("content", asked)[1] == pytest.approx(1 - math.exp(-3 / 40))


def test_grounding_is_the_share_that_the_source_holds() -> None:
    source = "The river rose in spring, and the river rose in autumn; it was not the sea."
    made = pool("The river of Mars", "river rose", "the", source=source)
    assert score("grounding", made) == pytest.approx([0.5, 1, math.nan], nan_ok=True)


def test_content_words_without_a_known_language() -> None:
    assert content_words("Die Katze is 7 a 水", None) == {"katze", "7", "水"}
    assert content_words("Die Katze", frozenset({"die"})) == {"katze"}


def test_variety_is_the_share_of_runs_that_are_new() -> None:
    made = pool("a b c d", "a b c a b c", "a b", "")
    expected = [1, 3 / 4, math.nan, math.nan]
    assert score("variety", made) == pytest.approx(expected, nan_ok=True)


def test_brevity_is_minus_the_logarithm() -> None:
    made = pool("one two three four", "one", "?!")
    assert score("brevity", made) == pytest.approx([-math.log(4), 0, math.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(None, 2), [-math.log(2), 0]),
        (Limits(2, 8), [0, -math.log(2)]),
        (Limits(8, None), [-math.log(2), -math.log(8)]),
        (Limits(), [0, 0]),
    ],
)
def test_length_is_how_far_from_what_was_asked(limits: Limits, expected: list[float]) -> None:
    made = pool("one two three four", "one", limits=limits)
    assert score("length", made) == pytest.approx(expected)


def test_a_summary_has_half_the_words_of_its_source_at_most() -> None:
    made = pool("word " * 200, "word " * 100, "word " * 50, source="word " * 200)
    assert score("length", made) == pytest.approx([-math.log(2), 0, 0])
    short = pool("word " * 50, "word " * 100, source="word " * 20)
    assert score("length", short) == pytest.approx([0, -math.log(2)])
    assert score("length", replace(made, question="Why?")) == pytest.approx([0, 0, 0])


def test_relevance_is_the_cosine_with_the_question() -> None:
    made = pool("Nobody was hurt in it.", "", question="Who was hurt?")
    assert score("relevance", made) == pytest.approx([0.8, math.nan], nan_ok=True)
