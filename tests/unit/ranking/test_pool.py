"""Some of the candidates, with what is known of them."""

from __future__ import annotations

import numpy as np

from embedkit.embedders.hashing import HashingEmbedder
from embedkit.ranking.pool import Pool
from embedkit.types import Candidate

TEXTS = ["The river rose.", "Nobody was hurt. It rained.", "", "Spring came."]


def make(texts: list[str], extracts: frozenset[int] = frozenset()) -> Pool:
    listed = tuple(Candidate(text, "stop") for text in texts)
    return Pool("A river rose in spring.", listed, HashingEmbedder(), extracts=extracts)


def test_what_is_taken_is_as_if_it_had_been_given_alone() -> None:
    whole = make(TEXTS, frozenset([1, 2]))
    _ = whole.vectors, whole.sentence_vectors, whole.source_vectors
    taken, alone = whole.take([3, 1]), make([TEXTS[3], TEXTS[1]], frozenset([1]))
    assert "vectors" in taken.__dict__, "nothing is embedded again"
    assert taken.texts == alone.texts
    assert taken.extracts == alone.extracts
    assert np.allclose(taken.vectors, alone.vectors)
    assert taken.candidate_sentences == alone.candidate_sentences
    for one, other in zip(taken.sentence_vectors, alone.sentence_vectors, strict=True):
        assert np.allclose(one, other)


def test_an_empty_candidate_is_all_zeros_and_half_a_character_is_read_as_a_mark() -> None:
    made = make(["", f"half {chr(0xD83D)}", "half ?"])
    assert not made.vectors[0].any()
    assert np.array_equal(made.vectors[1], made.vectors[2])
