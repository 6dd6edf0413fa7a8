from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from embedkit.errors import DamagedError, InvalidInputError, StorageError, UnknownBackendError
from embedkit.indexes import dynamic
from embedkit.indexes.dynamic import VectorIndex
from embedkit.testing import clustered_vectors
from embedkit.types import METRICS


class Model(RuleBasedStateMachine):
    """Any order of adding, removing and searching equals a dictionary and brute force."""

    @initialize(metric=st.sampled_from(METRICS), dim=st.integers(1, 4))
    def start(self, metric: str, dim: int) -> None:
        self.index = VectorIndex("flat", dim=dim, metric=metric)  # type: ignore[arg-type]
        self.model: dict[int, np.ndarray] = {}

    @rule(keys=st.lists(st.integers(0, 30), unique=True, max_size=8), seed=st.integers(0, 999))
    def add(self, keys: list[int], seed: int) -> None:
        dim = self.index.dim
        vectors = np.random.default_rng(seed).integers(-2, 3, (len(keys), dim)).astype(np.float32)
        if set(keys) & set(self.model):
            with pytest.raises(InvalidInputError, match="there already"):
                self.index.add(keys, vectors)
            return
        self.index.add(keys, vectors)
        self.model.update(zip(keys, vectors, strict=True))

    @rule(keys=st.lists(st.integers(0, 30), unique=True, max_size=4))
    def remove(self, keys: list[int]) -> None:
        if set(keys) - set(self.model):
            with pytest.raises(InvalidInputError, match="not there"):
                self.index.remove(keys)
            return
        self.index.remove(keys)
        for key in keys:
            del self.model[key]

    @rule(
        seed=st.integers(0, 99),
        k=st.integers(1, 12),
        allow=st.none() | st.lists(st.integers(0, 40), max_size=12),
    )
    def search(self, seed: int, k: int, allow: list[int] | None) -> None:
        query = np.random.default_rng(seed).integers(-2, 3, self.index.dim).astype(np.float64)
        keys = sorted(set(self.model) if allow is None else set(self.model) & set(allow))
        scores = {key: self._score(query, self.model[key].astype(np.float64)) for key in keys}
        found = self.index.search(query, k, allow=allow)
        hits = min(k, len(keys))
        assert (found.keys[0, hits:] == -1).all()
        got = found.keys[0, :hits].tolist()
        assert len(set(got)) == hits
        best = sorted(scores.values(), reverse=True)[:hits]
        assert np.allclose(found.scores[0, :hits], best, atol=1e-6)
        assert np.allclose(found.scores[0, :hits], [scores[key] for key in got], atol=1e-6)

    def _score(self, query: np.ndarray, vector: np.ndarray) -> float:
        if self.index.metric == "inner_product":
            return float(query @ vector)
        lengths = np.linalg.norm(query) * np.linalg.norm(vector)
        return float(query @ vector / lengths) if lengths else 0.0

    @invariant()
    def same_keys(self) -> None:
        if hasattr(self, "model"):
            assert len(self.index) == len(self.model)
            assert all((key in self.index) == (key in self.model) for key in range(31))


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


def filled(n: int = 50, spec: str = "flat") -> VectorIndex:
    index = VectorIndex(spec, dim=8)
    index.add(np.arange(n), clustered_vectors(n, 8))
    return index


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(UnknownBackendError, match="annoy"):
        VectorIndex("anoy", dim=3)
    with pytest.raises(InvalidInputError, match="dim"):
        VectorIndex("flat", dim=0)
    with pytest.raises(InvalidInputError, match="metric"):
        VectorIndex("flat", dim=3, metric="dot")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="n_trees"):
        VectorIndex("annoy?n_trees=0", dim=3)
    with pytest.raises(InvalidInputError, match="values up to"):
        VectorIndex("flat", dim=1, metric="inner_product").add([1], [[1e30]])


