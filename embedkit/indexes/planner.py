"""How a search is carried out: decided here, from what each way would cost.

There are four ways. Rows can be scored exactly, either *gathered* (few rows match: copy them) or
*scanned* (most match: read all, with a mask). Or the backend proposes candidates: restricted to an
*allow-list*, where it takes one, or *widened*, where it does not: it is asked for so many that
enough of them match. The cheapest is chosen; where it makes little difference, an exact one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedkit.types import Strategy

if TYPE_CHECKING:
    from embedkit.indexes.held import Held
    from embedkit.protocols import IndexBackend

# Milliseconds, medians on one core of a server CPU with AVX-512 (benchmarks/indexes.py times the
# same ways as a whole). Only their ratios matter, and those between the reading of memory and
# arithmetic differ little from one machine to the next.
READ = 0.25e-6
"""To read a number of the matrix in order: 15 GB/s."""
GATHER = 0.5e-6
"""To copy a number of a row that stands alone, and to multiply it."""
MULTIPLY = 0.014e-6
"""To multiply a number for one more query of a batch."""
CELL = 5e-6
"""To look at the score of a row for a query."""
RESCORE = 1e-6
"""To multiply a number again in float64: every candidate's score is exact in the end."""
QUERY = 0.03
"""To set out, for each query."""
COLD = 2.5
"""In a fresh process every page of the vectors is touched for the first time: a search is so much
dearer."""
COLD_BYTES = 2**28
"""Vectors of more bytes are not searched instead of reading an index: the file of an index is eight
times smaller, and nobody knows whether either is in memory or must come from the disk."""
LOAD_BYTE = 3e-6
"""To read a byte of an index, to check it, and to set it out."""
EXACT_BIAS = 1.25
"""An exact search may cost so much more than an approximate one: it is certain."""
TRUSTED = 4
"""Of a graph's or a forest's list the first in so many are trusted to be the nearest there are. A
list that is cut at n lacks some of the true n nearest, mostly towards its end: usearch, which finds
99 % of 10, finds 96 % of 100, but 99 % of the first 25 of those."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a backend takes, in milliseconds.

    A query takes ``fixed + rows * dim * value + n * candidate``, and getting ready in a fresh
    process ``load``, beside the reading of its files.
    """

    fixed: float
    value: float
    candidate: float
    load: float = 10.0


COSTS = {
    # A scan over half a byte a dimension; candidates are picked from a heap.
    # It makes a random rotation when it is read.
    "turbovec": Cost(0.1, 7e-9, 1.3e-3, load=75),
    # Graphs: some steps to get near, then every candidate is a step.
    "usearch": Cost(0.35, 0.0, 2e-3),
    # Its import brings numba.
    "pynndescent": Cost(0.3, 0.0, 2e-3, load=2000),
    # A forest: the nodes it looks at by default, then as many trees' leaves for a candidate.
    "annoy": Cost(0.3, 9e-8, 2.3e-3),
}
UNKNOWN = Cost(0.3, 0.0, 2e-3)
"""Of a backend that is not in the table."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done: the sizes that decide how.

    Attributes
    ----------
    rows : int
        Vectors in the matrix, the deleted ones included.
    base : int
        Of those, the ones that the backend was built on.
    tail : int
        Matching rows beside the base, searched exactly in any case.
    matches : int
        Rows that count: live and, where there is a filter, let through by it.
    inside : int
        Of those, the ones in the base.
    wanted : int
        Neighbours of each query: at most ``matches``.
    """

    rows: int
    dim: int
    base: int
    tail: int
    matches: int
    inside: int
    wanted: int
    queries: int
    filtered: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """How a search is carried out, and why; ``asked`` candidates are asked of the backend."""

    strategy: Strategy
    why: str
    asked: int = 0


