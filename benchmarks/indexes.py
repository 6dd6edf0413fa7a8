"""Indexes beside their peers: build, disk, recall, time of a query, and what a filter costs.

    python benchmarks/indexes.py --rows 10000 100000
    python benchmarks/indexes.py --vectors titles.npy --peers numpy usearch hnswlib faiss

embedkit's indexes are measured as they are used, through ``RowIndex``: candidates, filter and
exact scores included. Every peer searches the same vectors in the same run, with one thread.

Without ``--vectors`` the vectors are made: a random tree of topics, five levels deep, each child a
step away from its parent within a random low-rank subspace, the steps shrinking; each vector a
leaf plus full-rank noise. Real sentence embeddings are the better judge: pass them as a .npy file,
in random order; the last ``--queries`` rows serve as queries.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS = ("flat", "turbovec", "usearch", "annoy", "pynndescent")
PEERS = ("numpy", "usearch", "hnswlib", "faiss")
FILTERING_PEERS = ("numpy", "faiss")
"""Those that take a filter in their own code; hnswlib calls Python for every vector it meets."""
SHARES = (0.001, 0.01, 0.1, 0.5)
K = 10
END = f"{'recall@10':>11}{'p50 ms':>9}{'CPU ms':>9}"
Search = Callable[[Any, Any], Any]
"""One query of shape (1, dim) and an allow mask or None, to the found rows."""


def main() -> None:
    options = _options()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ.setdefault(name, str(options.threads))
    from embedkit.indexes.exact import top_k

    for rows in options.rows:
        vectors, queries = _data(options, rows)
        truth = top_k(queries, vectors, K)[0]
        source = options.vectors or "made vectors"
        print(f"\n{len(vectors):,} x {vectors.shape[1]}, {len(queries)} queries, {source}")
        print(f"{'index':34}{'build CPU s':>12}{'disk MB':>9}{END}")
        for index in _indexes(options, vectors):
            _row(index, queries, truth)
        _filtered(options, vectors, queries)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--vectors", type=Path, help="a .npy file of unit vectors, rows shuffled")
    parser.add_argument("--specs", nargs="*", default=list(OURS), help="embedkit's indexes")
    parser.add_argument("--peers", nargs="*", default=None, choices=PEERS)
    parser.add_argument(
        "--filtered", nargs="*", default=["flat", "turbovec", "usearch"], help="embedkit's indexes"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.peers is None:  # Graphs of a million vectors take many minutes: only if asked.
        options.peers = list(PEERS) if max(options.rows) <= 100_000 else ["numpy"]
    for name in [name for name in options.peers if importlib.util.find_spec(name) is None]:
        print(f"{name} is not installed: left out")
        options.peers.remove(name)
    return options


def _data(options: argparse.Namespace, rows: int) -> tuple[Any, Any]:
    import numpy as np

    if options.vectors:
        every = np.load(options.vectors, mmap_mode="r")
        rows = min(rows, len(every) - options.queries)
        taken = np.concatenate((every[:rows], every[len(every) - options.queries :]))
    else:
        taken = made_vectors(rows + options.queries, options.dim)
    unit = np.ascontiguousarray(taken / np.linalg.norm(taken, axis=1, keepdims=True), np.float32)
    return unit[:rows], unit[rows:]


def made_vectors(n: int, dim: int, *, seed: int = 0) -> Any:
    """Return the vectors that the module's docstring describes, shape (n, dim)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    rank, branch = max(2, dim // 3), 8
    basis = rng.standard_normal((rank, dim)).astype(np.float32) / np.sqrt(rank)
    basis /= np.sqrt(1 + np.arange(rank, dtype=np.float32))[:, None] ** 0.7
    topics = np.zeros((1, dim), np.float32)
    for level in range(5):
        steps = rng.standard_normal((len(topics) * branch, rank), dtype=np.float32) @ basis
        topics = np.repeat(topics, branch, axis=0) + steps * 0.9**level
    out = topics[rng.integers(0, len(topics), n)]
    spread = float(np.linalg.norm(topics, axis=1).mean())
    for start in range(0, n, 65536):
        part = out[start : start + 65536]
        local = rng.standard_normal((len(part), rank), dtype=np.float32) @ basis
        noise = rng.standard_normal(part.shape, dtype=np.float32) * (0.6 * spread / np.sqrt(dim))
        part += local + noise
    return out


@dataclass
class Built:
    """An index that was built, and what that cost."""

    name: str
    seconds: float
    bytes: int
    search: Search


def _indexes(options: argparse.Namespace, vectors: Any) -> Iterator[Built]:
    for spec in options.specs:
        yield _ours(spec, vectors)
    for name in options.peers:
        yield _peer(name, vectors, options.threads)


