"""The contract on recall: an index is tuned until it surely finds what was promised, or not used.

On building, queries are made of the collection's own vectors and answered exactly. The index's
knob is set to its quickest step that is good enough on some of them, then others, never seen in
choosing, must show that the mean recall exceeds the target with a confidence of 95 %; they are
drawn until that is decided (:mod:`embedkit.indexes.bounds`). A step that fails gives way to the
next, then a denser index is built, and in the end search is exact.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.indexes import auto
from embedkit.indexes.bounds import lower_bound, queries_needed, upper_bound
from embedkit.indexes.measure import Latency, Questions, Sampler, latency
from embedkit.indexes.promise import RECALL, check_recall
from embedkit.indexes.rows import RowIndex
from embedkit.registry import Spec
from embedkit.types import IndexMeasurement, IndexTrial, Metric

if TYPE_CHECKING:
    from embedkit.indexes.measure import Recalls
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask

ALPHA = 0.05
"""Probability that a contract is said to be kept and is not, at most."""
PILOTS = 100
"""Queries that a step of the knob is chosen on."""
LEAST, MOST = 128, 6000
"""Queries that decide: the first lot at least, all lots at most."""
EXACT_SINGLES = 20
DRIFT = 0.1
"""Share of rows that came or went since, past which recall is measured again."""
LEAST_DRIFT = 1000
GROWTH = 2
"""Where no index kept the contract it is tried again at so many times the rows, or so many times
fewer."""


@dataclass(frozen=True, slots=True)
class Built:
    """An index and what was measured of it."""

    index: RowIndex
    measurement: IndexMeasurement
    resolved: str
    """The backend that does the work, ``flat`` where search is exact."""


def build(
    vectors: Matrix,
    *,
    metric: Metric,
    spec: str,
    live: Mask,
    recall: float = RECALL,
    ties: Keys | None = None,
) -> Built:
    """Build an index that keeps a contract on recall, as quick as its kind can be.

    Parameters
    ----------
    vectors, metric, spec, live, ties
        As in :class:`embedkit.indexes.rows.RowIndex`. A knob that the spec sets stays as it is,
        and if it misses the contract, that is said; ``auto`` means the quickest of those that are
        installed and can be built in the time that it allows.
    recall : float
        In (0, 1]; 1 searches exactly.

    Raises
    ------
    UnknownBackendError, MissingDependencyError, InvalidInputError
        The spec names no backend, one that is not installed, or options it does not have.
    """
    return _Building(vectors, metric, spec, live, check_recall(recall), ties).run()


def due(measurement: IndexMeasurement | None, recall: float, rows: int, changed: int) -> bool:
    """Whether an index has drifted so far from what was measured that it is to be measured again.

    Parameters
    ----------
    recall : float
        What is promised now.
    rows, changed : int
        Vectors that count now, and those of them that came or went since the index was built.
    """
    if measurement is None or measurement.target != recall:
        return True
    since = max(abs(rows - measurement.rows), abs(changed - measurement.changed))
    exact = not measurement.queries  # nothing but the time is measured: that costs little
    return since > max(0 if exact else LEAST_DRIFT, DRIFT * measurement.rows)


def gave_up(measurement: IndexMeasurement | None, rows: int) -> bool:
    """Whether search was made exact for want of a contract that could be kept, long ago.

    That is tried again where there are twice the rows, or half.
    """
    if measurement is None or measurement.queries or not measurement.note:
        return False
    return not measurement.rows / GROWTH < rows < measurement.rows * GROWTH


def kept(
    index: RowIndex, sampler: Sampler, spec: str, before: IndexMeasurement | None, recall: float
) -> Built | None:
    """Measure an index again, without building it, and tune it anew where it has to be.

    Parameters
    ----------
    index : RowIndex
        As it is used now, its tail and its deleted rows included; it is tuned in place.
    spec : str
        What the user asked for.

    Returns
    -------
    Built or None
        None where no setting keeps the contract: it must be built anew.
    """
    if not index.sizes.base:
        measurement = exact_measurement(index, sampler, recall)
        note, tried = (before.note, before.tried) if before else ("", ())
        return Built(index, replace(measurement, note=note, tried=tried), index.resolved)
    tuning = _Tuning(index, sampler, recall, ALPHA / 2)
    tuned = tuning.run(pinned=True)
    if not tuned.met and not _pinned(spec):
        tuned = tuning.run(pinned=False)
        if not tuned.met:
            return None
    measurement = tuned.measurement(index, sampler.count)
    tried = before.tried if before else ()
    return Built(index, replace(measurement, tried=tried), index.resolved)


class _Building:
    """One search for an index that keeps the contract."""

    def __init__(
        self,
        vectors: Matrix,
        metric: Metric,
        spec: str,
        live: Mask,
        recall: float,
        ties: Keys | None,
    ) -> None:
        registry.create("index", spec)
        self.given: dict[str, Any] = {"metric": metric, "live": live, "ties": ties}
        self.vectors, self.spec, self.recall = vectors, spec, recall
        self.sampler = Sampler(vectors, live, metric)
        self.count = int(np.count_nonzero(live))
        self.trials: list[IndexTrial] = []
        self.best: Built | None = None

    def run(self) -> Built:
        if self.recall == 1:
            return self._exact("")
        if registry.Spec.parse(self.spec).name == auto.AutoBackend.name:
            return self._choose()
        for spec in _denser(self.spec):
            built = self._try(spec, spec, ALPHA)
            if built.measurement.met or _pinned(self.spec):
                return built
        return self._exact(self._says())

    def _choose(self) -> Built:
        """Return the quickest of those that auto considers, exact search where none serves."""
        options = auto.AutoBackend.of_spec(self.spec)
        if not options.outgrown(self.count):
            return self._try(self.spec, self.spec, ALPHA)
        considered, left_out = options.candidates_for(self.count, self.vectors.shape[1])
        self.trials += [IndexTrial(name, why) for name, why in left_out.items()]
        alpha = ALPHA / max(1, len(considered))
        for name in considered:
            try:
                self._try(self.spec, name, alpha)
            except Exception as error:
                # One library that fails must not cost the others.
                self.trials.append(IndexTrial(name, f"cannot be built: {error}"))
        if self.best is None or not self.best.measurement.met:
            return self._exact(self._says())
        chosen = self.best
        return replace(chosen, measurement=replace(chosen.measurement, tried=self._tried(chosen)))

    def _tried(self, chosen: Built) -> tuple[IndexTrial, ...]:
        """Return what was tried, the chosen one first, then the others that were measured."""
        marked = [
            replace(trial, outcome="chosen") if trial.spec == chosen.resolved else trial
            for trial in self.trials
        ]
        marked.sort(key=lambda trial: (trial.outcome != "chosen", trial.p50 is None))
        return tuple(marked)

    def _try(self, spec: str, name: str, alpha: float) -> Built:
        """Build one index, tune it, and keep it where it is the best so far."""
        began = time.perf_counter()
        backend = auto.AutoBackend.of(name) if spec != name else registry.create("index", name)
        index = RowIndex.build(self.vectors, spec=spec, backend=backend, **self.given)
        seconds = time.perf_counter() - began
        if not index.sizes.base:
            measurement = exact_measurement(index, self.sampler, self.recall)
            return Built(index, measurement, index.resolved)
        tuned = _Tuning(index, self.sampler, self.recall, alpha).run(pinned=_pinned(name))
        measurement = tuned.measurement(index, self.count)
        outcome = "slower" if measurement.met else f"recall may be {measurement.low:.4f}"
        self.trials.append(
            IndexTrial(name, outcome, measurement.recall, measurement.low, measurement.p50, seconds)
        )
        built = Built(index, measurement, index.resolved)
        if measurement.met and (self.best is None or measurement.p50 < self.best.measurement.p50):
            self.best = built
        return built

    def _exact(self, note: str) -> Built:
        index = RowIndex.build(self.vectors, spec="flat", **self.given)
        measurement = exact_measurement(index, self.sampler, self.recall)
        measurement = replace(measurement, note=note, tried=tuple(self.trials))
        return Built(index, measurement, "flat")

    def _says(self) -> str:
        """Say why search is exact."""
        lows = [f"{trial.spec} {trial.low:.4f}" for trial in self.trials if trial.low is not None]
        shown = f" (shown: {', '.join(lows)})" if lows else ""
        return (
            f"no index keeps a recall of {self.recall:g} for sure{shown}: search is exact, "
            "and slower"
        )


@dataclass
class Tuned:
    """A setting and what it achieves on queries that had no part in choosing it."""

    setting: dict[str, float]
    target: float
    alpha: float
    recalls: Recalls
    timed: Latency
    k: int

    @property
    def low(self) -> float:
        """What the mean recall exceeds, for sure."""
        return lower_bound(self.recalls, self.alpha)

    @property
    def met(self) -> bool:
        """Whether the contract is kept, for sure."""
        return self.low >= self.target

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


class _Tuning:
    """Finds the quickest step of an index's knob that keeps the contract."""

    def __init__(self, index: RowIndex, sampler: Sampler, target: float, alpha: float) -> None:
        self.index, self.sampler, self.target = index, sampler, target
        self.backend: Any = index.backend
        self.alpha = alpha
        self.verified: Questions | None = None

    def run(self, *, pinned: bool) -> Tuned:
        """Return the quickest step that is good enough, else the best there is."""
        steps = () if pinned else tuple(getattr(self.backend, "steps", ()))
        if not steps:
            return self._verify(self.alpha)
        tuned = None
        for attempt, step in enumerate(steps[self._first(steps) :], 1):
            self.backend.tune({self.backend.knob: step})
            # Each attempt may err; together they do so no more often than was allowed.
            tuned = self._verify(self.alpha / 2**attempt)
            if tuned.met:
                break
        assert tuned is not None
        return tuned

    def _first(self, steps: Sequence[float]) -> int:
        """Return the first step that seems good enough, found by halving; the last if none is."""
        pilots = self.sampler.draw(PILOTS)
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


