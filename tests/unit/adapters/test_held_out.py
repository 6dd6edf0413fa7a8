"""What is measured of adapters is of rows that they did not learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.adapters.held_out import Found, measure_labels, measure_pairs

if TYPE_CHECKING:
    from embedkit.types import Vectors


def quiet(what: str, done: int, total: int) -> None:
    pass


def noise(n: int) -> Vectors:
    vectors = np.random.default_rng(5).normal(size=(n, 24)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def after(found: Found) -> dict[str, float]:
    return {measure.name: measure.after for measure in found.measures}


def test_labels_that_mean_nothing_are_not_foretold() -> None:
    targets = np.random.default_rng(6).permutation(np.arange(120) % 3)
    texts = [f"text {i}" for i in range(120)]
    found = measure_labels(0.3, noise(120), targets, 3, texts, 0, quiet)
    assert found.held_out == 120
    assert max(after(found).values()) < 0.5  # of one that learned from these rows: 0.65 and 0.78
    assert not any(measure.helped for measure in found.measures)


def test_equal_texts_are_held_out_together() -> None:
    targets = np.random.default_rng(6).permutation(np.arange(60) % 3)
    texts = [f"text {i}" for i in range(60)] + [f"TEXT  {i}" for i in range(60)]
    vectors = np.concatenate([noise(60), noise(60)])
    found = measure_labels(0.3, vectors, np.tile(targets, 2), 3, texts, 0, quiet)
    assert max(measure.before for measure in found.measures) < 0.5


def test_pairs_that_mean_nothing_are_not_foretold() -> None:
    pairs = [(4 * f + i, 4 * f + j) for f in range(20) for i in range(4) for j in range(i)]
    left, right = np.array(pairs).T
    found = measure_pairs(0.3, noise(80), left, right, np.ones(len(left), bool), 0, quiet)
    assert found.held_out == len(pairs)
    assert after(found)["ndcg@10"] < 0.2  # of one that learned from the same families: 0.69
