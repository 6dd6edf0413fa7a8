"""Puts rows into a cache: ``python cache_worker.py HOME FIRST LAST [BOUND]``, a line a batch."""

from __future__ import annotations

import sys

import numpy as np

from embedkit.caching import Space, VectorCache
from embedkit.store.vectors import content_key

SPACE = Space("model", "document", 384)
BATCH = 50


def keys(first: int, last: int) -> list[bytes]:
    """Return the keys of some texts."""
    return [content_key(f"text {i}") for i in range(first, last)]


def rows(first: int, last: int) -> np.ndarray:
    """Return their vectors."""
    start = np.arange(first, last, dtype=np.float32)[:, np.newaxis]
    return start + np.arange(384, dtype=np.float32) / 1024


def main() -> None:
    """Put batch after batch, and check what others may have put."""
    home, first, last, *bound = sys.argv[1:]
    cache = VectorCache(home, bound=int(bound[0]) if bound else 10**9)
    for start in range(int(first), int(last), BATCH):
        end = min(start + BATCH, int(last))
        cache.put(SPACE, keys(start, end), rows(start, end))
        places, found = cache.get(SPACE, keys(0, end))
        assert found.tobytes() == rows(0, end)[places].tobytes()
        print("put", end, flush=True)


if __name__ == "__main__":
    main()
