"""How good the default is with few labels, beside plain logistic regression on the same vectors.

    python benchmarks/few_labels.py
    python benchmarks/few_labels.py --set trec train.csv:text:label_coarse --each 1 4 8 16 32
    python benchmarks/few_labels.py --set trec train.csv:text:label_coarse --heads auto,knn,joined
    python benchmarks/few_labels.py --set trec train.csv:text:label_coarse --test test.csv

For each set, each number of labelled rows a class and each seed, so many rows of each class are
drawn; what is learned from them is tested on other rows of the set, 2,000 at most, or on all rows
of ``--test``. Vectors come from the home's cache. A line tells the mean accuracy over the seeds,
and its mean difference to logistic regression (scikit-learn's defaults, ``C=1``, on the vectors)
with its 95 % interval by Student's t over seeds. ``--heads`` lists what is compared with it: specs
of heads, ``auto`` the default. CPU seconds are those of a whole training, calibration included.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression

import embedkit
from embedkit import catalog
from embedkit.classification.embedding import embed_for, open_embedder
from embedkit.classification.inputs import Inputs
from embedkit.classification.labelled import read_labelled

EXAMPLE = f"{Path(__file__).parents[1] / 'examples' / 'reviews.csv'}:text:sentiment"


@dataclass(frozen=True)
class Rows:
    texts: list[str]
    labels: Any
    vectors: Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", action="append", nargs=2, metavar=("NAME", "CSV:TEXT:LABEL"))
    parser.add_argument("--test", action="append", metavar="CSV", help="of each set, in order")
    parser.add_argument("--each", nargs="+", type=int, default=[8])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--heads", default="auto")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--home", default=None)
    options = parser.parse_args()
    home = catalog.resolve_home(options.home)
    embedder = open_embedder(options.embedder, home)
    sets = options.set or [["reviews", EXAMPLE]]
    tests = options.test or [None] * len(sets)
    print(f"{'set':<13}rows  logreg  {'head':<10}accuracy  difference")
    for (name, where), test in zip(sets, tests, strict=True):
        rows = read(where, embedder, home)
        other = read(f"{test}:{where.split(':', 1)[1]}", embedder, home) if test else None
        for each in options.each:
            measure(name, rows, other, each, options)


def read(where: str, embedder: Any, home: Path) -> Rows:
    path, text, label = where.rsplit(":", 2)
    found = read_labelled(path, text=text, label=label)
    vectors = embed_for(embedder, found.texts, home)
    return Rows(found.texts, np.array(list(map(str, found.labels))), vectors)


def measure(
    name: str, rows: Rows, other: Rows | None, each: int, options: argparse.Namespace
) -> None:
    heads = options.heads.split(",")
    plain: list[float] = []
    accuracy: dict[str, list[float]] = {head: [] for head in heads}
    seconds = dict.fromkeys(heads, 0.0)
    for seed in range(options.seeds):
        train, test = draw(rows.labels, each, seed)
        asked = other or Rows([rows.texts[i] for i in test], rows.labels[test], rows.vectors[test])
        model = LogisticRegression(max_iter=1000).fit(rows.vectors[train], rows.labels[train])
        plain.append(right(model.predict(asked.vectors), asked.labels))
        texts = [rows.texts[i] for i in train]
        for head in heads:
            start = time.process_time()
            made = embedkit.TextClassifier(
                embedder=options.embedder, head=head, home=options.home, random_state=seed
            ).fit(texts, rows.labels[train])
            seconds[head] += time.process_time() - start
            inputs = Inputs(asked.texts, asked.vectors)
            best = made.classifier_.classify_inputs(inputs).best()
            accuracy[head].append(right(best, asked.labels))
    for head in heads:
        told = np.array(accuracy[head])
        low, mean, high = interval(told - np.array(plain))
        print(
            f"{name:<13}{each:>4}{np.mean(plain):>8.4f}  {head:<10}{told.mean():>8.4f}  "
            f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]{seconds[head] / options.seeds:>7.2f} s",
            flush=True,
        )


def draw(labels: Any, each: int, seed: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    train = np.concatenate(
        [
            generator.permutation(np.flatnonzero(labels == label))[:each]
            for label in np.unique(labels)
        ]
    )
    rest = np.setdiff1d(np.arange(len(labels)), train)
    return train, generator.permutation(rest)[:2000]


def right(found: Any, labels: Any) -> float:
    return float((found == labels).mean())


def interval(differences: Any) -> tuple[float, float, float]:
    mean = float(differences.mean())
    if len(differences) < 2:
        return math.nan, mean, math.nan
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    wide = float(student.ppf(0.975, len(differences) - 1)) * error
    return mean - wide, mean, mean + wide


if __name__ == "__main__":
    main()
