"""What a candidate or a source of a strange shape costs."""

from __future__ import annotations

import time

import embedkit
from embedkit.embedders.hashing import HashingEmbedder


def test_many_line_breaks_are_read_once() -> None:
    before = time.process_time()
    ranking = embedkit.rank_candidates(
        "The river rose.", ["The river" + "\n" * 20_000 + "rose."], embedder=HashingEmbedder()
    )
    # Each line break looked at from each would take more than a minute.
    assert time.process_time() - before < 20
    assert len(ranking) == 1


def test_numbers_beyond_those_of_the_processor_are_compared() -> None:
    ranking = embedkit.rank_candidates(
        "The book has 84 pages.", ["The book has 1e400 pages."], embedder=HashingEmbedder()
    )
    assert "1e400" in ranking[0].rejections[0].reason
