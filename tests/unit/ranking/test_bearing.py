"""How much candidates bear on the question."""

from __future__ import annotations

import numpy as np

import embedkit
from embedkit.embedders.hashing import HashingEmbedder

SOURCE = "The mill was built in 1742. Anna Berger owns the mill. It grinds rye."


def scores(question: str, *texts: str) -> list[float]:
    ranking = embedkit.rank_candidates(
        SOURCE, texts, embedder=HashingEmbedder(), score="bearing", filters="none",
        merging=False, question=question,
    )  # fmt: skip
    by_place = sorted(ranking, key=lambda each: each.place)
    return [each.scores["bearing"] for each in by_place]


def test_what_answers_is_above_what_does_not() -> None:
    right, wrong = scores("Who owns the mill?", "Anna Berger owns the mill.", "It grinds rye.")
    assert right > wrong
    dated, undated = scores("When?", "It was built in 1742.", "It was built of stone.")
    assert dated > undated


def test_the_best_sentence_decides() -> None:
    alone, beside = scores(
        "Who owns the mill?",
        "Anna Berger owns the mill.",
        "It grinds rye. Anna Berger owns the mill.",
    )
    assert np.isclose(alone, beside)


def test_nothing_is_said_of_an_empty_candidate() -> None:
    full, empty = scores("Who owns the mill?", "Anna Berger.", " ")
    assert np.isfinite(full)
    assert np.isnan(empty)
