"""What a backend of an index owes to those above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from embedkit.indexes.base import BaseBackend
from embedkit.protocols import IndexBackend
from embedkit.testing.measures import (
    clustered_vectors,
    ensure,
    ensure_positions,
    recall_of,
    refuses,
    temporary_folder,
)
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.types import Vectors


def check_index_backend(factory: Callable[[], IndexBackend]) -> None:
    """Check what a backend owes to :class:`embedkit.indexes.rows.RowIndex`.

    Parameters
    ----------
    factory : callable
        Returns a new backend that was not built: the class itself, where all options have
        defaults.

    Raises
    ------
    AssertionError
        Says what the backend did not do.
    """
    backend = factory()
    ensure(isinstance(backend, IndexBackend), "does not fulfil the protocol IndexBackend")
    ensure(0 < backend.tail_share <= 1, f"expected tail_share in (0, 1], got {backend.tail_share}")
    for rows in (1, 2, 7, 100, 1000):
        unit = normalize(clustered_vectors(rows, 30))
        backend = factory()
        backend.build(unit)
        if backend.exact:
            continue
        for n in (1, 10, rows, rows + 5):
            ensure_positions(backend.candidates(unit[:3], n), min(3, rows), rows)
        nearest = backend.candidates(unit, 5)
        own = (nearest == np.arange(rows)[:, None]).any(axis=1).mean()
        ensure(own >= 0.9, f"{own:.0%} of {rows} vectors were proposed for themselves")
        _check_backend_mask(backend, unit)
        _check_backend_save(factory, backend, unit)
    _check_backend_knob(factory())


def _check_backend_knob(backend: IndexBackend) -> None:
    """What can be changed after the build is an option, and its last step finds the most."""
    steps = getattr(backend, "steps", ())
    if not steps:
        return
    ensure(isinstance(backend, BaseBackend), "only a BaseBackend can be tuned")
    assert isinstance(backend, BaseBackend)
    refuses("a setting it does not have", backend.tune, {f"no_{backend.knob}": 1})
    unit = normalize(clustered_vectors(3000, 30))
    queries = normalize(clustered_vectors(50, 30, seed=1))
    backend.build(unit)
    nearest = np.argsort(-(queries @ unit.T), axis=1)[:, :10]
    recalls, found = [], []
    for step in (steps[0], steps[-1]):
        backend.tune({backend.knob: step})
        ensure(backend.setting == {backend.knob: step}, "it is not tuned to what it was told")
        found.append(backend.candidates(queries, 10))
        recalls.append(recall_of(found[-1], nearest.tolist()))
    other = backend.apart()
    other.tune({backend.knob: steps[0]})
    ensure(backend.setting == {backend.knob: steps[-1]}, "it is tuned with one apart from it")
    for one, before in zip((other, backend), found, strict=True):
        again = one.candidates(queries, 10)
        ensure(np.array_equal(again, before), "it searches as one apart from it is tuned")
    ensure(recalls[0] <= recalls[1], "its last step finds less than its first")
    ensure(recalls[1] > 0.99, f"its last step finds {recalls[1]:.1%} only")


def _check_backend_mask(backend: IndexBackend, unit: Vectors) -> None:
    if not backend.takes_mask:
        return
    for share in (0.01, 0.5):
        mask = np.random.default_rng(2).random(len(unit)) < share
        mask[0] = True
        found = backend.candidates(unit[:3], 5, mask)
        ensure_positions(found, min(3, len(unit)), len(unit))
        ensure(bool(mask[found[found >= 0]].all()), "a candidate is outside the mask")
        least = min(5, int(mask.sum()))
        ensure(bool(((found >= 0).sum(axis=1) >= least).all()), "the mask cost candidates")


def _check_backend_save(
    factory: Callable[[], IndexBackend], backend: IndexBackend, unit: Vectors
) -> None:
    expected = backend.candidates(unit[:5], 5)
    with temporary_folder() as folder:
        backend.save(folder)
        after = backend.candidates(unit[:5], 5)
        ensure(bool(np.array_equal(expected, after)), "saving changed the answers")
        loaded = factory()
        loaded.load(folder, rows=len(unit), dim=unit.shape[1])
        got = loaded.candidates(unit[:5], 5)
        ensure(bool(np.array_equal(expected, got)), "loading changed the answers")
