"""Every index in the registry, with both metrics, does what every index must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from embedkit import registry
from embedkit.testing import INDEX_CHECKS, IndexCase, check_index_backend
from embedkit.testing.measures import backends_always
from embedkit.types import METRICS, Metric

NAMES = [row.name for row in registry.rows("index")]
FLOORS = {"flat": 1.0, "auto": 0.995, "turbovec": 0.995}
"""Recall at 10; 0.97 for those that are not named."""
ROWS = {"auto": 24_000}
"""Enough to leave exact search behind."""


@cache
def case(name: str, metric: Metric) -> IndexCase:
    return IndexCase(name, metric, rows=ROWS.get(name, 3000), floor=FLOORS.get(name, 0.97))


@pytest.fixture(autouse=True)
def _ask_backends_always() -> Iterator[None]:
    with backends_always():
        yield


@pytest.mark.parametrize("check", INDEX_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", NAMES)
def test_index(name: str, metric: Metric, check: Callable[[IndexCase], None]) -> None:
    check(case(name, metric))


@pytest.mark.parametrize("name", NAMES)
def test_index_backend(name: str) -> None:
    check_index_backend(registry.resolve("index", name))


def test_auto_leaves_exact_search_behind() -> None:
    assert case("auto", "cosine").shared.resolved == "turbovec"


@pytest.mark.parametrize("name", NAMES)
def test_saved_indexes_hold_no_code(name: str, tmp_path: Path) -> None:
    """Opening an index from somebody else must not run their code: no pickles."""
    case(name, "cosine").shared.save(tmp_path / "index")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".npy", ".tv", ".ann", ".txt", ".usearch"}
    for path in files:
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False)