def test_extreme_lengths_have_a_cosine() -> None:
    index = VectorIndex("flat", dim=2)
    index.add([1, 2, 3], [[1e30, 0], [0, 1e-30], [1, 1]])
    assert index.search([1e-35, 1e-35], 3).keys.tolist() == [[3, 1, 2]]


def test_removed_rows_give_their_memory_back() -> None:
    index = filled(20_000, "turbovec")
    index.build()
    index.remove(np.arange(0, 20_000, 2))
    assert index.sizes.base == 10_000
    assert index._rows == 10_000
    assert (index.search(clustered_vectors(5, 8), 3).keys % 2 == 1).all()


def test_readers_go_on_while_one_writes() -> None:
    index = filled(3000, "turbovec")
    queries = clustered_vectors(20, 8, seed=3)
    fresh = clustered_vectors(2000, 8, seed=4)

    def write() -> None:
        for start in range(0, 2000, 100):
            index.add(np.arange(start, start + 100) + 10_000, fresh[start : start + 100])
            index.remove(np.arange(start, start + 100))

    def read(_: int) -> bool:
        found = index.search(queries, 10)
        return bool((found.keys >= 0).all()) and bool((np.diff(found.scores) <= 0).all())

    with ThreadPoolExecutor(4) as pool:
        writing = pool.submit(write)
        assert all(pool.map(read, range(60)))
        writing.result()
    assert len(index) == 3000


def test_saving_over_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InvalidInputError, match="other files"):
        filled().save(tmp_path)
    with pytest.raises(InvalidInputError, match="folder"):
        filled().save(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_loading_what_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InvalidInputError, match="saved index"):
            VectorIndex.load(path)


def test_a_failed_save_leaves_the_earlier_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = filled()
    index.save(tmp_path / "i")
    before = sorted(path.name for path in (tmp_path / "i").rglob("*"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    index.add([1000], np.ones((1, 8)))
    for step in ("write_durably", "files.seal"):
        with monkeypatch.context() as patch:
            patch.setattr(f"{dynamic.__name__}.{step}", full)
            with pytest.raises(StorageError, match="free some space"):
                index.save(tmp_path / "i")
        assert sorted(path.name for path in (tmp_path / "i").rglob("*")) == before
    assert 1000 not in VectorIndex.load(tmp_path / "i")


def test_a_lost_head_is_damage_not_absence(tmp_path: Path) -> None:
    filled().save(tmp_path / "i")
    (tmp_path / "i" / "index.json").unlink()
    with pytest.raises(DamagedError, match="missing"):
        VectorIndex.load(tmp_path / "i")


def test_repr_says_what_it_is() -> None:
    assert repr(filled(3)) == "VectorIndex('flat', dim=8, metric='cosine'), 3 vectors"


def test_a_contract_is_kept_saved_and_loaded(tmp_path):
    vectors = clustered_vectors(3000, 30)
    index = VectorIndex("usearch", dim=30, recall=0.99)
    index.add(np.arange(3000), vectors)
    measured = index.measurement
    assert measured.met
    assert measured.queries
    assert (measured.target, measured.rows) == (0.99, 3000)
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index")
    assert loaded.recall == 0.99
    assert loaded.measurement.setting == measured.setting
    assert loaded._built.backend.setting == measured.setting
    loaded.remove(np.arange(1200))
    assert (loaded.measurement.rows, loaded.measurement.met) == (1800, True)


def test_without_a_contract_nothing_is_measured():
    index = VectorIndex("usearch", dim=30)
    index.add(np.arange(3000), clustered_vectors(3000, 30))
    assert index.measurement is None
    with pytest.raises(InvalidInputError, match=r"in \(0, 1\]"):
        VectorIndex("flat", dim=3, recall=2)


def test_exact_search_is_taken_where_the_contract_says_so():
    index = VectorIndex("usearch", dim=30, recall=1)
    index.add(np.arange(3000), clustered_vectors(3000, 30))
    assert (index.resolved, index.measurement.recall) == ("flat", 1)
