"""How fast ``index`` takes records in when the embedder costs nothing.

    python benchmarks/throughput.py --rows 100000 1000000

A CSV of short texts with four typed metadata columns is indexed from nothing, then again unchanged,
then with one row in a hundred changed; each in a process of its own. ``null`` returns the same
vector for every text; ``hashing`` is the reference embedder. The table shows records per second of
wall time and of CPU time, and the largest memory of the process.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

VOCABULARY = (
    "how do the old bridge engine garden return money parcel window song river account winter "
    "bread light school doctor train paper sugar colour market story letter planet kitchen coat "
    "answer number village mirror stone summer father language ticket"
)

WORKER = """
import json, resource, sys, time
import numpy as np
import embedkit
from embedkit.embedders.base import BaseEmbedder
from embedkit.types import Embeddings

class Null(BaseEmbedder):
    model_id, dim = "null", 384
    def _embed(self, texts, input_type):
        vectors = np.zeros((len(texts), 384), np.float32)
        vectors[:, 0] = 1
        return Embeddings(vectors)

source, home, name = sys.argv[1:]
embedder = Null() if name == "null" else name
collection = embedkit.open("bench", home=home, embedder=embedder)
wall, cpu = time.perf_counter(), time.process_time()
report = collection.index(source, text="text", id="id")
print(json.dumps({
    "wall": time.perf_counter() - wall,
    "cpu": time.process_time() - cpu,
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "new": report.new, "changed": report.changed, "unchanged": report.unchanged,
}))
"""


def write_source(path: Path, rows: int, *, changed: bool) -> None:
    """Write the CSV; with ``changed``, one text in a hundred is another."""
    generator, vocabulary = random.Random(7), VOCABULARY.split()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "topic", "votes", "price", "day"])
        for i in range(rows):
            words = generator.choices(vocabulary, k=9)
            if changed and i % 100 == 0:
                words.append("changed")
            writer.writerow(
                [
                    f"r{i}",
                    " ".join(words) + f" {i}",
                    generator.choice(vocabulary),
                    generator.randrange(1000),
                    generator.randrange(10_000) / 100,
                    f"2026-{generator.randrange(1, 13):02}-{generator.randrange(1, 29):02}",
                ]
            )


def measure(source: Path, home: Path, embedder: str) -> dict[str, float]:
    """Index in a process of its own and return what it took."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(source), str(home), embedder],
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Throughput of index with a free embedder.")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--embedders", nargs="+", default=["null", "hashing"])
    options = parser.parse_args(arguments)
    print(f"{'rows':>9}  {'embedder':8}  {'run':9}  {'s':>7}  {'CPU s':>7}", end="")
    print(f"  {'records/s':>10}  {'per CPU s':>10}  {'MB':>6}")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            first, second = Path(folder, "first.csv"), Path(folder, "second.csv")
            write_source(first, rows, changed=False)
            write_source(second, rows, changed=True)
            for embedder in options.embedders:
                home = Path(folder, embedder)
                for label, source in (
                    ("new", first),
                    ("unchanged", first),
                    ("1% other", second),
                ):
                    took = measure(source, home, embedder)
                    print(
                        f"{rows:>9,}  {embedder:8}  {label:9}  {took['wall']:>7.2f}"
                        f"  {took['cpu']:>7.2f}  {rows / took['wall']:>10,.0f}"
                        f"  {rows / took['cpu']:>10,.0f}  {took['memory']:>6,.0f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
