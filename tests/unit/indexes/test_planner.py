"""The planner chooses the cheapest way, and none that could answer wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.errors import DamagedError, EmbedkitError
from embedkit.indexes import planner
from embedkit.indexes.base import BaseBackend
from embedkit.indexes.carry_out import Ground, Search
from embedkit.indexes.held import Held
from embedkit.indexes.planner import Decision, Task, decide
from embedkit.indexes.rows import RowIndex
from embedkit.indexes.turbovec import TurbovecBackend
from embedkit.indexes.usearch import UsearchBackend
from embedkit.indexes.widening import widened
from embedkit.testing import clustered_vectors
from embedkit.testing.measures import backends_always
from embedkit.validate import normalize

ROWS = 100_000


def task(share: float = 1.0, rows: int = ROWS, **others: Any) -> Task:
    matches = int(share * rows)
    return Task(
        **{
            "rows": rows,
            "dim": 384,
            "base": rows,
            "tail": 0,
            "matches": matches,
            "inside": matches,
            "wanted": min(10, matches),
            "queries": 1,
            "filtered": share < 1,
        }
        | others
    )


def decided(given: Task, backend: BaseBackend) -> Decision:
    return decide(given, Held(backend.name, backend))


@pytest.mark.parametrize(
    ("given", "masked", "bare"),
    [
        (task(), "index", "index"),
        (task(0.0), "none", "none"),
        (task(0.001), "gather", "gather"),
        (task(0.01), "gather", "gather"),
        (task(0.2), "allow-list", "widen"),
        (task(0.5), "allow-list", "widen"),
        (task(rows=1000), "scan", "scan"),
        (task(inside=0), "scan", "scan"),
        (task(base=0, inside=0), "scan", "scan"),
        (task(wanted=60_000), "scan", "scan"),
        (task(0.7, wanted=5000), "scan", "scan"),
        (task(queries=1000), "index", "index"),
    ],
)
def test_the_cheapest_way_is_taken(given: Task, masked: str, bare: str) -> None:
    assert decided(given, TurbovecBackend()).strategy == masked
    assert decided(given, UsearchBackend()).strategy == bare


@given(
    share=st.floats(0, 1),
    rows=st.integers(0, 3_000_000),
    wanted=st.integers(1, 5000),
    queries=st.integers(1, 300),
)
def test_every_decision_can_be_carried_out(
    share: float, rows: int, wanted: int, queries: int
) -> None:
    given = task(share, rows, queries=queries)
    given = task(share, rows, queries=queries, wanted=min(wanted, given.matches))
    for backend in (TurbovecBackend(), UsearchBackend(), BaseBackendNamed()):
        decision = decided(given, backend)
        assert decision.why
        asks = decision.strategy in ("index", "allow-list", "widen")
        assert asks == (decision.asked > 0)
        if asks:
            assert given.wanted <= decision.asked <= planner.deepest(backend)
        if decision.strategy == "gather":
            assert given.matches < given.rows


class BaseBackendNamed(BaseBackend):
    name: ClassVar[str] = "of somebody else"


class Cut(BaseBackend):
    """Knows the true order of all rows, and proposes its beginning."""

    name: ClassVar[str] = "cut"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def build(self, vectors: Any) -> None:
        self._vectors = vectors

    def candidates(self, queries: Any, n: int, mask: Any = None) -> Any:
        self.asked.append(n)
        assert mask is None
        return np.argsort(-(queries @ self._vectors.T), axis=1, kind="stable")[:, :n]


@pytest.mark.parametrize("patient", [False, True])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    share=st.floats(0.01, 0.99),
    how=st.sampled_from(["near", "far", "random", "ends"]),
    wanted=st.integers(1, 30),
)
def test_a_filter_against_the_query_is_never_answered_wrongly(
    patient: bool, seed: int, share: float, how: str, wanted: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = normalize(rng.standard_normal((600, 8)).astype(np.float32))
    queries = vectors[:3]
    order = np.argsort(-(queries[0] @ vectors.T))
    n = max(1, int(share * 600))
    chosen = {
        "near": order[:n],
        "far": order[-n:],
        "random": rng.permutation(600)[:n],
        "ends": np.concatenate((order[: max(1, wanted // 2)], order[-n:])),
    }[how]
    allow = np.zeros(600, bool)
    allow[chosen] = True
    backend = Cut()
    backend.build(vectors)
    index = RowIndex(
        vectors,
        metric="cosine",
        spec="cut",
        live=np.ones(600, bool),
        backend=backend,
        base=np.arange(600),
    )
    with pytest.MonkeyPatch.context() as patch:
        # Hardly any patience: a list that lacks enough matches is given up at once.
        ms = float("inf") if patient else 1e-9
        patch.setattr(planner, "exact_ms", lambda _: ms)
        patch.setattr(planner, "EXACT_BIAS", 0.5 if patient else 0.0)
        found = index.search(queries, wanted, allow=allow)
    scores = np.where(allow, queries @ vectors.T, -np.inf)
    hits = min(wanted, int(allow.sum()))
    truth = -np.sort(-scores, axis=1)[:, :hits]
    assert np.allclose(found.scores[:, :hits], truth, atol=1e-6)
    assert allow[found.keys[:, :hits]].all()
    assert found.plan is not None
    if patient:
        assert found.plan.fallbacks == 0, "the longest list holds every row"


def test_a_list_that_lacks_matches_is_made_longer() -> None:
    vectors = normalize(np.random.default_rng(0).standard_normal((5000, 16)).astype(np.float32))
    backend = Cut()
    backend.build(vectors)
    query = vectors[:1]
    flags = np.zeros(5000, bool)
    flags[np.argsort(-(query @ vectors.T)[0])[300:]] = True
    given = task(1.0, 5000, dim=16, inside=int(flags.sum()), matches=int(flags.sum()))
    with backends_always():
        found = widened(backend, query, flags, given, 40)
    assert not found.gave_up.any()
    assert backend.asked[0] == 40
    assert backend.asked == sorted(backend.asked)
    assert 1200 < found.asked < 5000
    best = np.flatnonzero(flags)[np.argsort(-(query @ vectors[flags].T)[0])[:10]]
    assert set(best.tolist()) <= set(found.positions[0].tolist())


class Rough(Cut):
    """Proposes the wrong rows, but says up to which score it is to be trusted."""

    def propose(self, queries: Any, n: int, mask: Any = None) -> Any:
        self.asked.append(n)
        scores = queries @ self._vectors.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, 5 : 5 + n]
        return order, scores.max(axis=1)


def test_candidates_that_cannot_be_trusted_are_asked_for_again_then_searched_exactly() -> None:
    vectors = normalize(np.random.default_rng(0).standard_normal((5000, 16)).astype(np.float32))
    backend = Rough()
    backend.build(vectors)
    held = Held("rough", backend)
    ground = Ground(vectors, "cosine", None, None, held, None)
    given = task(1.0, 5000, dim=16, wanted=2)
    decision = Decision("index", "", 2)
    with backends_always():
        search = Search(ground, vectors[:3], given, decision, None, None, np.empty(0, np.int64))
        rows, scores = search.run()
    assert backend.asked == [2, 32]
    assert search.fallbacks == 3
    truth = np.argsort(-(vectors[:3] @ vectors.T), axis=1)[:, :2]
    assert np.array_equal(rows, truth)
    assert (scores[:, 0] > 0.999).all()


def saved(folder: Path, n: int = 4000) -> Any:
    vectors = normalize(clustered_vectors(n, 24))
    live = np.ones(n, bool)
    RowIndex.build(vectors, metric="cosine", spec="turbovec", live=live).save(folder)
    return vectors, live


def test_a_backend_is_read_when_a_search_gains_by_it(tmp_path: Path) -> None:
    vectors, live = saved(tmp_path)
    told: list[EmbedkitError] = []
    index = RowIndex.load(tmp_path, vectors, metric="cosine", live=live, failed=told.append)
    first = index.search(vectors[:4], 5)
    assert first.plan is not None
    assert first.plan.strategy == "scan"
    assert "read" in first.plan.why
    assert index.resolved == "turbovec"
    assert not index.needs_rebuild
    assert index._held.loaded is None, "nothing has needed it so far"
    later = index.refreshed(vectors, live)
    with backends_always():
        second = later.search(vectors[:4], 5)
    assert second.plan is not None
    assert second.plan.strategy == "index"
    assert index._held.loaded is not None, "both share it"
    assert np.array_equal(first.keys, second.keys)
    assert not told


@pytest.mark.parametrize(
    ("given", "waits"), [(task(), False), (task(rows=10**6), True), (task(0.001, 10**6), False)]
)
def test_more_vectors_than_may_be_in_memory_are_not_read_instead(given: Task, waits: bool) -> None:
    held = Held("turbovec", load=TurbovecBackend, size=200 * given.rows)
    decide(given, held)
    assert (held.loaded is not None) == waits


def test_what_reading_costs_is_waited_for_once_only() -> None:
    held = Held("turbovec", load=TurbovecBackend, size=0, failed=lambda _: None)
    spent = 0.0
    while held.spend(10.0):
        spent += 10.0
    assert held.loaded is None
    assert planner.load_ms("turbovec", 0) - 10 <= spent < planner.load_ms("turbovec", 0)
    assert not held.spend(1000.0), "a search that is dearer than the reading is not waited for"


def test_a_damaged_backend_is_told_once_and_costs_no_hits(tmp_path: Path) -> None:
    vectors, live = saved(tmp_path)
    path = tmp_path / "backend" / "codes.tv"
    path.write_bytes(path.read_bytes()[:-100])
    told: list[EmbedkitError] = []
    index = RowIndex.load(tmp_path, vectors, metric="cosine", live=live, failed=told.append)
    for _ in range(2):
        with backends_always():
            found = index.search(vectors[:4], 5)
        assert found.keys[:, 0].tolist() == [0, 1, 2, 3]
    assert [type(error) for error in told] == [DamagedError]
    assert found.plan is not None
    assert "cannot be used" in found.plan.why
    with pytest.raises(DamagedError):
        RowIndex.load(tmp_path, vectors, metric="cosine", live=live)
