"""Tunes an index: the quickest step of its knob that surely finds what was promised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.indexes.bounds import lower_bound, queries_needed, upper_bound
from embedkit.indexes.measure import Latency, Questions, Sampler, latency
from embedkit.indexes.rows import RowIndex
from embedkit.types import IndexMeasurement

if TYPE_CHECKING:
    from embedkit.indexes.measure import Recalls

PILOTS = 100
"""Queries that a step of the knob is chosen on."""
LEAST, MOST = 128, 6000
"""Queries that decide: the first lot at least, all lots at most."""
FEW, MUCH = 10, 1.5
"""Queries that tell whether an index is much slower than another, and how much that is."""


@dataclass
class Tuned:
    """A setting and what it achieves on queries that had no part in choosing it."""

    setting: dict[str, float]
    target: float
    alpha: float
    recalls: Recalls
    timed: Latency
    k: int
    slower: bool = False
    """It was given up: another index keeps the contract and is much quicker."""

    @property
    def low(self) -> float:
        """What the mean recall exceeds, for sure."""
        return lower_bound(self.recalls, self.alpha)

    @property
    def met(self) -> bool:
        """Whether the contract is kept, for sure."""
        return not self.slower and self.low >= self.target

    def measurement(self, index: RowIndex, count: int) -> IndexMeasurement:
        """Return it as it is kept."""
        note = ""
        if not self.met:
            note = f"recall may be below {self.target:g}: {index.resolved} is used as it was set"
        return IndexMeasurement(
            target=self.target,
            met=self.met,
            recall=float(self.recalls.mean()),
            low=self.low,
            high=upper_bound(self.recalls, 0.025),
            k=self.k,
            queries=len(self.recalls),
            p50=self.timed.p50,
            p95=self.timed.p95,
            rows=count,
            changed=index.sizes.tail + index.sizes.masked,
            how=f"{len(self.recalls):,} queries, {Sampler.how}, against exact search; latency of "
            f"{self.timed.queries} of them one by one, without embedding",
            measured=datetime.now(UTC),
            setting=self.setting,
            note=note,
        )


class Tuning:
    """Finds the quickest step of an index's knob that keeps the contract.

    Parameters
    ----------
    to_beat : float, optional
        Milliseconds that another index takes; one that is much slower is not measured further.
    """

    def __init__(
        self,
        index: RowIndex,
        sampler: Sampler,
        target: float,
        alpha: float,
        to_beat: float | None = None,
    ) -> None:
        self.index, self.sampler, self.target = index, sampler, target
        self.backend: Any = index.backend
        self.alpha, self.to_beat = alpha, to_beat
        self.verified: Questions | None = None

    def run(self, *, pinned: bool) -> Tuned:
        """Return the quickest step that is good enough, else the best there is."""
        steps = () if pinned else tuple(getattr(self.backend, "steps", ()))
        if not steps:
            return self._verify(self.alpha)
        pilots = self.sampler.draw(PILOTS)
        first = self._first(steps, pilots)
        tuned = self._given_up(steps[first], pilots) if self.to_beat else None
        if tuned is not None:
            return tuned
        for attempt, step in enumerate(steps[first:], 1):
            self.backend.tune({self.backend.knob: step})
            # Each attempt may err; together they do so no more often than was allowed.
            tuned = self._verify(self.alpha / 2**attempt)
            if tuned.met:
                break
        assert tuned is not None
        return tuned

    def _given_up(self, step: float, pilots: Questions) -> Tuned | None:
        """Return what is known of a step that is much slower than the index to beat."""
        assert self.to_beat is not None
        self.backend.tune({self.backend.knob: step})
        timed = latency(self.index, pilots.queries, self.sampler.k, FEW)
        if timed.p50 <= MUCH * self.to_beat:
            return None
        recalls = self.sampler.recalls(self.index, pilots)
        setting = dict(self.backend.setting)
        return Tuned(setting, self.target, self.alpha, recalls, timed, self.sampler.k, slower=True)

    def _first(self, steps: Sequence[float], pilots: Questions) -> int:
        """Return the first step that seems good enough, found by halving; the last if none is."""
        low, high = 0, len(steps) - 1
        while low < high:
            middle = (low + high) // 2
            self.backend.tune({self.backend.knob: steps[middle]})
            if self.sampler.recalls(self.index, pilots).mean() >= self._wanted:
                high = middle
            else:
                low = middle + 1
        return low

    @property
    def _wanted(self) -> float:
        """The recall that a step needs to pass without asking thousands of queries."""
        return self.target + 0.25 * (1 - self.target)

    def _verify(self, alpha: float) -> Tuned:
        """Ask more and more queries until the contract is shown to be kept or to be missed."""
        first = min(MOST, max(LEAST, queries_needed(self.target, alpha)))
        recalls: Recalls = np.empty(0)
        for lot in self._lots(first):
            recalls = np.concatenate((recalls, self.sampler.recalls(self.index, lot)))
            if lower_bound(recalls, alpha) >= self.target:
                break
            if recalls.mean() < self.target:
                break
        assert self.verified is not None
        timed = latency(self.index, self.verified.queries, self.sampler.k)
        setting = dict(getattr(self.backend, "setting", {}))
        return Tuned(setting, self.target, alpha, recalls, timed, self.sampler.k)

    def _lots(self, first: int) -> Iterator[Questions]:
        """Yield lots of queries, each as large as all before it; drawn once for all steps."""
        there, used = self.verified, 0
        while used < MOST:
            end = min(MOST, max(first, 2 * used))
            if there is None or len(there) < end:
                more = self.sampler.draw(end - (0 if there is None else len(there)))
                there = more if there is None else there.joined(more)
                self.verified = there
            yield there.part(used, end)
            used = end
