"""Fine-tuning MiniLM on labelled texts: accuracy on texts it never saw, time, CPU.

    python benchmarks/finetuning.py questions.csv.gz --text text --label topic
    python benchmarks/finetuning.py train.csv --label label --test test.csv --minutes 10

Each line is a head on the packaged model's vectors and on the tuned ones. Where there is no file to
test on, an eighth of the rows is taken out first. ``--cpu`` lets the budget count seconds of the
processor, two cores of them, in place of the clock: for a machine that does other things as well.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import embedkit
from embedkit import registry
from embedkit.classification.inputs import Inputs
from embedkit.classification.labelled import read_labelled
from embedkit.finetuning.recipe import Recipe
from embedkit.finetuning.report import FineTuned

HEADS = ("logreg?C=1", "logreg", "rbf", "joined")


def main() -> None:
    options = _options()
    texts, labels = _read(options.train, options)
    if options.test:
        others = _read(options.test, options)
    else:
        order = np.random.default_rng(7).permutation(len(texts))
        cut = len(order) // 8
        others = tuple([rows[i] for i in order[:cut]] for rows in (texts, labels))
        texts, labels = ([rows[i] for i in order[cut:]] for rows in (texts, labels))
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        tuned = _tune(texts, labels, home, options)
        told = tuned.difference
        print(
            f"{len(texts)} to learn from, {len(others[0])} to test on; {tuned.verdict}: "
            f"{told.theirs:.4f} -> {told.ours:.4f}, {told.difference}; {tuned.seconds:.0f} s, "
            f"CPU {tuned.cpu_seconds:.0f} s; {tuned.epochs} epochs, {tuned.stopped}, "
            f"{tuned.members} more, head {tuned.head}"
        )
        names = sorted(set(labels))
        place = {name: i for i, name in enumerate(names)}
        targets = np.array([place[label] for label in labels])
        truth = np.array([place.get(label, -1) for label in others[1]])
        for title, spec in (("before", "minilm"), ("after", tuned.embedder)):
            embedder = embedkit.embedder(spec)
            train = Inputs(texts, embedder.embed(texts, input_type="classification"))
            test = Inputs(others[0], embedder.embed(others[0], input_type="classification"))
            for name in HEADS:
                head = registry.create("head", name)
                head.fit(train, targets, len(names))
                share = float((head.scores(test).argmax(axis=1) == truth).mean())
                print(f"{title:7} {name:12} {share:.4f}", flush=True)


def _tune(
    texts: list[str], labels: list[str], home: Path, options: argparse.Namespace
) -> FineTuned:
    if options.cpu:
        clock: Callable[[], float] = time.process_time
        time.monotonic = lambda: clock() / 2  # type: ignore[assignment]
    changed: dict[str, Any] = dict(pair.split("=") for pair in options.recipe)
    kinds = {name: type(value) for name, value in Recipe().to_dict().items()}
    recipe = Recipe(**{name: kinds[name](value) for name, value in changed.items()})
    return embedkit.finetune(
        texts, labels, options.name, minutes=options.minutes, recipe=recipe, home=home, force=True
    )


def _read(path: str, options: argparse.Namespace) -> tuple[list[str], list[str]]:
    rows = read_labelled(path, text=options.text, label=options.label)
    return rows.texts, [str(label) for label in rows.labels]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train")
    parser.add_argument("--test")
    parser.add_argument("--text")
    parser.add_argument("--label")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--home", type=Path, help="where the model is kept")
    parser.add_argument("--name", default="benchmark")
    parser.add_argument("--recipe", nargs="*", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