def _ours(spec: str, vectors: Any) -> Built:
    import numpy as np

    from embedkit.indexes.rows import RowIndex

    live = np.ones(len(vectors), bool)
    if spec.startswith("pynndescent"):  # Compiled once a process: not part of the build.
        RowIndex.build(vectors[:3000], metric="cosine", spec=spec, live=live[:3000])
    begun = time.process_time()
    index = RowIndex.build(vectors, metric="cosine", spec=spec, live=live)
    seconds = time.process_time() - begun
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "index")
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return Built(
        f"embedkit {spec}", seconds, size, lambda q, allow: index.search(q, K, allow=allow).keys
    )


def _peer(name: str, vectors: Any, threads: int) -> Built:
    begun = time.process_time()
    label, search, save = PEER_BUILDERS[name](vectors, threads)
    seconds = time.process_time() - begun
    with tempfile.TemporaryDirectory() as folder:
        save(str(Path(folder) / "index"))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    return Built(label, seconds, size, search)


def _numpy(vectors: Any, threads: int) -> Any:
    import numpy as np

    def search(query: Any, allow: Any) -> Any:
        scores = vectors @ query[0]
        if allow is not None:
            scores[~allow] = -np.inf
        best = np.argpartition(-scores, K)[:K]
        best = best[np.argsort(-scores[best])]
        return np.where(scores[best] > -np.inf, best, -1)[None]

    return "numpy, float32", search, lambda path: np.save(path, vectors)


def _usearch(vectors: Any, threads: int) -> Any:
    import numpy as np
    from usearch.index import Index

    index = Index(
        ndim=vectors.shape[1], metric="cos", dtype="bf16",
        connectivity=16, expansion_add=128, expansion_search=256,
    )  # fmt: skip
    index.add(np.arange(len(vectors)), vectors, threads=threads)
    label = "usearch bf16 M16 efc128 ef256"
    return label, lambda q, _: index.search(q[0], K, threads=threads).keys[None], index.save


def _hnswlib(vectors: Any, threads: int) -> Any:
    import hnswlib

    index = hnswlib.Index(space="cosine", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=16, ef_construction=200)
    index.set_num_threads(threads)
    index.add_items(vectors, num_threads=threads)
    index.set_ef(128)
    label = "hnswlib M16 efc200 ef128"
    return label, lambda q, _: index.knn_query(q, K, num_threads=threads)[0], index.save_index


def _faiss(vectors: Any, threads: int) -> Any:
    import faiss
    import numpy as np

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    index.hnsw.efSearch = 128

    def search(query: Any, allow: Any) -> Any:
        if allow is None:
            return index.search(query, K)[1]
        chosen = faiss.IDSelectorBitmap(np.packbits(allow, bitorder="little"))
        params = faiss.SearchParametersHNSW(sel=chosen, efSearch=128)
        return index.search(query, K, params=params)[1]

    return "faiss HNSW32 ef128", search, lambda path: faiss.write_index(index, path)


PEER_BUILDERS: dict[str, Callable[[Any, int], Any]] = {
    "numpy": _numpy,
    "usearch": _usearch,
    "hnswlib": _hnswlib,
    "faiss": _faiss,
}


def _row(index: Built, queries: Any, truth: Any) -> None:
    found, p50, cpu = _timed(index.search, queries, None)
    print(
        f"{index.name:34}{index.seconds:12.2f}{index.bytes / 1e6:9.1f}"
        f"{_recall(found, truth):11.4f}{p50:9.2f}{cpu:9.2f}",
        flush=True,
    )


def _timed(search: Search, queries: Any, allow: Any) -> tuple[list[Any], float, float]:
    """Return what was found for each query, the median wall and the mean CPU milliseconds."""
    import numpy as np

    for query in queries[:5]:
        search(query[None], allow)
    found, walls = [], []
    cpu = time.process_time()
    for query in queries:
        begun = time.perf_counter()
        found.append(search(query[None], allow)[0])
        walls.append(time.perf_counter() - begun)
    cpu = time.process_time() - cpu
    return found, 1e3 * float(np.median(walls)), 1e3 * cpu / len(queries)


def _recall(found: list[Any], truth: Any) -> float:
    pairs = zip(found, truth, strict=True)
    return sum(len({*a.tolist()} & {*b.tolist()}) / len(b) for a, b in pairs) / len(truth)


def _filtered(options: argparse.Namespace, vectors: Any, queries: Any) -> None:
    import numpy as np

    from embedkit.indexes.exact import top_k

    print(f"\n{'filtered':34}{'share':>8}{'rows':>10}{'hits':>7}{END}")
    built = [_ours(spec, vectors) for spec in options.filtered]
    peers = [name for name in FILTERING_PEERS if name in options.peers]
    built += [_peer(name, vectors, options.threads) for name in peers]
    for share in SHARES:
        allow = np.random.default_rng(1).random(len(vectors)) < share
        truth = top_k(queries, vectors, K, mask=allow)[0]
        for index in built:
            found, p50, cpu = _timed(index.search, queries, allow)
            hits = min(int((line >= 0).sum()) for line in found)
            print(
                f"{index.name:34}{share:8.1%}{int(allow.sum()):10,}{hits:7}"
                f"{_recall(found, truth):11.4f}{p50:9.2f}{cpu:9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
