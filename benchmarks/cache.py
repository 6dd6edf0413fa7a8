"""What the vector cache costs a text, in CPU time.

    python benchmarks/cache.py --rows 28800 --dim 1536

Rows are put in batches of 96, as an embedding service delivers them, then looked up: in the same
batches, 10,000 at once in any order, one alone in a process that has just opened the file.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable

import numpy as np

from embedkit.caching import Space, VectorCache

BATCH = 96


def cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=28_800)
    parser.add_argument("--dim", type=int, default=1536)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    rows = random.standard_normal((BATCH, given.dim)).astype(np.float32)
    keys = [hashlib.sha256(b"%d" % i).digest()[:16] for i in range(given.rows)]
    batches = [keys[start : start + BATCH] for start in range(0, given.rows, BATCH)]
    some = [keys[i] for i in random.permutation(given.rows)[:10_000]]
    space = Space("model", "document", given.dim)
    with tempfile.TemporaryDirectory() as home:
        cache = VectorCache(home, bound=10**11)
        put = cpu(lambda: [cache.put(space, b, rows[: len(b)]) for b in batches])
        print(f"put, in batches of {BATCH}    {put / given.rows * 1e6:8.1f} us a row")
        get = cpu(lambda: [cache.get(space, batch) for batch in batches])
        print(f"get, in batches of {BATCH}    {get / given.rows * 1e6:8.1f} us a row")
        scattered = cpu(lambda: cache.get(space, some))
        print(f"get, {len(some):,} in any order {scattered * 1e3:8.1f} ms")
        fresh = VectorCache(home, bound=10**11)
        print(f"all keys                 {cpu(lambda: fresh.contents(space)) * 1e3:8.1f} ms")
        print(f"get one, just opened     {cpu(lambda: fresh.get(space, some[:1])) * 1e3:8.1f} ms")
        print(f"get one, again           {cpu(lambda: fresh.get(space, some[:1])) * 1e3:8.1f} ms")
        fresh.close()
        cache.close()


if __name__ == "__main__":
    main()
