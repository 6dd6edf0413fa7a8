"""The nearest rows, against sorting all cosines."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.classification.audit import nearest as module
from embedkit.classification.audit.nearest import nearest
from embedkit.validate import normalize


@pytest.mark.parametrize("block", [1, 7, 512])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_as_sorting_all_has_them(monkeypatch: pytest.MonkeyPatch, block: int, k: int) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    rng = np.random.default_rng(0)
    rows = normalize(rng.normal(size=(30, 8)).astype(np.float32))
    queries = normalize(rng.normal(size=(15, 8)).astype(np.float32))
    places, cosines = nearest(queries, rows, k)
    assert places.shape == cosines.shape == (15, min(k, 30))
    want = np.sort(queries @ rows.T, axis=1)[:, ::-1][:, :k]
    np.testing.assert_allclose(cosines, want, atol=1e-5)
    np.testing.assert_allclose((queries @ rows.T)[np.arange(15)[:, None], places], want, atol=1e-5)


def test_rows_of_the_own_group_are_no_neighbours() -> None:
    rows = normalize(np.array([[1, 0], [1, 0], [1, 0.1], [0, 1]], np.float32))
    groups = np.array([0, 0, 2, 3])
    places, cosines = nearest(rows, rows, 3, groups=(groups, groups))
    assert places[0].tolist() == [2, 3, -1]
    assert cosines[0, 2] == -1
    assert places[2].tolist() == [0, 1, 3]


def test_no_rows() -> None:
    none = np.empty((0, 4), np.float32)
    places, _ = nearest(np.ones((2, 4), np.float32) / 2, none, 5)
    assert places.shape == (2, 0)
    assert nearest(none, np.ones((2, 4), np.float32) / 2, 5)[0].shape == (0, 2)
