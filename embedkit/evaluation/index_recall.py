"""Recall and speed of every index on the user's own vectors, at several settings of each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.errors import EmbedkitError, InvalidInputError
from embedkit.indexes.auto import is_installed
from embedkit.indexes.bounds import lower_bound, upper_bound
from embedkit.indexes.measure import Latency, Questions, Sampler, latency
from embedkit.indexes.rows import RowIndex
from embedkit.registry import Spec
from embedkit.validate import check_k, check_texts

if TYPE_CHECKING:
    from embedkit.collection import Collection
    from embedkit.indexes.measure import Recalls
    from embedkit.store.view import View
    from embedkit.types import Vectors

    Progress = Callable[[str, int, int], None]

QUERIES = 500
"""Queries by default: a recall of 0.99 is known to about one per cent."""
LEAST_QUERIES = 20
SINGLES = 200
TAIL = 0.025
"""Probability that the recall lies beyond each end of its interval, at most."""


@dataclass(frozen=True, slots=True)
class IndexPoint:
    """An index at one setting, and what was measured of it.

    Attributes
    ----------
    index : str
        Its spec.
    setting : mapping
        What it was tuned to; empty where there is nothing to tune.
    recall, low, high : float
        Mean share of the k nearest that it finds, with an interval that covers it with a
        confidence of at least 95 %.
    p50, p95 : float
        Milliseconds that a single query takes: the median, and what 95 % stay below.
    queries_per_second : float
        Of one thread that asks one after the other: what the median allows, which other work on
        the machine disturbs less than the mean.
    build_seconds : float or None
        None for the index that the collection has: it is not built again.
    bytes : int
        On disk, without the vectors, which are kept in any case.
    in_use : bool
        Whether it is the index that the collection has, as it is set.
    frontier : bool
        Whether none of the others finds more and is quicker.
    """

    index: str
    setting: Mapping[str, float]
    recall: float
    low: float
    high: float
    p50: float
    p95: float
    queries_per_second: float
    build_seconds: float | None
    bytes: int
    in_use: bool = False
    frontier: bool = False

    @property
    def tuned(self) -> str:
        """The setting in words: ``ef_search=64``."""
        return ", ".join(f"{name}={value:g}" for name, value in self.setting.items())

    def to_dict(self) -> dict[str, Any]:
        """Return the point as plain values, in the order of its fields."""
        return asdict(self) | {"setting": dict(self.setting)}


@dataclass(frozen=True, slots=True)
class IndexEvaluation:
    """What was measured of the indexes of a collection.

    Attributes
    ----------
    points : tuple of IndexPoint
        The collection's own index first, then each index by its settings, from quick to thorough.
    target : float
        The contract of the collection.
    how : str
        Which queries were asked.
    left_out : mapping
        Indexes that could not be measured, and why.
    """

    collection: str
    rows: int
    dim: int
    k: int
    queries: int
    target: float
    how: str
    points: tuple[IndexPoint, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_use(self) -> IndexPoint:
        """The index that the collection has, as it is set."""
        return next(point for point in self.points if point.in_use)

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values."""
        points = [point.to_dict() for point in self.points]
        return asdict(self) | {"points": points, "left_out": dict(self.left_out)}


def evaluate_index(
    collection: Collection,
    indexes: Sequence[str] | None = None,
    *,
    k: int = 10,
    queries: Sequence[str] | None = None,
    n: int = QUERIES,
    progress: Progress | None = None,
) -> IndexEvaluation:
    """Measure recall and speed of indexes against exact search on a collection's vectors.

    Nothing of the collection changes: the others are built in memory, beside it.

    Parameters
    ----------
    indexes : sequence of str, optional
        Specs. Default: all that are installed.
    k : int
        Neighbours that are compared.
    queries : sequence of str, optional
        Texts to ask with. Default: n queries made of the collection's own vectors, each with some
        of another blended in.
    progress : callable, optional
        Called with (what, done, total).

    Raises
    ------
    CollectionNotFoundError, InvalidInputError, UnknownBackendError, MissingDependencyError
    """
    k = check_k(k)
    if n < LEAST_QUERIES:
        raise InvalidInputError(f"expected at least {LEAST_QUERIES} queries, got {n}")
    specs = _specs(indexes)
    asked = None
    if queries is not None:
        texts = check_texts(queries)
        if not texts:
            raise InvalidInputError("expected at least one query, got none")
        asked = collection.embedder.embed(texts, input_type="query")
    name = collection.name
    return collection._read(
        lambda view: _Evaluation(view, name, k, asked, n, progress).run(specs, indexes is None)
    )


def _specs(given: Sequence[str] | None) -> list[str]:
    if given is None:
        return [
            row.name
            for row in registry.rows("index")
            if row.name != "auto" and is_installed(row.name)
        ]
    for spec in given:
        if registry.create("index", spec).name == "auto":
            raise InvalidInputError(
                "expected an index of its own, got 'auto', which chooses among them",
                do="leave --index out to measure all that are installed",
            )
    return list(dict.fromkeys(given))


