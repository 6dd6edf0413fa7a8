"""Heads beside each other: accuracy by cross-validation, and what the default costs.

    python benchmarks/classification.py trec.csv.gz:text:label banking.csv.gz:text:label
    python benchmarks/classification.py trec.csv.gz:text:label:vectors.npy --heads logreg kernel

A set is FILE:TEXT:LABEL, or FILE:TEXT:LABEL:VECTORS.npy where its vectors are there already. Every
head is fitted on the same folds, in which equal texts stay together, each fit apart: none of what a
fold is asked about is seen, not even its words. After the table stands what ``auto`` takes of CPU
time for everything: the choice, scores of rows left out, and the head on all rows.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from embedkit.catalog import resolve_home
from embedkit.classification.choose import Contest, choose, macro_f1, proportion
from embedkit.classification.crossfit import folds_of
from embedkit.classification.embedding import embed_for
from embedkit.classification.fitted import make_head
from embedkit.classification.inputs import Inputs
from embedkit.classification.labelled import read_labelled

HEADS = ["majority", "tfidf", "logreg", "svm", "rbf", "joined", "kernel", "kernel?rarity=1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", metavar="FILE:TEXT:LABEL[:VECTORS.npy]")
    parser.add_argument("--heads", nargs="*", default=HEADS)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rows", type=int, help="rows of a set at most")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--home", help="whose vector cache is used")
    options = parser.parse_args()
    for one in options.sets:
        inputs, targets = read(one, options)
        n_classes = int(targets.max()) + 1
        print(f"{Path(one.split(':')[0]).name}: {len(inputs):,} rows, {n_classes} labels")
        print(f"{'head':<20}{'accuracy':>9}{'95 % interval':>19}{'macro F1':>10}{'CPU s':>8}")
        for spec in options.heads:
            measure(spec, inputs, targets, n_classes, options.folds)
        start = time.process_time()
        choice = choose(Contest(inputs, targets, n_classes, folds=options.folds))
        if choice.head is None:
            make_head(choice.spec, "single").fit(inputs, targets, n_classes)
        seconds = time.process_time() - start
        print(f"auto: {choice.spec} in {seconds:.1f} s CPU; {'; '.join(choice.notes)}\n")


def read(one: str, options: argparse.Namespace) -> tuple[Inputs, np.ndarray]:
    file, text, label, *vectors = one.split(":")
    rows = read_labelled(file, text=text, label=label)
    some = np.arange(len(rows))
    if options.rows is not None and options.rows < len(rows):
        some = np.sort(np.random.default_rng(0).permutation(len(rows))[: options.rows])
    texts = [rows.texts[i] for i in some.tolist()]
    made = (
        np.load(vectors[0], mmap_mode="r")[some]
        if vectors
        else embed_for(options.embedder, texts, resolve_home(options.home))
    )
    targets = np.unique([str(rows.labels[i]) for i in some.tolist()], return_inverse=True)[1]
    return Inputs(texts, made), targets.astype(np.int64)


def measure(spec: str, inputs: Inputs, targets: np.ndarray, n_classes: int, folds: int) -> None:
    places = folds_of(inputs.texts, targets, folds)
    scores = np.empty((len(inputs), n_classes))
    start = time.process_time()
    for fold in np.unique(places).tolist():
        held, rest = np.flatnonzero(places == fold), np.flatnonzero(places != fold)
        head = make_head(spec, "single")
        head.fit(inputs.take(rest), targets[rest], n_classes)
        scores[held] = head.scores(inputs.take(held))
    seconds = time.process_time() - start
    found = proportion(float((scores.argmax(axis=1) == targets).mean()), len(inputs))
    interval = f"{found.low:.4f} to {found.high:.4f}"
    print(
        f"{spec:<20}{found.mean:>9.4f}{interval:>19}{macro_f1(scores, targets):>10.4f}"
        f"{seconds:>8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
