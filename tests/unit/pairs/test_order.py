from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.pairs import order
from embedkit.pairs.join import Found, together
from embedkit.pairs.order import best_first


def parts(seed: int, sizes: list[int]) -> list[Found]:
    random = np.random.default_rng(seed)
    return [
        Found(
            random.integers(0, 9, size),
            random.integers(9, 18, size),
            random.choice(np.array([0.5, 0.75, 0.9], np.float32), size),
        )
        for size in sizes
    ]


def triples(found: Found) -> list[tuple[float, int, int]]:
    return [(-s, a, b) for a, b, s in zip(*(c.tolist() for c in found), strict=True)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(0, 60), max_size=12),
    run=st.integers(1, 80),
    chunk=st.integers(1, 30),
)
def test_whatever_is_spilled_comes_back_sorted(
    seed: int, sizes: list[int], run: int, chunk: int
) -> None:
    given_parts = parts(seed, sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "RUN", run)
        patch.setattr(order, "CHUNK", chunk)
        found = list(best_first(given_parts))
        assert all(len(part.left) <= chunk for part in found)
        assert triples(together(found)) == sorted(triples(together(given_parts)))


def test_the_file_is_gone_when_reading_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "RUN", 10)
    monkeypatch.setattr(order, "CHUNK", 5)
    spools = []

    class Seen(order._Spool):
        def __init__(self) -> None:
            super().__init__()
            spools.append(self)

    monkeypatch.setattr(order, "_Spool", Seen)
    reading: Iterator[Found] = best_first(parts(1, [20, 20]))
    next(reading)
    file = spools[0]._file
    assert file is not None
    assert not file.closed
    reading.close()  # type: ignore[attr-defined]
    assert file.closed
