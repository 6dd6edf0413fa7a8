"""Candidates from anywhere, ranked."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedkit
from embedkit import registry
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import InvalidInputError, UnknownBackendError
from embedkit.ranking.blend import shipped
from embedkit.ranking.pool import Pool
from embedkit.types import Candidate

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
        ({"extracts": 3}, "list of places, got int"),
        ({"generators": ["one"]}, "expected 3 generators"),
        ({"generators": "one"}, "expected 3 generators"),
        ({"candidates": {"one": "text"}}, "got a mapping"),
        ({"source": f"half {chr(0xD83D)}"}, "character 5 of the source"),
        ({"embedder": 3}, "embedder or the spec of one, got int"),
        ({"rankers": 5}, "list of specs of rankers, got int"),
        ({"filters": [3]}, "specs of filters as texts, got int"),
        ({"score": {3: 1}}, "specs of rankers, got int"),
        ({"score": None}, "got NoneType"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        rank(**options)


@pytest.mark.parametrize("asked", [{"score": "coverge"}, {"rankers": ["coverge"]}])
def test_the_nearest_ranker_is_offered(asked: dict[str, Any]) -> None:
    with pytest.raises(UnknownBackendError, match="did you mean 'coverage'"):
        rank(**asked)


TEXTS = st.lists(
    st.sampled_from([*SAID, "", "?!", "水", "Cakes on Sundays.", "Cakes. " * 9]), min_size=1
)


@settings(deadline=None, max_examples=20)
@given(
    TEXTS, st.randoms(use_true_random=False), st.sampled_from(["default", "coverage", "agreement"])
)
def test_another_order_of_candidates_changes_no_score(
    texts: list[str], random: Any, score: str
) -> None:
    order = list(range(len(texts)))
    random.shuffle(order)
    first = rank(texts, score=score, merging=False, rankers="none")
    second = rank([texts[i] for i in order], score=score, merging=False, rankers="none")
    told = {order[each.place]: each.score for each in second}
    for each in first:
        assert told[each.place] == pytest.approx(each.score, abs=1e-6, nan_ok=True)


@settings(deadline=None, max_examples=20)
@given(TEXTS)
def test_only_agreement_makes_the_score_of_one_depend_on_the_others(texts: list[str]) -> None:
    weights = {name: w for name, w in shipped()["weights"].items() if name != "agreement"}
    for each in rank(texts, merging=False, rankers="none", score=weights):
        alone = rank([each.text], rankers="none", score=weights)[0]
        assert alone.score == pytest.approx(each.score, abs=1e-6, nan_ok=True)


def test_equal_scores_keep_the_order_given() -> None:
    ranking = rank([SAID[1], "", SAID[1], "", SAID[1]], merging=False)
    assert [each.place for each in ranking] == [0, 2, 4, 1, 3]
    assert [math.isnan(each.score) for each in ranking] == [False] * 3 + [True] * 2


def test_the_best_of_those_that_say_the_same_stands_for_them() -> None:
    ranking = rank([SAID[1], SAID[0], SAID[1]])
    assert [(each.place, each.rank, each.merged_into) for each in ranking] == [
        (1, 1, None),
        (0, 2, None),
        (2, None, 0),
    ]


def test_what_is_rejected_stands_for_nothing_and_behind_all_others() -> None:
    ranking = rank([f"{SAID[0]} ", "", SAID[2]], filters=["empty", "length?most=10"])
    assert [each.place for each in ranking] == [2, 0, 1]
    assert [each.rank for each in ranking] == [1, None, None]
    assert [reason.filter for reason in ranking[1].rejections] == ["length"]
    assert "empty" in [reason.filter for reason in ranking[2].rejections]
    assert ranking.best is not None
    assert ranking.best.text == SAID[2]
    assert len(ranking.passed) == 1


def test_broken_characters_of_one_are_rejected_and_the_others_ranked() -> None:
    ranking = rank([f"A bakery {chr(0xD83D)} opens at six.", SAID[0]], filters="default")
    assert [each.place for each in ranking] == [1, 0]
    assert "garbled" in [reason.filter for reason in ranking[1].rejections]


def test_none_may_pass() -> None:
    ranking = rank(["", " "], filters="default")
    assert ranking.best is None
    assert all(each.rejections for each in ranking)


def test_candidates_keep_their_tokens_and_writers() -> None:
    given = Candidate("A bakery opens.", "length")
    ranking = rank([given, SAID[0]], generators=["one", "two"])
    assert {(each.candidate, each.generator) for each in ranking} >= {(given, "one")}


def test_a_single_ranker_may_decide_and_only_some_be_told() -> None:
    ranking = rank(score="brevity", rankers=["coverage"])
    assert [each.place for each in ranking] == [1, 2, 0]
    assert set(ranking[0].scores) == {"coverage"}
    assert rank(rankers="none")[0].scores == {}


class Wide:
    name: ClassVar[str] = "wide"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> Any:
        return np.full(len(pool), math.inf)


def test_a_ranker_from_outside_is_held_to_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    row = registry.Row("ranker", "wide", f"{__name__}:Wide", "not a ranker")
    monkeypatch.setattr(registry, "ROWS", (*registry.ROWS, row))
    monkeypatch.setattr(registry, "_load", lambda row: Wide)
    with pytest.raises(InvalidInputError, match="finite scores from the ranker wide"):
        rank(score="wide", rankers="none", embedder=HashingEmbedder())


@pytest.mark.parametrize(
    "source", ["x" * 20_000, "1 " * 3000, "東京都は日本の首都である。" * 20, "?"]
)
def test_odd_sources_are_ranked_against(source: str) -> None:
    assert len(rank(source=source)) == 3


class Counting(HashingEmbedder):
    """Counts what it is sent."""

    sent = 0

    def embed_batch(self, texts: Any, *, input_type: Any = "document") -> Any:
        self.sent += len(texts)
        return super().embed_batch(texts, input_type=input_type)


def test_nothing_is_embedded_twice_and_nothing_without_need() -> None:
    embedder = Counting()
    rank(embedder=embedder)
    assert embedder.sent <= 4 + 3 + 3
    idle = Counting()
    rank(embedder=idle, score="mean_logprob", rankers="none", merging=False)
    assert idle.sent == 0


NEWS = """The council of Arnfeld voted on Monday to close the harbour road for lorries from June.
Some 3,000 lorries use the road each day, and people who live there have complained of noise and
dirt for years. Mayor Ruth Imhof said the vote was long overdue. The port fears that it will lose
freight to Walden, forty kilometres to the north, and asks for a new road to the motorway. An
engineer of the canton said that such a road would cost 80 million francs and take six years. Until
then lorries are to drive through the industrial area in the east, which is a detour of five
minutes. A petition against the vote had found 900 names by the evening."""
TOLD = (
    "Arnfeld closes its harbour road, which 3,000 lorries use each day, to lorries from June. The "
    "port fears to lose freight to Walden and asks for a new road to the motorway."
)
WORSE = {
    "of something else": """The museum shows two hundred paintings by a forgotten pupil of Rubens,
        most of them lent by collectors in Spain, until the end of the year and for free.""",
    "cut": "Arnfeld closes its harbour road, which",
    "said twice": f"{TOLD} {TOLD}",
    "with words from elsewhere": """Arnfeld closes its opera house, which 3,000 singers use each
        day, to dancers from June. The choir fears to lose tenors to Walden and asks for a new
        conductor.""",
    "about little things": """A petition had found some names by the evening. It was long overdue.
        The detour is of five minutes. There is an engineer of the canton.""",
    "the whole source and again": f"{NEWS} {NEWS}",
}


@pytest.mark.parametrize("embedder", ["minilm", "hashing"])
@pytest.mark.parametrize("kind", WORSE)
def test_a_good_summary_is_above_a_worse_one(kind: str, embedder: str) -> None:
    ranking = rank([WORSE[kind], TOLD], source=NEWS, embedder=embedder, merging=False)
    assert ranking[0].place == 1


def test_what_is_rejected_does_not_take_its_like_along() -> None:
    given = [Candidate(SAID[0], "length"), Candidate(SAID[0], "stop")]
    ranking = rank(given, filters=["cut-off"])
    assert [(each.place, each.rank, each.merged_into) for each in ranking] == [
        (1, 1, None),
        (0, None, None),
    ]