def decide(task: Task, held: Held) -> Decision:
    """Return the cheapest way to the true nearest of the rows that count."""
    if not task.matches:
        return Decision("none", "no row matches")
    exact = _exact(task)[0]
    how = _matching(task)
    if not task.base:
        return Decision(exact, f"{how}all are scored: the index is exact")
    if not task.inside:
        return Decision(exact, f"{how}of which the index has none yet: all are scored")
    owed = held.owed
    touched = 4 * task.dim * (task.matches if exact == "gather" else task.rows)
    if touched <= COLD_BYTES and held.spend(COLD * exact_ms(task)):
        return Decision(exact, f"{how}all are scored: the index would first be read, {owed:.0f} ms")
    backend = held.get()
    if backend is None:
        return Decision(exact, f"{how}all are scored: the index cannot be used")
    return _weighed(task, backend, exact, how)


def _matching(task: Task) -> str:
    one = task.matches == 1
    verb = ("matches" if one else "match") if task.filtered else ("counts" if one else "count")
    return f"{task.matches:,} {'row' if one else 'rows'} {verb}, "


def _weighed(task: Task, backend: IndexBackend, exact: Strategy, how: str) -> Decision:
    strategy, asked = _approximate(task, backend)
    if asked > deepest(backend):
        return Decision(exact, f"{how}{asked:,} candidates are more than the index serves well")
    approximate_ms = cost_of(task, backend, asked) + _score_ms(task, task.tail)
    exactly_ms = exact_ms(task)
    compared = f"about {exactly_ms:.2g} ms exactly, {approximate_ms:.2g} ms by the index"
    if exactly_ms <= EXACT_BIAS * approximate_ms:
        return Decision(exact, f"{how}{compared}")
    return Decision(strategy, f"{how}{compared}", asked)


def by_index(task: Task, backend: IndexBackend) -> Decision:
    """Return the way by the index, whatever it costs: to measure it."""
    strategy, asked = _approximate(task, backend)
    return Decision(strategy, "the index was asked for", asked)


def load_ms(name: str, size: int) -> float:
    """Return what it costs to get a backend ready, of files of so many bytes."""
    return _cost(name).load + size * LOAD_BYTE


def exact_ms(task: Task) -> float:
    """Return what it costs to score every row that counts."""
    return _exact(task)[1]


def cost_of(task: Task, backend: IndexBackend, asked: int) -> float:
    """Return what it costs to ask a backend for so many candidates, and to score them."""
    cost = _cost(str(getattr(backend, "resolved", backend.name)))
    scored = min(asked, task.inside) * task.dim * RESCORE
    one = cost.fixed + task.base * task.dim * cost.value + asked * cost.candidate + scored
    return task.queries * one


def deepest(backend: IndexBackend) -> float:
    """Return the most candidates that a backend serves well."""
    return getattr(backend, "deepest", None) or math.inf


def to_ask(wanted: int, matching: int, among: int) -> int:
    """Return how many candidates to ask for so that the trusted ones likely hold those wanted.

    So many of some rows match; of n of them at random, n times that share, give or take the square
    root of it.
    """
    enough = wanted + 2 * math.sqrt(wanted) + 2
    return math.ceil(TRUSTED * enough * among / matching)


def _cost(spec: str) -> Cost:
    return COSTS.get(spec.partition("?")[0], UNKNOWN)


def _exact(task: Task) -> tuple[Strategy, float]:
    gather = task.matches * task.dim * GATHER + _per_query(task, task.matches)
    scan = task.rows * task.dim * READ + _per_query(task, task.rows)
    return ("gather", gather) if gather < scan else ("scan", scan)


def _per_query(task: Task, rows: int) -> float:
    again = (task.queries - 1) * rows * task.dim * MULTIPLY
    return again + task.queries * (QUERY + rows * CELL + task.wanted * task.dim * RESCORE)


def _score_ms(task: Task, rows: int) -> float:
    """Return what it costs to score rows that lie together."""
    return rows * task.dim * READ + _per_query(task, rows) if rows else 0.0


def _approximate(task: Task, backend: IndexBackend) -> tuple[Strategy, int]:
    if task.inside == task.base:
        trusted = 1 if backend.takes_mask else TRUSTED
        return "index", min(task.base, trusted * task.wanted)
    if backend.takes_mask:
        return "allow-list", task.wanted
    asked = to_ask(min(task.wanted, task.inside), task.inside, task.base)
    return "widen", min(task.base, asked)
