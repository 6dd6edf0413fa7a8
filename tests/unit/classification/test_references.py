from __future__ import annotations

import numpy as np

from embedkit import registry
from embedkit.classification.references import FAMILIES, axes, reference_texts


def test_each_sentence_once() -> None:
    texts = reference_texts()
    assert len(set(texts)) == len(texts) == sum(len(p) for family in FAMILIES for p in family)
    assert all(len(family) > 1 for family in FAMILIES), "one pole alone differs in nothing"


def test_axes_are_directions_out_of_the_middle_of_a_family() -> None:
    found = axes(registry.create("embedder", "hashing").embed(reference_texts()))
    assert found.shape[0] == sum(len(family) for family in FAMILIES)
    # All poles of a family together count 1, however many they are.
    sizes = [len(family) for family in FAMILIES]
    lengths = np.square(found).sum(axis=1)
    np.testing.assert_allclose(np.add.reduceat(lengths, np.r_[0, np.cumsum(sizes)[:-1]]), 1)
    np.testing.assert_allclose(lengths, 1 / np.repeat(sizes, sizes))
    np.testing.assert_allclose(found[0], -found[1], atol=1e-9)  # good and bad


def test_a_model_that_sees_no_difference_spans_nothing() -> None:
    same = np.zeros((len(reference_texts()), 4), np.float32)
    same[:, 0] = 1
    assert not axes(same).any()
