"""What every index must do with an allow-list, however it stands to the query."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from embedkit.testing.case import IndexCase, K
from embedkit.testing.measures import ensure, ensure_form, recall_of

if TYPE_CHECKING:
    from embedkit.types import Mask

STRATEGIES = ("gather", "scan", "index", "allow-list", "widen")


def check_filter(case: IndexCase) -> None:
    """An allow-list of any share leaves min(k, matches) hits and the recall."""
    for share in (0.001, 0.01, 0.1, 0.5, 0.95):
        allowed = np.random.default_rng(11).random(case.rows) < share
        allowed[: 3 if share < 0.01 else 0] = True
        _ensure_filtered(case, allowed, f"on an allow-list of {share:.1%}")


def check_filter_far(case: IndexCase) -> None:
    """Where the allow-list holds what is farthest from the query, that is found all the same."""
    scores = case.scores()
    for query in range(3):
        for share in (0.3, 0.03):
            allowed = scores[query] <= np.quantile(scores[query], share)
            _ensure_filtered(case, allowed, f"among the farthest {share:.0%}", query)


def check_filter_near(case: IndexCase) -> None:
    """Where it holds some of what is nearest and some of what is farthest, both are found."""
    order = np.argsort(-case.scores()[0], kind="stable")
    allowed = np.zeros(case.rows, np.bool_)
    allowed[order[: K // 2]] = True
    allowed[order[-case.rows // 4 :]] = True
    _ensure_filtered(case, allowed, "among the nearest five and the farthest quarter", 0)


def check_filter_edges(case: IndexCase) -> None:
    """An allow-list may be empty, name one key, or keys that are not there."""
    search = case.shared.search
    ensure_form(search(case.queries[:2], 3, allow=[]), 2, 0)
    one = int(case.keys[17])
    found = search(case.queries[:2], 3, allow=[one, 3 * case.rows + 5])
    ensure_form(found, 2, 1)
    ensure(found.keys[:, 0].tolist() == [one, one], "the only allowed key was not found")


def check_filter_changed(case: IndexCase) -> None:
    """It holds too among vectors that came after the index was built, and without removed ones."""
    index = case.filled()
    gone = np.random.default_rng(4).random(case.rows) < 0.2
    again = gone & (np.arange(case.rows) % 2 == 0)
    index.remove(case.keys[gone])
    index.add(case.keys[again], case.vectors[again])
    left = ~gone | again
    for share in (0.02, 0.4):
        allowed = np.random.default_rng(12).random(case.rows) < share
        found = index.search(case.queries, K, allow=case.keys[allowed])
        ensure_form(found, len(case.queries), K)
        recall = recall_of(found.keys, case.truth(K, allowed & left))
        ensure(recall >= case.floor, f"recall is {recall:.3f} after changes, at {share:.0%}")


def check_plan(case: IndexCase) -> None:
    """A search says how it was carried out."""
    allowed = np.arange(case.rows) % 3 == 0
    found = case.shared.search(case.queries, K, allow=case.keys[allowed])
    plan = found.plan
    if plan is None:
        raise AssertionError("a search without a plan")
    ensure(plan.strategy in STRATEGIES, f"unknown strategy {plan.strategy!r}")
    ensure(plan.matches == int(allowed.sum()), f"expected {allowed.sum()} matches in {plan}")
    ensure(plan.rows == case.rows, f"expected {case.rows} rows in {plan}")
    ensure(0 <= plan.fallbacks <= len(case.queries), f"impossible fallbacks in {plan}")
    ensure(plan.scored >= K, f"fewer vectors scored than found: {plan}")
    nothing = case.shared.search(case.queries, K, allow=[]).plan
    ensure(nothing is not None and nothing.strategy == "none", "a way to find nothing")


def _ensure_filtered(case: IndexCase, allowed: Mask, where: str, query: int | None = None) -> None:
    queries = case.queries if query is None else case.queries[query : query + 1]
    found = case.shared.search(queries, K, allow=case.keys[allowed])
    wanted = min(K, int(allowed.sum()))
    ensure_form(found, len(queries), wanted, width=K)
    allowed_keys = case.keys[allowed]
    ensure(bool(np.isin(found.keys[:, :wanted], allowed_keys).all()), f"a hit is not {where}")
    truth = case.truth(wanted, allowed)
    recall = recall_of(found.keys[:, :wanted], truth if query is None else [truth[query]])
    # Of one query alone, a single miss is a tenth.
    floor = case.floor if query is None else min(case.floor, 0.9)
    ensure(recall >= floor, f"recall is {recall:.3f} {where}")


FILTER_CHECKS: tuple[Callable[[IndexCase], None], ...] = (
    check_filter,
    check_filter_far,
    check_filter_near,
    check_filter_edges,
    check_filter_changed,
    check_plan,
)
"""Every check of filters."""
