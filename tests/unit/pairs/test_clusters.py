from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.errors import InvalidInputError
from embedkit.indexes.exact import top_k
from embedkit.pairs import clusters, join, sketch
from embedkit.pairs.clusters import check_linkage, components, leaders, scores_with
from embedkit.pairs.join import Join
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.types import Vectors


def clouds(seed: int, n: int, dim: int, spread: float) -> Vectors:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(1, n // 6), dim))
    near = centres[random.integers(len(centres), size=n)] + spread * random.standard_normal(
        (n, dim)
    )
    return normalize(near.astype(np.float32))


def similarities(vectors: Vectors) -> Vectors:
    rows, scores = top_k(vectors, vectors, len(vectors))
    out = np.empty_like(scores)
    np.put_along_axis(out, rows, np.minimum(scores, 1), 1)
    return out


def naive_components(similar: Vectors, threshold: float) -> list[int]:
    labels = list(range(len(similar)))
    changed = True
    while changed:
        changed = False
        for i, j in np.argwhere(similar >= np.float32(threshold)).tolist():
            least = min(labels[i], labels[j])
            changed |= labels[i] != least or labels[j] != least
            labels[i] = labels[j] = least
    return labels


def naive_leaders(similar: Vectors, threshold: float) -> list[int]:
    found: list[int] = []
    for i in range(len(similar)):
        before = [j for j in range(i) if found[j] == j and similar[j, i] >= np.float32(threshold)]
        found.append(max(before, key=lambda j: (similar[j, i], -j)) if before else i)
    return found


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(0, 100),
    dim=st.integers(2, 70),
    spread=st.sampled_from([0.0, 0.1, 0.4, 1.0]),
    threshold=st.floats(0.05, 1),
    high=st.integers(1, 30),
    merged=st.integers(1, 50),
    tried=st.sampled_from([2, 10_000]),
)
def test_clusters_are_those_of_their_definition(
    seed: int, n: int, dim: int, spread: float, threshold: float, high: int, merged: int, tried: int
) -> None:
    vectors = clouds(seed, n, dim, spread)
    similar = similarities(vectors)
    with pytest.MonkeyPatch.context() as patch:
        for module in (join, clusters):
            patch.setattr(module, "HIGH", high)
            patch.setattr(module, "WIDE", 2 * high + 1)
        patch.setattr(clusters, "MERGED", merged)
        patch.setattr(join, "LOOKED_AT", merged)
        patch.setattr(sketch, "TRIED", tried)
        patch.setattr(sketch, "DEPTHS", (3, 8, 20))
        single = components(Join(vectors, None, threshold))
        leader, scores = leaders(Join(vectors, None, threshold))
        again = scores_with(Join(vectors, None, threshold), leader)
    assert single.tolist() == naive_components(similar, threshold)
    assert leader.tolist() == naive_leaders(similar, threshold)
    own = leader == np.arange(n)
    assert (scores[own] == 1).all()
    assert scores[~own].tolist() == similar[leader, np.arange(n)][~own].tolist()
    assert (scores >= np.float32(threshold)).all()
    assert again.tolist() == scores.tolist()


def test_a_chain_is_one_cluster_by_single_linkage_alone() -> None:
    angles = np.deg2rad(np.arange(0, 180, 20))
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    threshold = float(np.cos(np.deg2rad(21)))
    assert set(components(Join(vectors, None, threshold)).tolist()) == {0}
    assert leaders(Join(vectors, None, threshold))[0].tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8]


def test_where_all_are_alike_few_pairs_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    n = 3000
    vectors = normalize((1 + 0.01 * random.standard_normal((n, 64))).astype(np.float32))
    monkeypatch.setattr(clusters, "MERGED", 1)
    monkeypatch.setattr(join, "HIGH", 100)
    monkeypatch.setattr(join, "WIDE", 400)
    monkeypatch.setattr(join, "LOOKED_AT", 1600)
    scored = 0
    original = Join._reach

    def counting(self, left, right):  # type: ignore[no-untyped-def]
        nonlocal scored
        scored += len(left)
        return original(self, left, right)

    monkeypatch.setattr(Join, "_reach", counting)
    assert set(components(Join(vectors, None, 0.9)).tolist()) == {0}
    assert n - 1 <= scored < 12 * n
    scored = 0
    monkeypatch.setattr(clusters, "HIGH", 100)
    assert set(leaders(Join(vectors, None, 0.9))[0].tolist()) == {0}
    assert n - 1 <= scored < 3 * n


def test_another_linkage_is_refused() -> None:
    assert check_linkage("leader") == "leader"
    with pytest.raises(InvalidInputError, match="complete"):
        check_linkage("complete")
