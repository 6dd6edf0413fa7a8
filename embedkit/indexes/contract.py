"""The contract on recall: an index is tuned until it surely finds what was promised, or not used.

On building, queries are made of the collection's own vectors and answered exactly. The index's
knob is set to its quickest step that is good enough on some of them, then others, never seen in
choosing, must show that the mean recall exceeds the target with a confidence of 95 %; they are
drawn until that is decided (:mod:`embedkit.indexes.bounds`). A step that fails gives way to the
next, then a denser index is built, and in the end search is exact.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.indexes import auto
from embedkit.indexes.measure import Latency, Sampler, latency
from embedkit.indexes.promise import RECALL, check_recall
from embedkit.indexes.rows import RowIndex
from embedkit.indexes.tuning import Tuning
from embedkit.registry import Spec
from embedkit.types import IndexMeasurement, IndexTrial, Metric

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Mask

ALPHA = 0.05
"""Probability that a contract is said to be kept and is not, at most."""
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
        As it is used now, its tail and its deleted rows included. It stays as it is, since others
        may be searching with it: what is returned is tuned apart from it.
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
    index = index.apart()
    tuning = Tuning(index, sampler, recall, ALPHA / 2)
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
        if self.count and self.sampler.alike:
            # Finding the nearest of many that are equally near takes long, and means nothing.
            return self._exact("all vectors are alike: an index has nothing to find")
        if registry.Spec.parse(self.spec).name == auto.AutoBackend.name:
            return self._choose()
        specs = list(_denser(self.spec))
        for spec in specs:
            built = self._try(spec, spec, ALPHA / len(specs))
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
        to_beat = self.best.measurement.p50 if self.best else None
        tuning = Tuning(index, self.sampler, self.recall, alpha, to_beat)
        tuned = tuning.run(pinned=_pinned(name))
        measurement = tuned.measurement(index, self.count)
        slower = measurement.met or tuned.slower
        outcome = "slower" if slower else f"recall may be {measurement.low:.4f}"
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