class _Evaluation:
    """Builds indexes beside a collection's own and measures them all with the same queries."""

    def __init__(
        self,
        view: View,
        name: str,
        k: int,
        asked: Vectors | None,
        n: int,
        progress: Progress | None,
    ) -> None:
        self.view, self.name, self.progress = view, name, progress
        metric = view.manifest.metric
        sampler = Sampler(view.vectors.matrix, view.live, metric, seed=1, k=k)
        if not sampler.count:
            raise InvalidInputError(f"collection {name!r} is empty: there is nothing to search")
        self.sampler = sampler
        self._tell("exact search")
        self.questions: Questions = sampler.draw(n) if asked is None else sampler.answered(asked)
        self.how = Sampler.how if asked is None else "given by you"

    def run(self, specs: Sequence[str], lenient: bool) -> IndexEvaluation:
        """Measure the index in use and others.

        Parameters
        ----------
        lenient : bool
            One that cannot be built does not keep the others from being measured.
        """
        points, left_out = [self._own()], {}
        for spec in specs:
            try:
                points += self._others(spec)
            except EmbedkitError:
                raise
            except Exception as error:
                if not lenient:
                    raise InvalidInputError(f"index {spec} cannot be built: {error}") from error
                left_out[spec] = str(error)
        manifest = self.view.manifest
        return IndexEvaluation(
            collection=self.name,
            rows=self.sampler.count,
            dim=manifest.model.dim,
            k=self.sampler.k,
            queries=len(self.questions),
            target=manifest.recall,
            how=f"{len(self.questions):,} queries, {self.how}, against exact search; speed of "
            "single queries, one after the other, without embedding",
            points=tuple(with_frontier(points)),
            left_out=left_out,
        )

    def _own(self) -> IndexPoint:
        self._tell("the index in use")
        entry = self.view.manifest.index
        index = self.view.index
        folder = self.view.layout.root / entry.folder if entry else None
        files = folder.rglob("*") if folder else ()
        size = sum(path.stat().st_size for path in files if path.is_file())
        setting = entry.measurement.setting if entry and entry.measurement else {}
        spec = entry.resolved if entry else "flat"
        # As it is used: rows beside the index, and whatever the planner decides, included.
        recalls = self.sampler.recalls(index, self.questions)
        timed = latency(index, self.questions.queries, self.sampler.k, SINGLES)
        point = self._point(spec, setting, recalls, timed, None, size)
        return replace(point, in_use=True)

    def _others(self, spec: str) -> Iterator[IndexPoint]:
        """Yield an index at each of its settings, until it finds everything."""
        self._tell(f"building {spec}")
        index, seconds, size = self._built(spec)
        backend: Any = index.backend
        pinned = backend.knob in Spec.parse(spec).options if backend.knob else True
        steps = (None,) if pinned or not index.sizes.base else backend.steps
        for done, step in enumerate(steps):
            self._tell(f"measuring {spec}", done, len(steps))
            if step is not None:
                backend.tune({backend.knob: step})
            recalls = self.sampler.recalls(index, self.questions)
            singles = self.questions.queries
            timed = latency(index, singles, self.sampler.k, SINGLES, measured=True)
            setting = backend.setting if index.sizes.base else {}
            yield self._point(spec, setting, recalls, timed, seconds, size)
            if recalls.min() == 1:
                return

    def _built(self, spec: str) -> tuple[RowIndex, float, int]:
        view = self.view
        began = time.perf_counter()
        index = RowIndex.build(
            view.vectors.matrix, metric=view.manifest.metric, spec=spec, live=view.live
        )
        seconds = time.perf_counter() - began
        with tempfile.TemporaryDirectory() as folder:
            index.save(Path(folder) / "index")
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            return index, seconds, sum(path.stat().st_size for path in files)

    @staticmethod
    def _point(
        spec: str,
        setting: Mapping[str, float],
        recalls: Recalls,
        timed: Latency,
        seconds: float | None,
        size: int,
    ) -> IndexPoint:
        return IndexPoint(
            index=spec,
            setting=dict(setting),
            recall=float(recalls.mean()),
            low=lower_bound(recalls, TAIL),
            high=upper_bound(recalls, TAIL),
            p50=timed.p50,
            p95=timed.p95,
            queries_per_second=1000 / timed.p50,
            build_seconds=seconds,
            bytes=size,
        )

    def _tell(self, what: str, done: int = 0, total: int = 0) -> None:
        if self.progress is not None:
            self.progress(what, done, total)


def with_frontier(points: Sequence[IndexPoint]) -> list[IndexPoint]:
    """Return the points with those marked that no other beats in both recall and speed."""
    recall = np.array([point.recall for point in points])
    speed = np.array([point.queries_per_second for point in points])
    marked = []
    for point in points:
        as_good = (recall >= point.recall) & (speed >= point.queries_per_second)
        better = as_good & ((recall > point.recall) | (speed > point.queries_per_second))
        marked.append(replace(point, frontier=not better.any()))
    return marked
