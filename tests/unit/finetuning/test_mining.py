from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedkit.finetuning.batches import epoch
from embedkit.finetuning.mining import NONE, mine
from embedkit.validate import normalize


def scattered(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return normalize(rng.normal(size=(n, 8)).astype(np.float32)), rng.integers(0, 3, n)


def test_negatives_are_the_nearest_of_other_labels_as_all_pairs_show() -> None:
    vectors, targets = scattered(30)
    found = mine(vectors, targets, negatives=3, index="flat")
    cosines = vectors @ vectors.T
    for row in range(30):
        other = np.flatnonzero(targets != targets[row])
        nearest = other[np.argsort(-cosines[row, other])][:3]
        assert found.negatives[row].tolist() == nearest.tolist()


def test_positives_are_the_farthest_neighbours_of_the_label_and_never_the_row() -> None:
    vectors, targets = scattered(30)
    found = mine(vectors, targets, index="flat")
    cosines = vectors @ vectors.T
    for row in range(30):
        own = [i for i in np.flatnonzero(targets == targets[row]) if i != row]
        assert found.positives[row, 0] == min(own, key=lambda i: cosines[row, i])


def test_a_row_without_company_has_empty_cells() -> None:
    vectors, _ = scattered(3)
    found = mine(vectors, np.array([0, 1, 1]), index="flat")
    assert found.positives[:, 0].tolist() == [NONE, 2, 1]
    assert found.negatives[1].tolist() == [0, NONE]
    assert found.hard == 1.0


@given(n=st.integers(5, 300), batch=st.integers(4, 40), seed=st.integers(0, 5))
def test_a_pass_without_triplets_has_every_row_once(n: int, batch: int, seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(3, 60, n)
    batches = list(epoch(lengths, batch, np.random.default_rng(seed)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert max(map(len, batches)) <= batch


def test_a_pass_with_triplets_is_about_as_long_and_has_negatives_beside_their_anchors() -> None:
    vectors, targets = scattered(400)
    triplets = mine(vectors, targets, index="flat")
    lengths = np.full(400, 10)
    batches = list(epoch(lengths, 32, np.random.default_rng(0), triplets=triplets, mined=1.0))
    assert 350 <= sum(map(len, batches)) <= 450
    for rows in batches:
        assert len(set(rows.tolist())) == len(rows) <= 32
        beside = [set(triplets.negatives[row].tolist()) & set(rows.tolist()) for row in rows]
        assert sum(map(bool, beside)) > len(rows) / 4
