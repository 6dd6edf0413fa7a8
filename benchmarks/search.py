"""Whole searches, from a vector to records with their metadata, beside chroma and lancedb.

    python benchmarks/search.py --vectors titles.npy --rows 100000

Every store holds the same vectors, texts and a number for each record, whose numbers are shuffled,
so that ``number < n`` keeps any share of them at random. Each query asks for ten records, all of
them with text and metadata; each filter is a condition that was not asked before. Then a fresh
process opens embedkit's collection: the time from ``embedkit.open`` to the first ten records, and
the same for a second collection object in a process that has everything imported.

Without ``--vectors`` the vectors are made as in ``benchmarks/indexes.py``. Peers that are not
installed are left out, and it is said which. They run with their defaults, lancedb with an index of
the kind IVF_HNSW_SQ; one that misses neighbours may be made to find more at the price of its time.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from indexes import made_vectors

import embedkit
from embedkit.indexes.exact import top_k

K = 10
SHARES = (1.0, 0.5, 0.1, 0.01, 0.001)
PEERS = ("chroma", "lancedb")
MODULES = {"chroma": "chromadb", "lancedb": "lancedb"}
Search = Callable[[Any, int, int], list[str]]
"""A query of shape (dim,), a limit to the numbers and the count of this query, to the found ids."""
FRESH = """
import time, numpy as np
query = np.load({query!r})
begun = time.perf_counter()
import embedkit
hits = embedkit.open("q", home={home!r}).search_vectors(query, {k})[0]
first = time.perf_counter()
again = embedkit.open("q", home={home!r}).search_vectors(query, {k})[0]
assert [hit.id for hit in hits] == [hit.id for hit in again]
print(first - begun, time.perf_counter() - first)
"""


def main() -> None:
    options = _options()
    vectors, queries = _data(options)
    n = len(vectors)
    numbers = np.random.default_rng(0).permutation(n)
    truths = {
        share: top_k(queries, vectors, K, mask=None if share == 1 else numbers < share * n)[0]
        for share in SHARES
    }
    print(
        f"{n:,} x {vectors.shape[1]}, {len(queries)} queries, {options.vectors or 'made vectors'}"
    )
    head = f"{'recall@10':>11}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}"
    print(f"\n{'store':28}{'filter':>8}{'hits':>6}{head}")
    with tempfile.TemporaryDirectory() as folder:
        _measure(_embedkit(folder, vectors, numbers), queries, truths, n)
        _reopened(Path(folder), queries[0], options.rounds)
        for name in options.peers:
            if importlib.util.find_spec(MODULES[name]) is None:
                print(f"{name:28} is not installed: left out")
                continue
            with tempfile.TemporaryDirectory() as other:
                _measure(BUILDERS[name](other, vectors, numbers), queries, truths, n)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--vectors", type=Path, help="a .npy file of unit vectors, rows shuffled")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--rounds", type=int, default=7, help="fresh processes")
    return parser.parse_args()


def _data(options: argparse.Namespace) -> tuple[Any, Any]:
    if options.vectors:
        every = np.load(options.vectors, mmap_mode="r")
        rows = min(options.rows, len(every) - options.queries)
        every = np.concatenate((every[:rows], every[len(every) - options.queries :]))
    else:
        rows = options.rows
        every = made_vectors(rows + options.queries, options.dim)
    unit = np.ascontiguousarray(every / np.linalg.norm(every, axis=1, keepdims=True), np.float32)
    return unit[:rows], unit[rows:]


def _records(numbers: Any) -> Iterator[dict[str, Any]]:
    for i, number in enumerate(numbers.tolist()):
        text = f"The text of record {i}, about as long as the title of an article usually is"
        yield {"id": str(i), "text": text, "number": number, "lang": ("en", "de")[i % 2]}


def _embedkit(folder: str, vectors: Any, numbers: Any) -> tuple[str, Search]:
    collection = embedkit.open("q", home=folder)
    collection.upsert(_records(numbers), vectors=vectors)

    def search(query: Any, limit: int, i: int) -> list[str]:
        where = None if limit >= len(numbers) else f"number < {limit} AND number > -{i + 1}"
        return [hit.id for hit in collection.search_vectors(query, K, where=where)[0]]

    return f"embedkit ({collection.info().index})", search


def _chroma(folder: str, vectors: Any, numbers: Any) -> tuple[str, Search]:
    import chromadb

    client = chromadb.PersistentClient(path=folder)
    collection = client.create_collection("records", configuration={"hnsw": {"space": "cosine"}})
    records = list(_records(numbers))
    for start in range(0, len(records), 5000):
        part = records[start : start + 5000]
        collection.add(
            ids=[record["id"] for record in part],
            embeddings=vectors[start : start + 5000],
            documents=[record["text"] for record in part],
            metadatas=[{"number": r["number"], "lang": r["lang"]} for r in part],
        )

    def search(query: Any, limit: int, i: int) -> list[str]:
        low: Any = {"number": {"$gt": -i - 1}}
        where = None
        if limit < len(numbers):
            where = {"$and": [{"number": {"$lt": limit}}, low]}
        found = collection.query(query_embeddings=query[None], n_results=K, where=where)
        return list(found["ids"][0])

    return f"chroma {chromadb.__version__}", search


def _lancedb(folder: str, vectors: Any, numbers: Any) -> tuple[str, Search]:
    import lancedb
    import pyarrow as pa

    table = pa.Table.from_pylist(list(_records(numbers)))
    flat = pa.array(vectors.ravel())
    table = table.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]))
    store = lancedb.connect(folder).create_table("q", table)
    with warnings.catch_warnings():  # an older way to say it, which older versions know too
        warnings.simplefilter("ignore", DeprecationWarning)
        store.create_index(metric="cosine", index_type="IVF_HNSW_SQ")

    def search(query: Any, limit: int, i: int) -> list[str]:
        asked = store.search(query).distance_type("cosine").limit(K)
        if limit < len(numbers):
            asked = asked.where(f"number < {limit} AND number > -{i + 1}", prefilter=True)
        found = asked.select(["id", "text", "number", "lang", "_distance"]).to_list()
        return [row["id"] for row in found]

    return f"lancedb {lancedb.__version__} IVF_HNSW_SQ", search


BUILDERS: dict[str, Callable[..., tuple[str, Search]]] = {"chroma": _chroma, "lancedb": _lancedb}


def _measure(store: tuple[str, Search], queries: Any, truths: dict[float, Any], n: int) -> None:
    name, search = store
    for i in range(50):  # a process that goes on searching
        search(queries[i % len(queries)], n, i)
    for share, truth in truths.items():
        limit, walls, recalls, hits = int(share * n), [], [], []
        cpu = time.process_time()
        for i, (query, true) in enumerate(zip(queries, truth, strict=True)):
            begun = time.perf_counter()
            found = search(query, limit, i)
            walls.append(1e3 * (time.perf_counter() - begun))
            hits.append(len(found))
            recalls.append(len({*map(int, found)} & {*true.tolist()}) / len(true))
        cpu = 1e3 * (time.process_time() - cpu) / len(queries)
        told = "none" if share == 1 else f"{share:.1%}"
        p95 = statistics.quantiles(walls, n=20)[-1]
        print(
            f"{name:28}{told:>8}{min(hits):6}{statistics.mean(recalls):11.4f}"
            f"{statistics.median(walls):9.2f}{p95:9.2f}{cpu:9.2f}",
            flush=True,
        )


def _reopened(home: Path, query: Any, rounds: int) -> None:
    with _saved(query) as path:
        script = FRESH.format(query=str(path), home=str(home), k=K)
        told = [
            subprocess.run(
                [sys.executable, "-c", script], check=True, capture_output=True, text=True
            ).stdout.split()
            for _ in range(rounds)
        ]
    for name, times in zip(
        ("fresh process, imports included", "another collection object"),
        zip(*told, strict=True),
        strict=True,
    ):
        print(
            f"  open and first search, {name}: {1e3 * statistics.median(map(float, times)):.0f} ms"
        )


@contextmanager
def _saved(query: Any) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "query.npy"
        np.save(path, query)
        yield path


if __name__ == "__main__":
    main()
