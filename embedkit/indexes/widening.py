"""A filter for backends that take none: ask for more candidates, and keep those that match.

What is kept is right only as far as the list of candidates is the true order of the rows. A list
that ends is worst at its end, so a query is answered only when enough matching rows stand in the
first part of its list (:data:`embedkit.indexes.planner.TRUSTED`). Where the filter and the query
go against each other, so that the matching rows are far, the list is made longer, until searching
exactly would be cheaper; then this gives up, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.indexes import planner

if TYPE_CHECKING:
    from embedkit.indexes.planner import Task
    from embedkit.protocols import IndexBackend
    from embedkit.types import Keys, Mask, Vectors

LEAP = 4
"""A list is made longer by at most this factor at a time: an estimate from few rows is rough."""


@dataclass(frozen=True, slots=True)
class Widened:
    """Matching candidates of each query.

    Attributes
    ----------
    positions : int64 array, shape (n_queries, any)
        In the backend's order, -1 in empty cells.
    gave_up : bool array, shape (n_queries,)
        Queries without an answer.
    asked : int
        Candidates asked for, in the longest list.
    """

    positions: Keys
    gave_up: Mask
    asked: int


def widened(
    backend: IndexBackend, queries: Vectors, flags: Mask, task: Task, asked: int
) -> Widened:
    """Return enough matching candidates of each query to hold its nearest.

    Parameters
    ----------
    queries : float32 array, shape (n_queries, dim)
        Unit vectors, as the backend wants them.
    flags : bool array, shape (base,)
        Which positions match.
    task : Task
    asked : int
        How many candidates to begin with.
    """
    wanted, base = min(task.wanted, task.inside), len(flags)
    affordable = planner.exact_ms(task) / task.queries
    lists: list[Keys] = [np.empty(0, np.int64)] * len(queries)
    gave_up = np.zeros(len(queries), np.bool_)
    todo, longest = np.arange(len(queries)), asked
    while len(todo):
        longest = asked
        found = backend.candidates(queries[todo], asked)
        good = (found >= 0) & flags[found]
        trusted = -(-found.shape[1] // planner.TRUSTED) if asked < base else found.shape[1]
        enough = good[:, :trusted].sum(axis=1) >= wanted
        for query, line, kept in zip(todo[enough], found[enough], good[enough], strict=True):
            lists[query] = line[kept]
        needed = _needed(wanted, good[~enough].sum(axis=1), asked, base)
        can = _pays(backend, task, needed, affordable) & (asked < base)
        gave_up[todo[~enough][~can]] = True
        todo = todo[~enough][can]
        if len(todo):
            asked = min(LEAP * asked, int(needed[can].min()))
    return Widened(_table(lists), gave_up, longest)


def _needed(wanted: int, hits: Keys, asked: int, base: int) -> Keys:
    """Return how many candidates each query seems to need, by the matches among those it had."""
    likely = [planner.to_ask(wanted, max(int(n), 1), asked) for n in hits]
    return np.array([min(base, max(2 * asked, n)) for n in likely], np.int64)


def _pays(backend: IndexBackend, task: Task, needed: Keys, affordable: float) -> Mask:
    most = planner.deepest(backend)
    costs = [planner.cost_of(task, backend, int(n)) / task.queries for n in needed]
    pays: Mask = (needed <= most) & (np.array(costs) <= affordable)
    return pays


def _table(lists: list[Keys]) -> Keys:
    table = np.full((len(lists), max(map(len, lists), default=0)), -1, np.int64)
    for line, found in zip(table, lists, strict=True):
        line[: len(found)] = found
    return table
