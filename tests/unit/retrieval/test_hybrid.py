"""Both lists over a collection: every row with its exact similarity, filters, and both metrics."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit import Record
from embedkit.retrieval import hybrid
from embedkit.retrieval.fusion import fuse, parse
from embedkit.retrieval.hybrid import hybrid_search
from embedkit.store.layout import Layout
from embedkit.store.view import View, open_view


@pytest.fixture
def view(opened) -> View:
    collection = opened()
    words = ["apple", "bridge", "cloud", "desk", "engine"]
    generator = np.random.default_rng(0)
    collection.upsert(
        [Record(f"r{i}", f"n{i} " + " ".join(generator.choice(words, 4))) for i in range(60)]
    )
    view = open_view(Layout(collection.path))
    assert view is not None
    return view


def embed(texts: list[str]) -> np.ndarray:
    import embedkit

    return embedkit.embedder("hashing").embed(texts, input_type="query")


def test_every_row_has_its_exact_similarity(view, monkeypatch):
    monkeypatch.setattr(hybrid, "DEPTH", 5)  # so that each list has rows that the other has not
    queries = ["apple bridge n7", "engine"]
    vectors = embed(queries)
    fused = hybrid_search(view, queries, vectors * 3, 8)
    np.testing.assert_allclose(
        fused.dense, np.einsum("qnd,qd->qn", view.vectors.matrix[fused.keys], vectors), rtol=1e-5
    )
    assert (fused.dense_rank == 0).any()
    assert (fused.lexical_rank == 0).any()
    assert view.get("r7")[0] in fused.keys[0]


def test_only_what_a_filter_allows_and_all_of_it(view):
    allow = np.zeros(view.manifest.vector_rows, np.bool_)
    allow[[3, 8, 41]] = True
    fused = hybrid_search(view, ["apple n9"], embed(["apple n9"]), 5, allow=allow)
    assert sorted(fused.keys[0].tolist()) == [-1, -1, 3, 8, 41]


def test_a_word_that_no_text_holds_leaves_the_dense_order(view):
    vectors = embed(["zyzzyva"])
    fused = hybrid_search(view, ["zyzzyva"], vectors, 5)
    np.testing.assert_array_equal(fused.keys, view.index.search(vectors, 5).keys)


def test_one_word_of_many_that_are_asked_for_counts_little(view):
    query = "apple quixotic zephyr marmalade xylophone"
    vectors = embed([query])
    fused = hybrid_search(view, [query], vectors, 20)
    near, words = view.index.search(vectors, 20), view.lexical.search([query], 20)
    alone = fuse(near, words, 20, parse(None))
    assert np.abs(fused.lexical_part).max() < 0.5 * np.abs(alone.lexical_part).max()
