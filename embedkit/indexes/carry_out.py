"""Carries out what the planner decided, and keeps account of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.indexes import exact, planner
from embedkit.indexes.geometry import unit_queries
from embedkit.indexes.planner import Decision, Task
from embedkit.indexes.widening import widened
from embedkit.types import Neighbors, SearchPlan

if TYPE_CHECKING:
    from embedkit.indexes.held import Held
    from embedkit.protocols import IndexBackend
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask, Metric, Vectors

DEEPER = 16
"""So many times the candidates are asked for again where the first ones cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What every search of an index works on.

    Attributes
    ----------
    base : int64 array or None
        Row numbers of the backend's positions; None where they are the same.
    longest : float
        Length of the longest vector of the base.
    """

    vectors: Matrix
    metric: Metric
    norms: Vectors | None
    ties: Keys | None
    held: Held
    base: Keys | None
    longest: float = 1.0

    @property
    def backend(self) -> IndexBackend:
        """The backend, which was read when it was decided to ask it."""
        assert self.held.loaded is not None
        return self.held.loaded

    def scale(self, queries: Vectors) -> Any:
        """Return what makes similarities of unit vectors scores of the metric."""
        if self.metric == "cosine":
            return 1.0
        lengths = np.linalg.norm(queries, axis=1)
        return self.longest * np.where(lengths > 0, lengths, 1)

    def score_all(
        self, queries: Vectors, n: int, *, rows: Keys | None = None, mask: Mask | None = None
    ) -> tuple[Keys, Vectors]:
        """Return the n nearest of some rows, or of all, exactly."""
        return exact.top_k(
            queries, self.vectors, n, rows=rows, mask=mask, norms=self.norms, ties=self.ties
        )


@dataclass
class Search:
    """One search: what it is to find, and what it did.

    Attributes
    ----------
    allowed : bool array, shape (n,), or None
        Rows that count; None for all of them.
    flags : bool array, shape (base,), or None
        The same of the backend's positions.
    tail : int64 array
        Rows beside the base that count.
    """

    ground: Ground
    queries: Vectors
    task: Task
    decision: Decision
    allowed: Mask | None
    flags: Mask | None
    tail: Keys
    scored: int = 0
    asked: int = 0
    fallbacks: int = 0
    milliseconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> tuple[Keys, Vectors]:
        """Return the nearest rows, shape (n_queries, wanted), and their scores, best first."""
        strategy = self.decision.strategy
        if strategy == "none":
            nothing = (len(self.queries), 0)
            return np.empty(nothing, np.int64), np.empty(nothing, np.float32)
        if strategy in ("gather", "scan"):
            return self._exactly(self.queries)
        return self._by_index()

    def neighbors(self, k: int, live: int) -> Neighbors:
        """Return what was found among so many live rows, k cells for each query."""
        rows, scores = self.run()
        missing = k - rows.shape[1]
        if missing:
            rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
            scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
        return Neighbors(rows, scores, self.plan(live))

    def plan(self, live: int) -> SearchPlan:
        """Return the account of what was done, over so many live rows."""
        return SearchPlan(
            strategy=self.decision.strategy,
            why=self.decision.why,
            rows=live,
            matches=self.task.matches,
            asked=self.asked,
            scored=self.scored,
            tail=len(self.tail),
            fallbacks=self.fallbacks,
            milliseconds=self.milliseconds,
        )

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        spent = 1e3 * (time.perf_counter() - begun)
        self.milliseconds[step] = self.milliseconds.get(step, 0.0) + spent

    def _exactly(self, queries: Vectors) -> tuple[Keys, Vectors]:
        with self._timed("exact"):
            self.scored = self.task.matches
            # Rows that stand alone are copied by their numbers; a mask is applied to scores.
            gather = self.decision.strategy == "gather" and self.allowed is not None
            rows = np.flatnonzero(self.allowed) if gather else None  # type: ignore[arg-type]
            mask = None if gather else self.allowed
            return self.ground.score_all(queries, self.task.wanted, rows=rows, mask=mask)

    def _by_index(self) -> tuple[Keys, Vectors]:
        """Return the nearest of what the backend proposes and of the tail."""
        wanted, ground = self.task.wanted, self.ground
        rows, scores, short = self._widened() if self._widens else self._proposed()
        self.scored = rows.shape[1] + len(self.tail)
        if len(self.tail):
            with self._timed("tail"):
                more = ground.score_all(self.queries, wanted, rows=self.tail)
                rows = np.concatenate((rows, more[0]), axis=1)
                scores = np.concatenate((scores, more[1]), axis=1)
        rows, scores = exact.order(rows, scores, wanted, ground.ties)
        if rows.shape[1] < wanted:
            self.fallbacks = len(self.queries)
            return self._exactly(self.queries)
        short |= (rows[:, -1] < 0) | (rows[:, 1:] == rows[:, :-1]).any(axis=1)
        if short.any():
            self.fallbacks = int(np.count_nonzero(short))
            rows[short], scores[short] = self._exactly(self.queries[short])
        return rows, scores

    @property
    def _widens(self) -> bool:
        return self.decision.strategy == "widen"

    def _widened(self) -> tuple[Keys, Vectors, Mask]:
        """Return matching candidates, their scores, and the queries that have too few of them."""
        assert self.flags is not None
        with self._timed("index"):
            queries = unit_queries(self.queries, self.ground.metric)
            asked = self.decision.asked
            found = widened(self.ground.backend, queries, self.flags, self.task, asked)
        self.asked = found.asked
        return *self._scored(self.queries, found.positions), found.gave_up

    def _proposed(self) -> tuple[Keys, Vectors, Mask]:
        """Return candidates, their scores, and the queries whose candidates cannot be trusted."""
        asked, backend = self.decision.asked, self.ground.backend
        rows, scores, doubtful = self._ask(self.queries, asked)
        again = int(min(DEEPER * asked, planner.deepest(backend)))
        if doubtful.any() and planner.cost_of(self.task, backend, again) < self._affordable:
            wider, exacter, still = self._ask(self.queries[doubtful], again)
            rows, scores = _put(rows, doubtful, wider, -1), _put(scores, doubtful, exacter, -np.inf)
            doubtful[doubtful] = still
        return rows, scores, doubtful

    @property
    def _affordable(self) -> float:
        return planner.exact_ms(self.task)

    def _ask(self, queries: Vectors, asked: int) -> tuple[Keys, Vectors, Mask]:
        """Ask the backend: candidates, their scores, and where a better one may be missing."""
        backend, unit = self.ground.backend, unit_queries(queries, self.ground.metric)
        self.asked = max(self.asked, asked)
        with self._timed("index"):
            ask = getattr(backend, "propose", None)
            if ask is None:
                found, limits = backend.candidates(unit, asked, self.flags), None
            else:
                found, limits = ask(unit, asked, self.flags)
        rows, scores = self._scored(queries, found)
        wanted = min(self.task.wanted, self.task.inside)
        if limits is None or scores.shape[1] < wanted:
            return rows, scores, np.zeros(len(queries), np.bool_)
        last = np.partition(scores, -wanted, axis=1)[:, -wanted]
        return rows, scores, last < limits * self.ground.scale(queries)

    def _scored(self, queries: Vectors, positions: Keys) -> tuple[Keys, Vectors]:
        base = self.ground.base
        rows = positions if base is None else np.where(positions < 0, -1, base[positions])
        with self._timed("score"):
            return rows, exact.score_rows(queries, self.ground.vectors, rows)


def _put(table: Any, lines: Mask, values: Any, empty: Any) -> Any:
    """Return the table with some lines replaced by longer ones."""
    wide = np.full((len(table), max(table.shape[1], values.shape[1])), empty, table.dtype)
    wide[:, : table.shape[1]] = table
    wide[lines] = empty
    wide[lines, : values.shape[1]] = values
    return wide
