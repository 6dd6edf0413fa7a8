"""Whether ``min_confidence`` tells queries that a corpus answers from queries that it does not.

    python benchmarks/calibration.py
    python benchmarks/calibration.py --set faq faq.csv:answer faq.csv:question \\
        --set arxiv arxiv.csv.gz:abstract arxiv.csv.gz:title

A set is a corpus and queries that it answers; the queries of all other sets are those that it does
not. They should be about different things. Without ``--set`` there are the example questions, and
forty queries that are none of theirs. For each set:

- ``AUROC``: how well the similarity of the best hit alone tells the two kinds apart within the set;
- ``kept``: share of the answered queries whose best hit has the confidence of 0.5 or 0.9;
- ``false``: share of the queries of other sets that have it all the same.

The last line is over all sets together: what one confidence is worth there, beside the one raw
similarity that keeps as many answered queries. Calibration sees no query, only the corpus. CPU
milliseconds are those of the calibration.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import embedkit
from embedkit.retrieval.calibration import Calibration, fit_corpus

EXAMPLES = Path(__file__).parents[1] / "examples"
DEFAULTS = [
    ["questions", f"{EXAMPLES}/questions.csv:question", f"{EXAMPLES}/queries.csv:text"],
]
ELSEWHERE = (
    "offside rule in football", "who holds the world record in the marathon",
    "how do chess engines evaluate a position", "chords of a blues in E",
    "difference between baroque and rococo", "who composed the Ring cycle",
    "how is whisky distilled", "is a verbal contract binding", "what does habeas corpus mean",
    "how to register a trademark", "inheritance tax for nephews", "how does a jet engine start",
    "torque of an electric motor", "what is a catalytic converter", "gauge of model railways",
    "how are diamonds cut", "what makes an opal shimmer", "types of volcanic rock",
    "how do tides generate power", "melting point of tungsten", "what is a covalent bond",
    "Fourier transform of a Gaussian", "proof that the square root of two is irrational",
    "what is a p-value", "how do central banks set interest rates", "yield curve inversion",
    "price to earnings ratio of utilities", "plot of Anna Karenina", "metre of a haiku",
    "etymology of the word sabotage", "how many cases has Finnish", "sign language alphabets",
    "rigging of a brigantine", "knots for rock climbing", "how to serve in table tennis",
    "aperture for portraits", "who designed the Sydney Opera House", "origami crane folding steps",
    "how does a loom work", "thread count of Egyptian cotton",
)  # fmt: skip
"""What nobody asks who asks the example questions."""


@dataclass
class Set:
    name: str
    corpus: Any
    queries: Any
    calibration: Calibration
    milliseconds: float

    def best(self, queries: Any) -> Any:
        """Return the similarity of the best hit of each query."""
        return (queries @ self.corpus.T).max(axis=1)


def column(spec: str, most: int) -> list[str]:
    """Return the texts of FILE.csv:COLUMN, or of FILE.csv.gz:COLUMN, a random part of many."""
    path, _, name = spec.rpartition(":")
    csv.field_size_limit(2**24)
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        texts = [row[name] for row in csv.DictReader(file) if row[name].strip()]
    return texts if len(texts) <= most else random.Random(0).sample(texts, most)


def load(name: str, corpus: list[str], queries: list[str], embedder: Any) -> Set:
    vectors = embedder.embed(corpus, input_type="document")
    asked = embedder.embed(queries, input_type="query")
    started = time.process_time()
    calibration = fit_corpus(vectors)
    spent = (time.process_time() - started) * 1000
    return Set(name, vectors, asked, calibration, spent)


def share(values: Any, least: float) -> float:
    return float((values >= least).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", nargs=3, action="append", metavar=("NAME", "CORPUS", "QUERIES"))
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--rows", type=int, default=20_000, help="texts of a corpus at most")
    parser.add_argument("--queries", type=int, default=500, help="queries of a set at most")
    options = parser.parse_args()
    embedder = embedkit.embedder(options.embedder)
    sets = [
        load(name, column(corpus, options.rows), column(queries, options.queries), embedder)
        for name, corpus, queries in options.set or DEFAULTS
    ]
    others = {each.name: each.queries for each in sets}
    if not options.set:
        others["elsewhere"] = embedder.embed(list(ELSEWHERE), input_type="query")
    print(
        "set             rows  AUROC  kept .5  false .5  kept .9  false .9  cosine of .5   CPU ms"
    )
    kept: list[Any] = []
    false: list[Any] = []
    for each in sets:
        answered = each.best(each.queries)
        strange = each.best(np.concatenate([q for name, q in others.items() if name != each.name]))
        truth = np.repeat([1, 0], [len(answered), len(strange)])
        sure, unsure = map(each.calibration.probability, (answered, strange))
        auroc = roc_auc_score(truth, np.concatenate([answered, strange]))
        print(
            f"{each.name:12.12} {len(each.corpus):7,} {auroc:6.3f} {share(sure, 0.5):8.3f} "
            f"{share(unsure, 0.5):9.3f} {share(sure, 0.9):8.3f} {share(unsure, 0.9):9.3f} "
            f"{each.calibration.score(0.5):10.3f} {each.milliseconds:8.1f}"
        )
        # Each set counts as much as another, however many queries it has.
        kept.append(np.random.default_rng(0).choice(np.stack([answered, sure]), 500, axis=1))
        false.append(np.random.default_rng(0).choice(np.stack([strange, unsure]), 500, axis=1))
    answered, sure = np.concatenate(kept, axis=1)
    strange, unsure = np.concatenate(false, axis=1)
    least = np.quantile(answered, 1 - share(sure, 0.5))
    print(
        f"together: confidence 0.5 keeps {share(sure, 0.5):.3f}, false {share(unsure, 0.5):.3f}; "
        f"one cosine of {least:.3f} keeps as many, false {share(strange, least):.3f}"
    )


if __name__ == "__main__":
    main()
