"""A calibration from judged queries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import embedkit
from embedkit import Collection
from embedkit.errors import InvalidInputError

THINGS = ("apple", "house", "river", "train", "cloud", "bread", "stone", "horse")
COLOURS = ("red", "blue", "green", "white", "black")


@pytest.fixture
def things(opened: Callable[..., Collection]) -> Collection:
    collection = opened()
    collection.index(
        [
            {"id": f"{thing}-{colour}", "text": f"the {thing} is {colour}"}
            for thing in THINGS
            for colour in COLOURS
        ],
        id="id",
    )
    return collection


QUERIES = {thing: f"the {thing} is red" for thing in THINGS}
QRELS = {thing: {f"{thing}-{colour}": 1.0 for colour in COLOURS[:3]} for thing in THINGS}


def test_hits_of_judged_queries_are_the_labels(things: Collection) -> None:
    corpus = things.calibration()
    assert corpus.kind == "corpus"
    found = embedkit.calibrate(things, QUERIES, QRELS)
    assert found.kind == "labels"
    assert found.n == 10 * len(THINGS)
    assert found.measured is not None
    assert found.measured["share"] == pytest.approx(0.3)
    assert found.measured["auroc"] > 0.8
    assert found.model_id == things.info().model_id
    assert things.calibration() == found, "it is kept"
    hits = things.search("the apple is red")
    chance = found.probability([hit.score for hit in hits])
    assert chance[0] > 0.5 > chance[-1]
    # Over all labels the probabilities add up to the relevant ones: so a logistic fit is made.
    scores = [h.score for answer in things.search_many(list(QUERIES.values())) for h in answer]
    assert np.sum(found.probability(scores)) == pytest.approx(3 * len(THINGS), rel=0.05)


def test_nothing_is_kept_where_that_is_not_asked(things: Collection) -> None:
    embedkit.calibrate(things, QUERIES, QRELS, keep=False)
    assert things.calibration().kind == "corpus"


def test_judgements_that_do_not_suffice_keep_nothing(things: Collection) -> None:
    with pytest.raises(InvalidInputError, match="at least 5 relevant hits and 5 others, got 3"):
        embedkit.calibrate(things, {"apple": QUERIES["apple"]}, QRELS)
    assert things.calibration().kind == "corpus"
    with pytest.raises(InvalidInputError, match="none of the 1 judged records"):
        embedkit.calibrate(things, QUERIES, {"apple": {"nothing": 1}})


def test_another_model_does_not_use_it(things: Collection) -> None:
    embedkit.calibrate(things, QUERIES, QRELS)
    things.migrate("hashing?dim=128")
    assert things.calibration().kind == "corpus"
    things.migrate_back()
    assert things.calibration().kind == "labels"
