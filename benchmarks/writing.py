"""How soon a few records are durable and found in a large collection.

    python benchmarks/writing.py --rows 100000 --times 70

A process has the collection open and inserts, ten at a time, records with metadata and vectors of
its own, so that no embedding is measured; after each time it searches for one of them, and so does
a second reader, which opened the collection by itself. Then it deletes five of them and searches
again. The table shows the median, the 90th percentile and the longest time in milliseconds, and the
median of the CPU time; the longest one is that of a snapshot, which is due after 64 small
publications. Without ``--vectors`` they are random.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import embedkit
from embedkit import Record


def source(rows: int) -> pa.Table:
    """Return records with a text and three columns of metadata."""
    return pa.table(
        {
            "id": [f"r{i}" for i in range(rows)],
            "text": [f"a title of some words, the one of number {i}" for i in range(rows)],
            "year": [1990 + i % 30 for i in range(rows)],
            "lang": ["en" if i % 3 else "de" for i in range(rows)],
            "votes": [i * 0.5 for i in range(rows)],
        }
    )


def some_vectors(path: str | None, rows: int, dim: int) -> Any:
    """Return unit vectors, shape (rows, dim or what the file has)."""
    if path is not None:
        return np.array(np.load(path, mmap_mode="r")[:rows], np.float32)
    vectors = np.random.default_rng(3).standard_normal((rows, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


class Clock:
    """Times of several kinds of steps."""

    def __init__(self) -> None:
        self.taken: dict[str, list[tuple[float, float]]] = {}

    def time(self, name: str, work: Callable[[], object]) -> None:
        """Do some work and note how long it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        took = time.perf_counter() - wall, time.process_time() - cpu
        self.taken.setdefault(name, []).append(took)

    def print(self) -> None:
        """Print the table."""
        print(f"{'':34}  {'p50 ms':>7}  {'p90 ms':>7}  {'max ms':>7}  {'CPU ms':>7}")
        for name, taken in self.taken.items():
            wall, cpu = 1e3 * np.array(taken).T
            print(
                f"{name:34}  {np.median(wall):7.1f}  {np.quantile(wall, 0.9):7.1f}"
                f"  {wall.max():7.1f}  {np.median(cpu):7.1f}"
            )


def measure(home: Path, vectors: Any, rows: int, times: int) -> None:
    """Fill a collection, then write to it again and again."""
    clock = Clock()
    with embedkit.open("c", home=home) as writer, embedkit.open("c", home=home) as reader:
        began = time.perf_counter()
        writer.upsert(source(rows), vectors=vectors[:rows])
        print(f"{rows:,} records at once: {time.perf_counter() - began:.1f} s")
        for who in (writer, reader):
            who.search_vectors(vectors[0], k=10)
        for i in range(times):
            fresh = vectors[rows + 10 * i : rows + 10 * (i + 1)]
            metadata = {"year": 2026, "lang": "en", "votes": 1.0}
            records = [Record(f"n{i}-{j}", f"a new text, {i} and {j}", metadata) for j in range(10)]

            def found(who: embedkit.Collection, place: int, i: int = i, fresh: Any = fresh) -> None:
                assert who.search_vectors(fresh[place], k=1)[0][0].id == f"n{i}-{place}"

            def insert(records: list[Record] = records, fresh: Any = fresh) -> None:
                writer.upsert(records, vectors=fresh)
                found(writer, 3)

            def delete(i: int = i, fresh: Any = fresh) -> None:
                writer.delete([f"n{i}-{j}" for j in range(0, 10, 2)])
                assert writer.search_vectors(fresh[4], k=1)[0][0].id != f"n{i}-4"

            clock.time("ten records: inserted and found", insert)
            clock.time("... found by the other reader", lambda: found(reader, 5))
            clock.time("five of them: deleted and gone", delete)
    with embedkit.open("c", home=home) as fresh_reader:
        clock.time("opened anew, first search", lambda: fresh_reader.search_vectors(vectors[0]))
    clock.print()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Latency of small writes.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=70)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--vectors", help="a .npy file of unit vectors; default: random ones")
    options = parser.parse_args(arguments)
    needed = options.rows + 10 * options.times
    vectors = some_vectors(options.vectors, needed, options.dim)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), vectors, min(options.rows, len(vectors)), options.times)


if __name__ == "__main__":
    main()
