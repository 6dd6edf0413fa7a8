"""Whether contracts on recall are kept, and what keeping them costs.

    python benchmarks/contract.py --rows 30000
    python benchmarks/contract.py --vectors titles.npy --queries abstracts.npy --specs turbovec

An index is built as a collection builds it: tuned on queries made of its own vectors until it
surely finds what was promised. Then it is asked what it was not tuned on: 2,000 fresh queries of
the same kind, the last 1,000 vectors, which were held out, and queries of your own.

Without ``--vectors`` the vectors are made, of kinds that are hard in different ways: few strong
directions, tight groups, twenty copies of each, and no structure at all.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

SPECS = ("auto", "turbovec", "usearch")
HELD_OUT = 1000
FRESH = 2000
HEAD = (
    f"{'data':12}{'index':22}{'used':10}{'tuned to':18}{'build s':>8}{'of it':>7}"
    f"{'shown':>8}{'asked':>7}{'fresh':>8}{'held out':>9}{'yours':>8}{'p50 ms':>8}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--dim", type=int, default=128, help="of vectors that are made")
    parser.add_argument("--vectors", type=Path, help="a .npy file of unit vectors, rows shuffled")
    parser.add_argument("--queries", type=Path, help="a .npy file of vectors to ask with")
    parser.add_argument("--specs", nargs="+", default=list(SPECS))
    parser.add_argument("--recall", type=float, default=0.99)
    options = parser.parse_args()
    print(f"contract: a recall of {options.recall:g}")
    print(HEAD)
    for name, vectors in _data(options):
        for spec in options.specs:
            _row(name, spec, vectors, options)


def _data(options: argparse.Namespace) -> list[tuple[str, Any]]:
    import numpy as np

    from embedkit.validate import normalize

    n, dim = options.rows + HELD_OUT, options.dim
    if options.vectors:
        vectors = np.load(options.vectors, mmap_mode="r")[:n].view(np.ndarray)
        return [(options.vectors.stem[:11], vectors)]
    rng = np.random.default_rng(0)
    narrow = rng.standard_normal((n, 16)) @ rng.standard_normal((16, dim))
    groups = rng.standard_normal((200, dim))[rng.integers(0, 200, n)]
    tight = groups + 0.3 * rng.standard_normal((n, dim))
    copies = narrow[rng.integers(0, n // 20, n)]
    loose = rng.standard_normal((n, dim))
    kinds = {"narrow": narrow, "groups": tight, "copies": copies, "loose": loose}
    return [(name, normalize(made.astype(np.float32))) for name, made in kinds.items()]


def _row(name: str, spec: str, vectors: Any, options: argparse.Namespace) -> None:
    import numpy as np

    from embedkit.indexes import contract
    from embedkit.indexes.measure import Sampler
    from embedkit.indexes.rows import RowIndex
    from embedkit.validate import normalize

    base, held = vectors[:-HELD_OUT], np.array(vectors[-HELD_OUT:])
    live = np.ones(len(base), bool)
    begun = time.perf_counter()
    built = contract.build(base, metric="cosine", spec=spec, live=live, recall=options.recall)
    seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    RowIndex.build(base, metric="cosine", spec=built.resolved, live=live)
    tuning = seconds - (time.perf_counter() - begun)
    sampler = Sampler(base, live, "cosine", seed=99)

    def recall(questions: Any) -> str:
        return f"{sampler.recalls(built.index, questions).mean():.4f}"

    yours = ""
    if options.queries:
        yours = recall(sampler.answered(normalize(np.load(options.queries))))
    measured = built.measurement
    tuned = ", ".join(f"{key}={value:g}" for key, value in measured.setting.items())
    print(
        f"{name:12}{spec:22}{built.resolved:10}{tuned:18}{seconds:8.1f}{tuning:7.1f}"
        f"{measured.low:8.4f}{measured.queries:7}{recall(sampler.draw(FRESH)):>8}"
        f"{recall(sampler.answered(held)):>9}{yours:>8}{measured.p50:8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
