from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.errors import (
    DamagedError,
    FormatVersionError,
    InvalidInputError,
    StorageError,
    UnknownBackendError,
)
from embedkit.indexes import rows as rows_module
from embedkit.indexes.base import BaseBackend
from embedkit.indexes.files import seal, signed
from embedkit.indexes.rows import RowIndex
from embedkit.testing import clustered_vectors
from embedkit.testing.measures import backends_always
from embedkit.types import Metric
from embedkit.validate import normalize

SMALL = settings(max_examples=30, deadline=None, derandomize=True)
SPECS = ["flat", "turbovec", "turbovec?bits=2", "annoy?n_trees=3&search_k=5", "auto"]


@pytest.fixture(scope="module", autouse=True)
def _ask_backends_always() -> Iterator[None]:
    """Small data would never reach a backend otherwise."""
    with pytest.MonkeyPatch.context() as patch, backends_always():
        patch.setattr(rows_module, "EXACT_ROWS", 3)
        yield


def made(n: int, dim: int, seed: int, metric: Metric) -> Any:
    vectors = np.random.default_rng(seed).integers(-2, 3, (n, dim)).astype(np.float32)
    return normalize(vectors) if metric == "cosine" else vectors


def oracle(index: RowIndex, queries: Any, vectors: Any, keep: Any) -> Any:
    """All scores, float64 rounded once; -inf where a row does not count."""
    if index.metric == "cosine":
        queries = normalize(queries)
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    return np.where(keep, scores.astype(np.float32), -np.inf)


def check(index: RowIndex, vectors: Any, live: Any, allow: Any, k: int) -> None:
    queries = made(3, vectors.shape[1], 99, "inner_product")
    found = index.search(queries, k, allow=allow)
    keep = live if allow is None else live & allow
    truth = oracle(index, queries, vectors, keep)
    hits = min(k, int(keep.sum()))
    assert found.keys.shape == (3, k)
    assert ((found.keys >= 0).sum(axis=1) == hits).all()
    assert (found.keys[:, hits:] == -1).all()
    assert (found.scores[:, hits:] == -np.inf).all()
    for keys, scores, line in zip(found.keys[:, :hits], found.scores[:, :hits], truth, strict=True):
        assert len(set(keys.tolist())) == hits
        assert keep[keys].all()
        assert np.allclose(scores, line[keys], atol=1e-6)
        assert np.lexsort((keys, -scores)).tolist() == list(range(hits))
        if index.resolved == "flat":
            assert np.allclose(scores, np.sort(line)[::-1][:hits], atol=1e-6)
    if index.resolved == "flat" and index.metric == "inner_product":
        for keys, line in zip(found.keys[:, :hits], truth, strict=True):
            assert keys.tolist() == np.lexsort((np.arange(len(line)), -line))[:hits].tolist()


@pytest.mark.parametrize("metric", ["cosine", "inner_product"])
@pytest.mark.parametrize("spec", SPECS)
@SMALL
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 60),
    dim=st.integers(1, 10),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["append", "remove", "revive"]),
            st.integers(0, 25),
            st.sampled_from([None, 0.0, 0.05, 0.3, 0.9]),
            st.integers(1, 30),
        ),
        max_size=4,
    ),
)
def test_any_history(
    spec: str, metric: Metric, seed: int, n: int, dim: int, steps: list[Any]
) -> None:
    rng = np.random.default_rng(seed)
    vectors = made(n, dim, seed, metric)
    live = rng.random(n) < 0.8
    index = RowIndex.build(vectors, metric=metric, spec=spec, live=live)
    check(index, vectors, live, None, 5)
    for number, (step, amount, share, k) in enumerate(steps):
        live = live.copy()
        if step == "append":
            more = made(amount, dim, seed + number + 1, metric)
            vectors = np.concatenate((vectors, more * (3 if metric == "inner_product" else 1)))
            live = np.concatenate((live, np.ones(amount, bool)))
        elif len(live):
            live[rng.integers(0, len(live), amount)] = step == "revive"
        index = index.refreshed(vectors, live)
        check(index, vectors, live, None, k)
        if share is not None:
            check(index, vectors, live, rng.random(len(live)) < share, k)