def exact_measurement(index: RowIndex, sampler: Sampler, target: float) -> IndexMeasurement:
    """Describe exact search: there is nothing to measure but the time."""
    timed = Latency(0.0, 0.0, 0)
    if sampler.k:
        timed = latency(index, sampler.blends(EXACT_SINGLES), sampler.k)
    return IndexMeasurement(
        target=target,
        met=True,
        recall=1.0,
        low=1.0,
        high=1.0,
        k=sampler.k,
        queries=0,
        p50=timed.p50,
        p95=timed.p95,
        rows=sampler.count,
        changed=0,
        how=f"exact search; latency of {timed.queries} queries one by one, without embedding",
        measured=datetime.now(UTC),
    )


def _denser(spec: str) -> Iterator[str]:
    """Yield the spec itself, then with options that make its index find more; none it has set."""
    parsed = Spec.parse(spec)
    yield spec
    target: Any = registry.resolve("index", parsed.name)
    for more in getattr(target, "denser", ()):
        if not set(more) & set(parsed.options):
            options = {**parsed.options, **{name: str(value) for name, value in more.items()}}
            yield str(replace(parsed, options=options))


def _pinned(spec: str) -> bool:
    """Whether a spec sets the knob itself."""
    parsed = Spec.parse(spec)
    target: Any = registry.resolve("index", parsed.name)
    return getattr(target, "knob", "") in parsed.options
