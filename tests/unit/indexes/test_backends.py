"""What one backend does and the shared suite cannot ask of all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedkit import registry
from embedkit.errors import DamagedError, InvalidInputError
from embedkit.indexes import auto
from embedkit.indexes.annoy import AnnoyBackend
from embedkit.indexes.auto import AutoBackend
from embedkit.indexes.turbovec import MOST, POOL, TurbovecBackend
from embedkit.indexes.usearch import UsearchBackend
from embedkit.testing import clustered_vectors
from embedkit.validate import normalize


@pytest.mark.parametrize(
    "spec",
    [
        "turbovec?bits=5",
        "turbovec?bits=1",
        "annoy?n_trees=0",
        "annoy?search_k=-1",
        "annoy?seed=-1",
        "usearch?m=1",
        "usearch?ef_search=0",
        "usearch?dtype=f64",
        "usearch?n_jobs=0",
    ],
)
def test_options_out_of_range_are_refused(spec: str) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        registry.create("index", spec)


def test_annoy_searches_more_than_the_librarys_default() -> None:
    unit = normalize(clustered_vectors(4000, 60))
    default, few = AnnoyBackend(n_trees=20), AnnoyBackend(n_trees=20, search_k=1)
    default.build(unit)
    few._index = default._index
    truth = np.argsort(-(unit[:50] @ unit.T), axis=1)[:, :10]

    def recall(backend: AnnoyBackend) -> float:
        found = backend.candidates(unit[:50], 10)
        return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))

    assert recall(few) < 0.9
    assert recall(default) > 0.97


def test_annoy_refuses_a_forest_of_other_rows(tmp_path: Path) -> None:
    backend = AnnoyBackend(n_trees=1)
    backend.build(normalize(clustered_vectors(10, 4)))
    backend.save(tmp_path)
    with pytest.raises(DamagedError, match="11 rows"):
        AnnoyBackend().load(tmp_path, rows=11, dim=4)


def test_usearch_refuses_a_graph_of_other_rows(tmp_path: Path) -> None:
    backend = UsearchBackend()
    backend.build(normalize(clustered_vectors(10, 4)))
    backend.save(tmp_path)
    with pytest.raises(DamagedError, match="11 rows"):
        UsearchBackend().load(tmp_path, rows=11, dim=4)


def test_usearch_builds_the_same_graph_again(tmp_path: Path) -> None:
    unit = normalize(clustered_vectors(3000, 30))
    graphs = []
    for name in ("one", "two"):
        backend = UsearchBackend()
        backend.build(unit)
        (tmp_path / name).mkdir()
        backend.save(tmp_path / name)
        graphs.append((tmp_path / name / "graph.usearch").read_bytes())
    assert graphs[0] == graphs[1]


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "i8"])
def test_usearch_finds_the_nearest_with_numbers_of_any_size(dtype: str) -> None:
    unit = normalize(clustered_vectors(3000, 30))
    backend: UsearchBackend = registry.create("index", f"usearch?dtype={dtype}")
    backend.build(unit)
    truth = np.argsort(-(unit[:50] @ unit.T), axis=1)[:, :10]
    found = backend.candidates(unit[:50], 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)])
    assert recall > 0.98


@pytest.mark.parametrize("dim", [1, 7, 8, 9])
def test_turbovec_takes_any_width(dim: int) -> None:
    unit = normalize(clustered_vectors(300, dim))
    backend = TurbovecBackend()
    backend.build(unit)
    assert backend.candidates(unit[:2], 5).shape[1] >= 5


def test_turbovec_takes_vectors_that_are_all_alike() -> None:
    backend = TurbovecBackend()
    backend.build(np.tile(normalize(np.ones((1, 8), np.float32)), (500, 1)))
    assert backend.candidates(normalize(np.ones((1, 8), np.float32)), 5).shape[1] >= 5


def test_turbovec_proposes_more_where_scores_are_close() -> None:
    rng = np.random.default_rng(0)
    center = normalize(rng.standard_normal((1, 64)).astype(np.float32))
    crowd = normalize(center + 0.003 * rng.standard_normal((5000, 64)).astype(np.float32))
    # Ten that stand out, then nothing near them.
    apart = normalize(-center + 0.05 * rng.standard_normal((10, 64)).astype(np.float32))
    backend = TurbovecBackend()
    backend.build(np.concatenate((crowd, apart)))
    assert backend.candidates(-center, 5).shape == (1, POOL)
    wide = backend.candidates(center, 5).shape[1]
    assert POOL < wide <= MOST
    both = backend.candidates(np.concatenate((center, -center)), 5)
    assert ((both >= 0).sum(axis=1) == [wide, POOL]).all()


def test_auto_stays_exact_where_nothingis_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "is_installed", lambda name: False)
    backend = AutoBackend()
    assert not backend.outgrown(10**7)
    backend.build(np.ones((30_000, 1), np.float32))
    assert backend.exact


def test_searching_loads_numpy_and_nothing_else() -> None:
    code = (
        "import sys; import embedkit.indexes.rows, embedkit.indexes.dynamic,"
        " embedkit.indexes.flat, embedkit.indexes.auto;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "numpy" in loaded
    heavy = {"scipy", "sklearn", "pyarrow", "duckdb", "pandas", "torch", "numba", "turbovec"}
    assert not heavy & set(loaded)