def filled(spec: str = "turbovec", n: int = 3000, **options: Any) -> tuple[RowIndex, Any, Any]:
    vectors = normalize(clustered_vectors(n, 24))
    live = np.ones(n, bool)
    return RowIndex.build(vectors, metric="cosine", spec=spec, live=live, **options), vectors, live


def test_rows_added_later_sit_in_the_tail_and_are_found_exactly() -> None:
    index, vectors, _live = filled()
    more = normalize(clustered_vectors(50, 24, seed=5))
    all_vectors = np.concatenate((vectors, more))
    later = index.refreshed(all_vectors, np.ones(3050, bool))
    assert (later.sizes.base, later.sizes.tail, later.sizes.masked) == (3000, 50, 0)
    assert later.search(more, 1).keys[:, 0].tolist() == list(range(3000, 3050))
    assert index.search(more, 1).keys.max() < 3000, "the earlier index changed"


def test_needs_rebuild_when_tail_or_masked_grow() -> None:
    index, vectors, live = filled()
    assert not index.needs_rebuild
    more = normalize(clustered_vectors(rows_module.LEAST_TAIL + 1, 24, seed=5))
    every = np.concatenate((vectors, more))
    assert not index.refreshed(every[:-1], np.ones(len(every) - 1, bool)).needs_rebuild
    assert index.refreshed(every, np.ones(len(every), bool)).needs_rebuild
    gone = live.copy()
    gone[:700] = False
    assert not index.refreshed(vectors, gone).needs_rebuild
    gone[:800] = False
    assert index.refreshed(vectors, gone).needs_rebuild


def test_flat_never_needs_a_rebuild() -> None:
    index, vectors, _live = filled("flat", 10)
    every = np.concatenate((vectors, *[vectors] * 2000))
    assert not index.refreshed(every, np.arange(len(every)) > 5000).needs_rebuild


def test_auto_outgrows_its_choice() -> None:
    index, vectors, _live = filled("auto")
    assert index.resolved == "flat"
    every = np.concatenate([vectors] * 9)
    grown = index.refreshed(every, np.ones(len(every), bool))
    assert grown.needs_rebuild
    big = RowIndex.build(every, metric="cosine", spec="auto", live=np.ones(len(every), bool))
    assert big.resolved == "turbovec"
    assert not big.needs_rebuild
    assert big.refreshed(every, np.arange(len(every)) < 9000).needs_rebuild


def test_a_backend_that_proposes_too_little_costs_no_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    index, vectors, _live = filled()
    backend = index._held.get()
    truth = filled("flat")[0].search(vectors[:5], 7)
    for wrong in (
        np.full((5, 7), -1),
        np.empty((5, 0), np.int64),
        np.zeros((5, 20), np.int64),
        np.tile(np.array([1, 2, 3, -1, -1, -1, -1]), (5, 1)),
    ):
        monkeypatch.setattr(backend, "candidates", lambda *_, wrong=wrong: wrong)
        found = index.search(vectors[:5], 7)
        assert np.array_equal(found.keys, truth.keys)
        assert np.array_equal(found.scores, truth.scores)


def test_ties_follow_the_order_that_was_asked_for() -> None:
    vectors = np.ones((6, 2), np.float32) / np.float32(2**0.5)
    ties = np.array([5, 4, 3, 2, 1, 0])
    live = np.ones(6, bool)
    index = RowIndex.build(vectors, metric="cosine", spec="flat", live=live, ties=ties)
    assert index.search(vectors[:1], 3).keys.tolist() == [[5, 4, 3]]


