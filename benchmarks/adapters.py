"""Whether an adapter on top of frozen vectors helps, and what it costs elsewhere.

    python benchmarks/adapters.py
    python benchmarks/adapters.py --labels trec trec.csv.gz:text:label --few 8 \\
        --pairs medical pairs.csv.gz:question1:question2:is_duplicate \\
        --elsewhere docs.csv.gz:doc_id:text queries.csv.gz:query_id:text qrels.csv.gz --home CACHE

Without sets there are the example questions. All figures are of rows that the adapter had not seen:

- ``nearest``, ``head``: accuracy by the ten nearest rows, and by logistic regression (C = 10);
- ``ndcg@10``, ``auc``: of pairs, how high the partner stands among all texts, and how well the
  cosine tells pairs that mean the same from others;
- ``few``: the same with so few rows of each label, the mean over seeds;
- ``unseen``: ``nearest`` among labels of which the adapter, learned on the other half, saw no row;
- ``elsewhere``: nDCG@10 of the judged search, which has nothing to do with what was learned.

Each difference is paired and has a 95 % interval. ``CPU s`` are those of measuring and learning,
without embedding. With ``--home`` vectors are kept there and embedded once.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embedkit import fit_adapter
from embedkit.adapters.adapter import KEEP, Adapter
from embedkit.adapters.measuring import head_classes, nearest_classes, paired
from embedkit.classification.embedding import embed_for
from embedkit.types import AdapterMeasure

EXAMPLES = Path(__file__).parents[1] / "examples"
DEFAULT = ["questions", f"{EXAMPLES}/questions.csv:question:topic"]
WAYS = {"nearest": nearest_classes, "head": head_classes}
TEST = 2000
"""Rows that few-label adapters are measured on, at most."""


def read(place: str) -> list[list[str]]:
    """Return columns of a CSV, each row that has all of them: ``FILE:column:column``."""
    name, *columns = place.rsplit(":", place.count(":"))
    path = Path(name)
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="", encoding="utf-8") as file:
        rows = [[row[column] for column in columns] for row in csv.DictReader(file)]
    return [row for row in rows if all(cell.strip() for cell in row)]


class Elsewhere:
    """A judged search of other texts."""

    def __init__(self, places: Sequence[str], embedder: str, home: Path) -> None:
        docs, queries = read(places[0]), read(places[1])
        self.docs = embed_for(embedder, [text for _, text in docs], home, input_type="document")
        self.queries = embed_for(embedder, [text for _, text in queries], home, input_type="query")
        row = {name: i for i, (name, _) in enumerate(docs)}
        asked = {name: i for i, (name, _) in enumerate(queries)}
        self.relevant: dict[int, set[int]] = {}
        for query, doc, _ in read(f"{places[2]}:query_id:doc_id:relevance"):
            self.relevant.setdefault(asked[query], set()).add(row[doc])

    def ndcg(self, adapter: Adapter | None) -> list[float]:
        """Return nDCG@10 of each judged query."""
        docs, queries = self.docs, self.queries
        if adapter is not None:
            docs, queries = adapter.apply(docs), adapter.apply(queries)
        gains = 1 / np.log2(np.arange(2, 12))
        out = []
        for query, relevant in self.relevant.items():
            best = np.argsort(-(docs @ queries[query]), kind="stable")[:10]
            found = np.array([doc in relevant for doc in best.tolist()])
            out.append(float((found * gains).sum() / gains[: len(relevant)].sum()))
        return out


def tell(name: str, measure: AdapterMeasure, more: str = "") -> None:
    """Print a line."""
    gap = measure.difference
    print(
        f"{name:16} {measure.name:16} {measure.before:8.4f} {measure.after:8.4f} {gap.mean:+8.4f}"
        f"   {gap.low:+.4f} to {gap.high:+.4f} {gap.n:7,}  {more}",
        flush=True,
    )


def labels(name: str, place: str, options: argparse.Namespace, home: Path) -> Adapter:
    """Measure adapters learned from labels; return one learned from all of them."""
    rows = read(place)[:: options.every]
    texts, given = [row[0] for row in rows], [row[1] for row in rows]
    learned = fit_adapter(
        texts, given, embedder=options.embedder, home=home, keep=options.keep, seed=options.seed
    )
    report = learned.report
    for measure in report.measures:
        tell(
            name, measure, f"{report.rows:,} rows, {report.classes} labels, {report.seconds} CPU s"
        )
    vectors = embed_for(options.embedder, texts, home)
    targets = np.unique(given, return_inverse=True)[1].astype(np.int64)
    if options.few:
        few(name, vectors, targets, options)
    if report.classes >= 4:
        unseen(name, vectors, targets, options)
    return learned.adapter


def few(name: str, vectors: Any, targets: Any, options: argparse.Namespace) -> None:
    """Measure adapters learned from few rows of each label."""
    count = int(targets.max()) + 1
    right: dict[tuple[str, bool], list[float]] = {}
    start = time.process_time()
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(targets))
        some = [order[targets[order] == label][: options.few] for label in range(count)]
        chosen = np.concatenate(some)
        out = np.setdiff1d(order, chosen)[:: max(1, (len(order) - len(chosen)) // TEST)]
        adapter = Adapter(keep=options.keep).fit(vectors[chosen], targets[chosen], seed=seed)
        for adapted in (False, True):
            learned, asked = vectors[chosen], vectors[out]
            if adapted:
                learned, asked = adapter.apply(learned), adapter.apply(asked)
            for way, call in WAYS.items():
                found = call(learned, targets[chosen], count, asked)
                right.setdefault((way, adapted), []).append(float((found == targets[out]).mean()))
    spent = (time.process_time() - start) / options.seeds
    for way in WAYS:
        before, after = np.array(right[way, False]), np.array(right[way, True])
        measure = paired(f"few {way}", before, after)
        tell(name, measure, f"{options.few} a label, {options.seeds} seeds, {spent:.1f} CPU s each")


def unseen(name: str, vectors: Any, targets: Any, options: argparse.Namespace) -> None:
    """Measure on labels of which the adapter saw no row."""
    rng = np.random.default_rng(options.seed)
    order = rng.permutation(int(targets.max()) + 1)
    seen = np.isin(targets, order[: len(order) // 2])
    numbers = np.unique(targets[seen], return_inverse=True)[1].astype(np.int64)
    adapter = Adapter(keep=options.keep).fit(vectors[seen], numbers, seed=options.seed)
    rest = rng.permutation(np.flatnonzero(~seen))
    half = len(rest) // 2
    right = []
    for every in (vectors, adapter.apply(vectors)):
        found = nearest_classes(
            every[rest[:half]], targets[rest[:half]], len(order), every[rest[half:]]
        )
        right.append((found == targets[rest[half:]]).astype(np.float64))
    tell(name, paired("unseen nearest", *right))


def pairs(name: str, place: str, options: argparse.Namespace, home: Path) -> Adapter:
    """Measure adapters learned from pairs; return one learned from all of them."""
    rows = read(place)[:: options.every]
    same = [row[2].strip().lower() in ("1", "true") for row in rows] if len(rows[0]) > 2 else None
    learned = fit_adapter(
        pairs=[(row[0], row[1]) for row in rows],
        same=same,
        embedder=options.embedder,
        home=home,
        keep=options.keep,
        seed=options.seed,
    )
    for measure in learned.report.measures:
        tell(name, measure, f"{len(rows):,} pairs, {learned.report.seconds} CPU s")
    return learned.adapter


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--labels", nargs=2, action="append", metavar=("NAME", "FILE:TEXT:LABEL"))
    parser.add_argument(
        "--pairs", nargs=2, action="append", metavar=("NAME", "FILE:LEFT:RIGHT[:SAME]"), default=[]
    )
    parser.add_argument("--elsewhere", nargs=3, metavar=("DOCS", "QUERIES", "QRELS"))
    parser.add_argument("--few", type=int, default=0, help="rows of each label")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="take every so many rows only")
    parser.add_argument("--keep", type=float, default=KEEP)
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = options.home or Path(temporary)
        asked = options.labels or ([] if options.pairs else [DEFAULT])
        print(
            f"{'set':16} {'measure':16} {'before':>8} {'after':>8} {'change':>8}"
            f"   {'95 % interval':18} {'n':>7}"
        )
        far = Elsewhere(options.elsewhere, options.embedder, home) if options.elsewhere else None
        for kind, sets in ((labels, asked), (pairs, options.pairs)):
            for name, place in sets:
                adapter = kind(name, place, options, home)
                if far is not None:
                    scores = np.array(far.ndcg(None)), np.array(far.ndcg(adapter))
                    tell(name, paired("elsewhere", *scores))


if __name__ == "__main__":
    main()
