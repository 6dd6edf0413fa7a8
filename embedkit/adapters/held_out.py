"""Learn adapters from some of the rows and measure them on the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.adapters.adapter import Adapter
from embedkit.adapters.measuring import (
    head_classes,
    ndcg_of,
    nearest_classes,
    paired,
    paired_auc,
)
from embedkit.adapters.pairs import families, meanings
from embedkit.classification.crossfit import equal_texts
from embedkit.types import AdapterMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

FOLDS = 5
ENOUGH = 2000
"""Rows from which one fifth held out is enough; of fewer, each fifth is held out once."""
LEAST = 20
"""Fewer rows are not parted."""
QUERIES = 4000
"""Searches that are measured, at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured.

    Attributes
    ----------
    rounds : int or None
        After which training was best; None where nothing was measured.
    """

    measures: tuple[AdapterMeasure, ...] = ()
    held_out: int = 0
    rounds: int | None = None


def measure_labels(
    keep: float,
    vectors: Vectors,
    targets: Keys,
    n_classes: int,
    texts: Sequence[str],
    seed: int,
    progress: Any,
) -> Found:
    """Measure adapters learned from labels.

    Equal texts, but for case and blanks, are held out together.

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
    targets : int64 array, shape (n,)
    """
    if len(targets) < LEAST:
        return Found()
    folds = _folds_of_rows(texts, targets, seed)
    ways = {"nearest": nearest_classes, "head": head_classes}
    right: dict[tuple[str, bool], list[NDArray[np.bool_]]] = {}
    rounds, measured = [], []
    for learned, out in _parts(folds, progress):
        if len(np.unique(targets[learned])) < 2:
            continue
        adapter = Adapter(keep=keep)
        adapter.fit(vectors[learned], targets[learned], n_classes, seed=seed)
        rounds.append(adapter.rounds)
        measured.append(out)
        for adapted in (False, True):
            every = adapter.apply(vectors) if adapted else vectors
            for name, way in ways.items():
                given = way(every[learned], targets[learned], n_classes, every[out])
                right.setdefault((name, adapted), []).append(given == targets[out])
    if not measured:
        return Found()
    sums = {key: np.concatenate(parts).astype(np.float64) for key, parts in right.items()}
    measures = tuple(paired(name, sums[name, False], sums[name, True], seed) for name in ways)
    return Found(measures, sum(map(len, measured)), round(float(np.median(rounds))))


def measure_pairs(
    keep: float,
    vectors: Vectors,
    left: Keys,
    right: Keys,
    same: NDArray[np.bool_],
    seed: int,
    progress: Any,
) -> Found:
    """Measure adapters learned from pairs.

    Held out are whole families: texts that any pairs join. Each of their texts that has a partner
    is searched for among all texts there are.

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
    left, right : int64 arrays, shape (n_pairs,)
        Rows of ``vectors``.
    same : bool array, shape (n_pairs,)
    """
    if len(left) < LEAST:
        return Found()
    rng = np.random.default_rng(seed)
    family = families(left, right, len(vectors))
    fold_of_family = rng.permutation(int(family.max()) + 1) % FOLDS
    folds = fold_of_family[family[left]]
    groups = meanings(left, right, same, len(vectors))
    scores: dict[tuple[str, bool], list[Any]] = {}
    rounds, measured = [], []
    for learned, out in _parts(folds, progress):
        if not same[learned].any():
            continue
        adapter = Adapter(keep=keep)
        adapter.fit_pairs(vectors, left[learned], right[learned], same[learned], seed=seed)
        rounds.append(adapter.rounds)
        measured.append(out)
        partners = out[same[out]]
        queries = np.unique(np.concatenate([left[partners], right[partners]]))
        queries = np.sort(rng.permutation(queries)[:QUERIES])
        for adapted in (False, True):
            every = adapter.apply(vectors) if adapted else vectors
            scores.setdefault(("ndcg@10", adapted), []).append(ndcg_of(every, groups, queries))
            cosines = np.einsum("ij,ij->i", every[left[out]], every[right[out]])
            scores.setdefault(("auc", adapted), []).append(cosines)
    if not measured:
        return Found()
    told = same[np.concatenate(measured)]
    joined = {key: np.concatenate(parts).astype(np.float64) for key, parts in scores.items()}
    measures = [paired("ndcg@10", joined["ndcg@10", False], joined["ndcg@10", True], seed)]
    if told.any() and not told.all():
        measures.append(paired_auc(joined["auc", False], joined["auc", True], told, seed))
    return Found(tuple(measures), len(told), round(float(np.median(rounds))))


def _parts(folds: Keys, progress: Any) -> Iterator[tuple[Keys, Keys]]:
    """Yield rows to learn from and rows held out: one fifth, or each in turn."""
    turns = 1 if len(folds) > ENOUGH else FOLDS
    for fold in range(turns):
        progress("measuring", fold, turns)
        out = folds == fold
        if out.any() and not out.all():
            yield np.flatnonzero(~out), np.flatnonzero(out)


def _folds_of_rows(texts: Sequence[str], targets: Keys, seed: int) -> Keys:
    """Return a fold for each row: of each class about as many rows in each fold."""
    groups = equal_texts(texts)
    firsts = np.unique(groups, return_index=True)[1]
    mixed = np.random.default_rng(seed).permutation(len(firsts))
    order = mixed[np.argsort(targets[firsts[mixed]], kind="stable")]
    fold = np.empty(len(firsts), np.int64)
    fold[order] = np.arange(len(order)) % FOLDS
    return fold[groups]
