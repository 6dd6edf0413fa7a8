"""Whether the words that an explanation names carry the label, and what an explanation costs.

    python benchmarks/explaining.py trec.csv.gz:text:label sst2.csv.gz:text:label --rows 3000

A set is FILE:TEXT:LABEL. A classifier learns from all rows but 200, which are explained. Of those
that have more than six different words:

- ``label``: mean probability of the label;
- ``best``: without the three words that speak for it most, left out together;
- ``random``: without three words at random, the mean of five draws;
- ``least``: without the three that speak for it least;
- ``single``: share of the texts whose label is less probable without the best three than without
  any of the random ones.

Faithful explanations have ``best`` far below ``random``, and that below ``least``. ``nearest``
is the share of the five nearest rows that have the label. CPU milliseconds are of one explanation,
with everything embedded that it needs.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import Any

import numpy as np

from embedkit import TextClassifier
from embedkit.classification.labelled import read_labelled
from embedkit.leaving_out import without, words_of

EXPLAINED = 200
WORDS = 6
BEST = 3
DRAWS = 5


def main() -> None:
    options = _options()
    columns = ("label", "best", "random", "least", "single", "nearest", "CPU ms")
    print(f"{'':24}" + "".join(f"{column:>9}" for column in columns))
    for given in options.sets:
        figures = _measure(given, options)
        told = [*(f"{value:.3f}" for value in figures[:-1]), f"{figures[-1]:.0f}"]
        name = given.partition(":")[0].rpartition("/")[2][:23]
        print(f"{name:24}" + "".join(f"{value:>9}" for value in told), flush=True)


def _measure(given: str, options: argparse.Namespace) -> list[float]:
    file, text, label = given.rsplit(":", 2)
    rows = read_labelled(file, text=text, label=label)
    rng = random.Random(options.seed)
    order = rng.sample(range(len(rows)), min(len(rows), options.rows))
    known, fresh = order[EXPLAINED:], order[:EXPLAINED]
    fitted = TextClassifier(options.embedder, head=options.head, home=options.home)
    fitted.fit([rows.texts[i] for i in known], [rows.labels[i] for i in known])
    fitted.predict_proba(["so that the model is loaded"])
    lines = [_explained(fitted, rows.texts[i], rng) for i in fresh]
    return np.nanmean(np.array(lines, float), axis=0).tolist()


def _explained(fitted: TextClassifier, text: str, rng: random.Random) -> list[float]:
    start = time.process_time()
    found = fitted.explain(text)
    spent = (time.process_time() - start) * 1000
    near = float(np.mean([row.label == found.label for row in found.nearest]))
    pieces = words_of(text)
    if len(pieces) <= WORDS or len(found.words) < len(pieces):
        return [np.nan] * 5 + [near, spent]
    draws = [_left(text, rng.sample(pieces, BEST)) for _ in range(DRAWS)]
    best, least = (_left(text, list(part)) for part in (found.words[:BEST], found.words[-BEST:]))
    number = fitted.classes_.tolist().index(found.label)
    chances = fitted.predict_proba([best, *draws, least])[:, number]
    single = float((chances[0] < chances[1 : 1 + DRAWS]).all())
    middle = float(chances[1 : 1 + DRAWS].mean())
    return [found.probability, float(chances[0]), middle, float(chances[-1]), single, near, spent]


def _left(text: str, pieces: list[Any]) -> str:
    return without(text, sorted(span for piece in pieces for span in piece.spans))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="+", metavar="FILE:TEXT:LABEL")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--head", default="logreg")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--home", default=None)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
