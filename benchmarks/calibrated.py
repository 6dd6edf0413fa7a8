"""Whether a classifier knows what it does not know: probabilities, abstaining, sets and scope.

    python benchmarks/calibrated.py trec.csv.gz:text:label banking.csv.gz:text:label
    python benchmarks/calibrated.py trec.csv.gz:text:label:vectors.npy --heads logreg svm rbf joined

A set is FILE:TEXT:LABEL, or FILE:TEXT:LABEL:VECTORS.npy where its vectors are there already. A
third of its rows is held out. Heads are cross-fitted on the others, everything is learned from
those scores, the head is trained on all others, and the figures are of the rows held out:

- ``ECE``: expected calibration error in 15 bins of equal width (Guo et al. 2017) of the scores as
  they are (*before*), as cross-fitting tells it with its interval (*told*), and of the rows held
  out (*held out*; ``mass``: in bins of equally many rows). ``chance`` is what perfect probabilities
  would show on as many rows.
- abstaining for a precision of 95 %, 90 % sure of it: what is right of what is answered, and how
  much is answered, as told and as held out.
- prediction sets of 90 % coverage: how often they hold the true label, their mean size.
- scope: at a level of 5 %, how many rows held out are called foreign (*alarms*), and texts that are
  foreign (*found*): those of labels that were left out (a fifth, at least one) and those of every
  other set, with the AUROC of the typicality; and again with twenty of them shown (*shown 20*).

With several seeds every figure is a mean over splits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from embedkit.catalog import resolve_home
from embedkit.classification.abstention import abstain_for
from embedkit.classification.calibration import Calibrator
from embedkit.classification.conformal import PredictionSets
from embedkit.classification.crossfit import crossfit, folds_of
from embedkit.classification.embedding import embed_for
from embedkit.classification.fitted import make_head
from embedkit.classification.inputs import Inputs
from embedkit.classification.labelled import read_labelled
from embedkit.classification.reliability import quality
from embedkit.classification.scope import Scope

HELD_OUT = 1 / 3
LEFT_OUT = 1 / 5
SHOWN = 20
PRECISION = 0.95
COVERAGE = 0.9
LEVEL = 0.05
FOREIGN = 1500
"""Texts of another set that are asked."""


@dataclass
class Data:
    name: str
    inputs: Inputs
    targets: Any

    @property
    def labels(self) -> int:
        return int(self.targets.max()) + 1

    def split(self, seed: int) -> tuple[Any, Any]:
        """Return the rows to learn from and those held out; every label is learned."""
        order = np.random.default_rng(seed).permutation(len(self.targets))
        first = np.unique(self.targets[order], return_index=True)[1]
        kept = np.zeros(len(order), np.bool_)
        kept[first] = True
        kept[: round(len(order) * (1 - HELD_OUT))] = True
        return order[kept], order[~kept]


def main() -> None:
    options = _options()
    sets = [_read(given, options) for given in options.sets]
    _heads(sets, options)
    _scopes(sets, options)


def _heads(sets: list[Data], options: argparse.Namespace) -> None:
    print(
        f"{'':34}   accuracy    |      calibration error      |   held out   | answered for 95 %"
        " right     | sets of 90 %"
    )
    print(
        f"{'set':14}{'head':10}{'map':11}{'cv':>6}{'held':>6} |{'before':>7}{'told':>7}"
        f"{'interval':>14} |{'ECE':>6}{'mass':>6}{'chance':>7} |{'told':>6}{'held':>6}{'right':>7}"
        f"  |{'cover':>6}{'size':>6} {'CPU s':>6}"
    )
    for data in sets:
        for head in options.heads:
            rows = [_measure(data, head, options, seed) for seed in range(options.seeds)]
            names = sorted({row.pop("map") for row in rows})
            of = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
            print(
                f"{data.name:14.13}{head:10.9}{'/'.join(names):11.10}{of['cv']:6.3f}"
                f"{of['accuracy']:6.3f} |{of['before']:7.3f}{of['told']:7.3f}"
                f"   {of['low']:.3f}-{of['high']:.3f} |{of['ece']:6.3f}{of['mass']:6.3f}"
                f"{of['chance']:7.3f} |{of['coverage']:6.2f}{of['answered']:6.2f}{of['right']:7.3f}"
                f"  |{of['covered']:6.3f}{of['size']:6.2f} {of['seconds']:6.2f}",
                flush=True,
            )


def _measure(data: Data, head: str, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    learned, held = data.split(seed)
    inputs, targets, truth = data.inputs.take(learned), data.targets[learned], data.targets[held]
    folds = folds_of(inputs.texts, targets, options.folds, seed=seed)
    scores = crossfit(
        lambda: make_head(head, "single"), inputs, targets, data.labels, folds=folds, seed=seed
    )
    trained = make_head(head, "single")
    trained.fit(inputs, targets, data.labels, seed=seed)
    start = time.process_time()
    calibrator, sets = Calibrator(), PredictionSets()
    calibrator.fit(scores, targets, seed=seed)
    crossed, report = calibrator.cross_fitted, calibrator.report
    sets.fit(crossed, targets, seed=seed)
    cost = abstain_for(crossed.max(axis=1), crossed.argmax(axis=1) == targets, PRECISION)
    seconds = time.process_time() - start
    chance = calibrator.probabilities(trained.scores(data.inputs.take(held)))
    told = quality(chance, truth)
    threshold = 2.0 if cost.threshold is None else cost.threshold
    answered = chance.max(axis=1) >= threshold
    right = (chance.argmax(axis=1) == truth)[answered]
    inside = sets.sets(chance, COVERAGE)
    return {
        "map": report.name,
        "cv": report.after.accuracy,
        "accuracy": told.accuracy,
        "before": report.before.ece.mean,
        "told": report.after.ece.mean,
        "low": report.after.ece.low,
        "high": report.after.ece.high,
        "ece": told.ece.mean,
        "mass": told.ece_mass,
        "chance": told.chance,
        "coverage": cost.coverage,
        "answered": answered.mean(),
        "right": right.mean() if len(right) else np.nan,
        "covered": inside[np.arange(len(truth)), truth].mean(),
        "size": inside.sum(axis=1).mean(),
        "seconds": seconds,
    }


def _scopes(sets: list[Data], options: argparse.Namespace) -> None:
    print(
        f"\n{'scope':14}{'foreign':24}{'AUROC':>7}{'alarms':>8}{'found':>7} |{'shown 20':>9}"
        f"{'alarms':>8}{'found':>7} | {'ms a text':>9}"
    )
    for data in sets:
        told: dict[str, list[list[float]]] = {}
        for seed in range(options.seeds):
            for foreign, vectors, targets, inside, outside in _cases(data, sets, seed):
                told.setdefault(foreign, []).append(_told(vectors, targets, inside, outside))
        for foreign, rows in told.items():
            mean = np.mean(rows, axis=0)
            print(
                f"{data.name:14.13}{foreign:24.23}{mean[0]:7.3f}{mean[1]:8.3f}{mean[2]:7.3f} |"
                f"{mean[3]:9.3f}{mean[4]:8.3f}{mean[5]:7.3f} | {mean[6]:9.3f}",
                flush=True,
            )


def _cases(data: Data, sets: list[Data], seed: int) -> Iterator[tuple[str, Any, Any, Any, Any]]:
    """Yield a name, vectors and classes to learn from, and vectors in and out of scope."""
    vectors, targets = data.inputs.vectors, data.targets
    learned, held = data.split(seed)
    rng = np.random.default_rng(seed)
    left = rng.permutation(data.labels)[: max(1, round(data.labels * LEFT_OUT))]
    if data.labels > 2:
        out = np.isin(targets, left)
        known, fresh = learned[~out[learned]], held[~out[held]]
        classes = np.unique(targets[known], return_inverse=True)[1]
        outside = vectors[rng.permutation(np.flatnonzero(out))]
        yield f"{len(left)} labels left out", vectors[known], classes, vectors[fresh], outside
    for other in sets:
        if other is not data:
            asked = rng.permutation(len(other.targets))[:FOREIGN]
            outside = other.inputs.vectors[asked]
            yield other.name, vectors[learned], targets[learned], vectors[held], outside


def _told(vectors: Any, targets: Any, inside: Any, outside: Any) -> list[float]:
    found: list[float] = []
    start, asked = time.process_time(), 0
    for shown in (None, outside[:SHOWN]):
        scope = Scope()
        scope.fit(vectors, targets, out_of_scope=shown)
        if shown is None:
            start = time.process_time()
        near, far = (scope.typicality(each) for each in (inside, outside[SHOWN:]))
        if shown is None:
            seconds, asked = time.process_time() - start, len(near) + len(far)
        truth = np.repeat([1, 0], [len(near), len(far)])
        found += [
            float(roc_auc_score(truth, np.concatenate([near, far]))),
            float((near <= LEVEL).mean()),
            float((far <= LEVEL).mean()),
        ]
    return [*found, seconds / asked * 1000]


def _read(given: str, options: argparse.Namespace) -> Data:
    file, text, label, *vectors = given.split(":")
    rows = read_labelled(file, text=text, label=label)
    some = np.arange(len(rows))
    if options.rows is not None and options.rows < len(rows):
        some = np.sort(np.random.default_rng(0).permutation(len(rows))[: options.rows])
    texts = [rows.texts[i] for i in some.tolist()]
    if vectors:
        # One a line of the file, the header not counted.
        made = np.load(vectors[0], mmap_mode="r")[some]
    else:
        made = embed_for(options.embedder, texts, resolve_home(options.home))
    targets = np.unique([str(rows.labels[i]) for i in some.tolist()], return_inverse=True)[1]
    return Data(Path(file).name.split(".")[0], Inputs(texts, made), targets)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", metavar="FILE:TEXT:LABEL[:VECTORS.npy]")
    parser.add_argument("--heads", nargs="+", default=["logreg", "joined"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1, help="splits to take the mean of")
    parser.add_argument("--rows", type=int, help="rows of a set at most")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--home", help="whose vector cache is used")
    return parser.parse_args()


if __name__ == "__main__":
    main()