@pytest.mark.parametrize("metric", ["cosine", "inner_product"])
@pytest.mark.parametrize("spec", SPECS)
def test_save_load(spec: str, metric: Metric, tmp_path: Path) -> None:
    vectors = made(3000, 12, 0, metric)
    live = np.random.default_rng(0).random(3000) < 0.9
    index = RowIndex.build(vectors, metric=metric, spec=spec, live=live)
    index.save(tmp_path / "a" / "index-3")
    file = np.memmap(tmp_path / "v", np.float32, "w+", shape=vectors.shape)
    file[:] = vectors
    loaded = RowIndex.load(tmp_path / "a" / "index-3", file, metric=metric, live=live)
    expected, got = index.search(vectors[:9], 8), loaded.search(vectors[:9], 8)
    assert np.array_equal(expected.keys, got.keys)
    assert np.array_equal(expected.scores, got.scores)
    assert (loaded.spec, loaded.resolved, loaded.sizes) == (spec, index.resolved, index.sizes)


def test_an_index_of_other_vectors_is_refused(tmp_path: Path) -> None:
    index, vectors, live = filled()
    index.save(tmp_path / "i")
    for matrix, metric in (
        (vectors[:100], "cosine"),
        (vectors[:, :9].copy(), "cosine"),
        (vectors, "inner_product"),
    ):
        with pytest.raises(DamagedError, match="rebuild"):
            RowIndex.load(tmp_path / "i", matrix, metric=metric, live=live[: len(matrix)])


def test_files_of_another_version_are_refused(tmp_path: Path) -> None:
    index, vectors, live = filled()
    index.save(tmp_path / "i")
    head = tmp_path / "i" / "base.json"
    about = json.loads(head.read_text())
    del about["sha256"]
    head.write_text(json.dumps(signed(about | {"format": 99})))
    seal(tmp_path / "i")
    with pytest.raises(FormatVersionError, match="99"):
        RowIndex.load(tmp_path / "i", vectors, metric="cosine", live=live)


def test_what_the_library_cannot_read_is_damage(tmp_path: Path) -> None:
    index, vectors, live = filled()
    index.save(tmp_path / "i")
    (tmp_path / "i" / "backend" / "codes.tv").write_bytes(b"written by another version")
    seal(tmp_path / "i")
    with pytest.raises(DamagedError, match="turbovec cannot read"):
        RowIndex.load(tmp_path / "i", vectors, metric="cosine", live=live)


def test_a_disk_that_refuses_is_a_storage_error(tmp_path: Path) -> None:
    index, _, _ = filled("flat", 5)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        index.save(tmp_path / "file" / "index")


def test_what_cannot_be_meant_is_refused() -> None:
    index, vectors, live = filled("flat", 5)
    for allow in (np.ones(4, bool), np.ones(5), [1, 2], np.ones((5, 1), bool)):
        with pytest.raises(InvalidInputError, match="allow"):
            index.search(vectors[:1], 1, allow=allow)
    with pytest.raises(InvalidInputError, match="fewer answers"):
        index.search(vectors[:2], 2**31 - 1)
    with pytest.raises(InvalidInputError, match="live"):
        index.refreshed(vectors, live[:3])
    with pytest.raises(InvalidInputError, match="float32"):
        RowIndex.build(vectors.astype(float), metric="cosine", spec="flat", live=live)
    with pytest.raises(UnknownBackendError, match="flat"):
        RowIndex.build(vectors, metric="cosine", spec="flatt", live=live)
    with pytest.raises(InvalidInputError, match="bits"):
        RowIndex.build(vectors, metric="cosine", spec="turbovec?bits=9", live=live)
    inner = RowIndex.build(vectors, metric="inner_product", spec="flat", live=live)
    with pytest.raises(InvalidInputError, match="values up to"):
        inner.search(1e20 * vectors[:1], 1)


def test_live_is_copied() -> None:
    index, vectors, live = filled("flat", 5)
    live[:] = False
    assert (index.search(vectors[:1], 5).keys >= 0).all()


def test_a_backend_needs_no_more_than_the_protocol() -> None:
    bare = BaseBackend()
    with pytest.raises(NotImplementedError):
        bare.build(np.ones((1, 1), np.float32))
    assert (bare.exact, bare.takes_mask, bare.outgrown(10**9)) == (False, False, False)
