"""All pairs of vectors above a threshold, beside peers: pairs found, CPU, peak memory.

    python benchmarks/pairs.py --vectors titles.npy --rows 20000 150000
    python benchmarks/pairs.py --thresholds 0.5 0.9 --peers numpy faiss sentence-transformers

Each line is a process of its own on the same vectors; CPU is user + system time of all its threads
without the start, memory its peak with the vectors mapped. Ours are the pairs themselves, sorted;
clusters of ``embedkit pairs --clusters`` (single) and of ``embedkit dedupe`` (leader). The peers
compare all with all in float32: numpy in blocks of the upper triangle, faiss by ``range_search`` on
a flat index, sentence-transformers by ``paraphrase_mining_embeddings`` (the 100 nearest of each).

Without ``--vectors`` they are made as in ``benchmarks/indexes.py``, which pairs up at random;
``--alike`` makes vectors that are all near-duplicates of each other.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

OURS = ("pairs", "best 1000", "single", "leader")
PEERS = {"numpy": "numpy", "faiss": "faiss", "sentence-transformers": "sentence_transformers"}


def main() -> None:
    options = _options()
    if options.method:
        print(json.dumps(_measured(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            path = _vectors(options, rows, Path(folder))
            for threshold in options.thresholds:
                _table(path, threshold, [*options.ours, *options.peers])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000])
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--vectors", type=Path, help="a .npy file of unit vectors")
    parser.add_argument("--alike", action="store_true", help="made vectors, all near each other")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.9])
    parser.add_argument("--ours", nargs="*", default=list(OURS), choices=OURS)
    parser.add_argument("--peers", nargs="*", default=None, choices=list(PEERS))
    parser.add_argument("--method", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peers is None:
        options.peers = [name for name, module in PEERS.items() if importlib.util.find_spec(module)]
    return options


def _vectors(options: argparse.Namespace, rows: int, folder: Path) -> Path:
    import numpy as np

    if options.vectors:
        made = np.load(options.vectors, mmap_mode="r")[:rows]
    elif options.alike:
        noise = np.random.default_rng(0).standard_normal((rows, options.dim))
        made = (1 + 0.1 * noise).astype(np.float32)
    else:
        sys.path.insert(0, str(Path(__file__).parent))
        from indexes import made_vectors

        made = made_vectors(rows, options.dim)
    unit = made / np.linalg.norm(made, axis=1, keepdims=True)
    path = folder / f"{rows}.npy"
    np.save(path, np.ascontiguousarray(unit, np.float32))
    print(f"\n{len(unit):,} x {unit.shape[1]}, {options.vectors or 'made vectors'}")
    return path


def _table(path: Path, threshold: float, methods: list[str]) -> None:
    print(f"\nthreshold {threshold:g}")
    print(f"{'':24}{'found':>12}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}")
    for method in methods:
        command = [sys.executable, __file__, "--method", method, "--vectors", str(path)]
        done = subprocess.run(
            [*command, "--thresholds", str(threshold)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"{method:24}{'failed: ' + done.stderr.strip().splitlines()[-1]}")
            continue
        told = json.loads(done.stdout.splitlines()[-1])
        what = " clusters" if method in ("single", "leader") else ""
        print(
            f"{method + what:24}{told['found']:>12,}{told['cpu']:>9.1f}{told['wall']:>9.1f}"
            f"{told['peak']:>9.0f}",
            flush=True,
        )


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    vectors = np.load(options.vectors, mmap_mode="r").view(np.ndarray)
    call = _METHODS[options.method]
    if options.method in PEERS:
        importlib.import_module(PEERS[options.method])
    started, cpu = time.monotonic(), _cpu()
    found = call(vectors, options.thresholds[0])
    return {
        "found": found,
        "cpu": _cpu() - cpu,
        "wall": time.monotonic() - started,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _pairs(vectors: Any, threshold: float) -> int:
    from embedkit.pairs.join import Join
    from embedkit.pairs.order import best_first

    return sum(len(found.left) for found in best_first(Join(vectors, None, threshold).pairs()))


def _best(vectors: Any, threshold: float) -> int:
    from embedkit.pairs.join import Join
    from embedkit.pairs.order import best

    return len(best(Join(vectors, None, threshold), 1000).left)


def _clusters(linkage: Any) -> Any:
    def count(vectors: Any, threshold: float) -> int:
        import numpy as np

        from embedkit.pairs.clusters import clusters
        from embedkit.pairs.join import Join

        firsts = clusters(Join(vectors, None, threshold), linkage)
        return int(np.count_nonzero(np.bincount(firsts) > 1))

    return count


def _numpy(vectors: Any, threshold: float) -> int:
    import numpy as np

    found = 0
    for top in range(0, len(vectors), 1024):
        for left in range(top, len(vectors), 4096):
            scores = vectors[top : top + 1024] @ vectors[left : left + 4096].T
            i, j = np.nonzero(scores >= threshold)
            found += int(np.count_nonzero(i + top < j + left))
    return found


def _faiss(vectors: Any, threshold: float) -> int:
    import faiss
    import numpy as np

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    found = 0
    for top in range(0, len(vectors), 4096):
        part = vectors[top : top + 4096]
        limits, _, rows = index.range_search(part, threshold)
        query = np.repeat(np.arange(top, top + len(part)), np.diff(limits.astype(np.int64)))
        found += int(np.count_nonzero(query < rows))
    return found


def _sentence_transformers(vectors: Any, threshold: float) -> int:
    import torch
    from sentence_transformers.util import paraphrase_mining_embeddings

    with torch.inference_mode():
        found = paraphrase_mining_embeddings(torch.from_numpy(vectors.copy()), max_pairs=10**7)
    return sum(score >= threshold for score, _, _ in found)


_METHODS: dict[str, Any] = {
    "pairs": _pairs,
    "best 1000": _best,
    "single": _clusters("single"),
    "leader": _clusters("leader"),
    "numpy": _numpy,
    "faiss": _faiss,
    "sentence-transformers": _sentence_transformers,
}


if __name__ == "__main__":
    main()
