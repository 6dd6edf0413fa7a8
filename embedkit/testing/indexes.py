"""What every index must do: plain functions that raise AssertionError, for any test framework.

An author of a backend writes ``check_index_backend(MyBackend)``, and, once it is registered,
``check_index("mine")``; the tests of embedkit run the same checks over all of its own backends.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from embedkit.errors import DamagedError, DimensionMismatchError
from embedkit.indexes.dynamic import VectorIndex
from embedkit.protocols import Index
from embedkit.testing.case import DIM, IndexCase, K
from embedkit.testing.filters import FILTER_CHECKS
from embedkit.testing.measures import (
    backends_always,
    damages,
    ensure,
    ensure_form,
    ensure_same,
    recall_of,
    refuses,
    temporary_folder,
)
from embedkit.types import METRICS, Metric
from embedkit.validate import normalize


def check_index(spec: str, *, metric: Metric | None = None, **options: Any) -> None:
    """Run every check on the index that a spec names.

    Parameters
    ----------
    spec : str
        As in the registry: ``annoy?n_trees=50``.
    metric : "cosine" or "inner_product", optional
        Both by default.
    options
        ``rows`` and ``floor`` of :class:`IndexCase`.

    Raises
    ------
    AssertionError
        Says what the index did not do.
    """
    for each in METRICS if metric is None else (metric,):
        case = IndexCase(spec, each, **options)
        with backends_always():
            for check in INDEX_CHECKS:
                check(case)


def check_protocol(case: IndexCase) -> None:
    """It is an Index, and knows how many vectors and which keys it has."""
    index = case.shared
    ensure(isinstance(index, Index), "does not fulfil the protocol Index")
    ensure(len(index) == case.rows, f"expected {case.rows} vectors, got {len(index)}")
    ensure(int(case.keys[5]) in index, "a key that was added is not in the index")
    ensure(3 * case.rows + 1 not in index, "a key that was never added is in the index")


def check_recall(case: IndexCase) -> None:
    """It finds the nearest, scores them exactly, best first, none twice."""
    found = case.shared.search(case.queries, K)
    ensure_form(found, len(case.queries), K)
    recall = recall_of(found.keys, case.truth(K))
    ensure(recall >= case.floor, f"expected recall@{K} >= {case.floor}, got {recall:.3f}")
    row_of = {key: row for row, key in enumerate(case.keys.tolist())}
    scores = case.scores()
    for i, (keys, got) in enumerate(zip(found.keys.tolist(), found.scores, strict=True)):
        expected = scores[i, [row_of[key] for key in keys]]
        worst = float(np.abs(got - expected).max())
        ensure(worst < 1e-5, f"scores are off by up to {worst:.1e}")


def check_k(case: IndexCase) -> None:
    """K may exceed what there is, and takes whole numbers from 1."""
    small = case.new()
    small.add([4, 2, 9], case.vectors[:3])
    ensure_form(small.search(case.queries[:2], 7), 2, 3, width=7)
    found = case.shared.search(case.queries[:1], case.rows + 3)
    ensure_form(found, 1, case.rows, width=case.rows + 3)
    for k in (0, -1, 2.5, "3", None, True):
        refuses(f"k = {k!r}", case.shared.search, case.queries[:1], k)


def check_empty(case: IndexCase) -> None:
    """An empty index, an empty batch of queries and of vectors are no errors."""
    index = case.new()
    ensure_form(index.search(case.queries[:2], 3), 2, 0, width=3)
    index.add([], np.empty((0, DIM)))
    index.remove([])
    ensure(len(index) == 0, "an empty index has a length")
    ensure_form(case.shared.search(np.empty((0, DIM), np.float32), 3), 0, 3)
    index.add([1], case.vectors[:1])
    index.remove([1])
    ensure_form(index.search(case.queries[:2], 3), 2, 0, width=3)


def check_refusals(case: IndexCase) -> None:
    """What cannot be meant is refused, and changes nothing."""
    index, good = case.shared, case.vectors[:2]
    before = index.search(case.queries, K)
    broken = good.copy()
    broken[1, 3] = np.nan
    new = [10**9, 10**9 + 1]
    for bad in (broken, np.where(np.isnan(broken), np.inf, broken)):
        refuses("NaN or infinity", index.add, new, bad)
        refuses("a query with NaN or infinity", index.search, bad, 3)
    for wide in (np.ones((2, DIM + 1)), np.ones((2, DIM - 1)), np.ones((2, 2, DIM))):
        refuses("another width", index.search, wide, 3, error=DimensionMismatchError)
        refuses("another width", index.add, new, wide, error=DimensionMismatchError)
    known = int(case.keys[0])
    for keys in ([10**9, known], [10**9] * 2, [-1, 10**9], [10**9], [0.5, 1.5], ["a", "b"]):
        refuses(f"adding the keys {keys}", index.add, keys, good)
    for gone in ([known, 10**9], [known, known], [0.5]):
        refuses(f"removing the keys {gone}", index.remove, gone)
    refuses("vectors of text", index.add, new, [["a"] * DIM] * 2)
    ensure(len(index) == case.rows and known in index, "a refused change left a trace")
    ensure_same(before, index.search(case.queries, K), "after refused changes")


def check_inputs(case: IndexCase) -> None:
    """Float64, Fortran order, strides, lists and a single query are the same numbers."""
    index, queries = case.shared, case.queries[:4]
    expected = index.search(queries, K)
    strided = np.repeat(queries, 2, axis=1)[:, ::2]
    for form in (queries.astype(np.float64), np.asfortranarray(queries), strided, queries.tolist()):
        ensure_same(expected, index.search(form, K), "for another form of the same queries")
    single = index.search(queries[0], K)
    ensure_form(single, 1, K)
    other = case.new()
    other.add(case.keys[:50].tolist(), np.asfortranarray(case.vectors[:50].astype(np.float64)))
    same = case.new()
    same.add(case.keys[:50], case.vectors[:50])
    ensure_same(same.search(queries, 5), other.search(queries, 5), "for other forms of vectors")


def check_copies(case: IndexCase) -> None:
    """What the caller does to its arrays afterwards changes nothing."""
    index, keys, vectors = case.new(), case.keys[:20].copy(), case.vectors[:20].copy()
    index.add(keys, vectors)
    before = index.search(case.queries, 5)
    keys[:], vectors[:] = 0, 1
    ensure_same(before, index.search(case.queries, 5), "after the caller's arrays changed")


def check_duplicates(case: IndexCase) -> None:
    """Equal vectors are all found, with equal scores, ordered by key."""
    index = case.new()
    index.add(case.keys, case.vectors)
    again = np.array([3, 1, 2]) + 4 * case.rows
    index.add(again, np.repeat(case.vectors[:1], 3, axis=0))
    found = index.search(case.vectors[:1], K if case.metric == "cosine" else case.rows)
    line = found.keys[0].tolist()
    at = [line.index(key) for key in sorted([int(case.keys[0]), *again.tolist()])]
    ensure(at == list(range(at[0], at[0] + 4)), "equal vectors are not beside each other by key")
    ensure(len(set(found.scores[0, at].tolist())) == 1, "equal vectors have different scores")


def check_zero_vectors(case: IndexCase) -> None:
    """A vector and a query of zeros have the score 0 with everything."""
    index = case.new()
    index.add(case.keys, np.where(np.arange(case.rows)[:, None] < 5, 0, case.vectors))
    ensure_form(index.search(case.queries, K), len(case.queries), K)
    zero = index.search(np.zeros((1, DIM)), K)
    ensure_form(zero, 1, K)
    ensure(not zero.scores.any(), "a query of zeros has scores other than 0")


def check_changes(case: IndexCase) -> None:
    """What is added is found at once, what is removed is gone, a key can come back."""
    index = case.filled()
    probe = 3 * normalize(case.queries[:1]).astype(np.float32)
    index.add([10**9], probe)
    ensure(index.search(probe, 1).keys[0, 0] == 10**9, "what was added was not found")
    best = index.search(case.queries, K).keys
    gone = np.unique(best)
    index.remove(gone)
    found = index.search(case.queries, K)
    ensure_form(found, len(case.queries), K)
    ensure(not np.isin(found.keys, gone).any(), "what was removed was found")
    left = ~np.isin(case.keys, gone)
    recall = recall_of(found.keys, case.truth(K, left))
    ensure(recall >= case.floor, f"recall is {recall:.3f} after removing")
    allowed = index.search(case.queries, 3, allow=gone)
    ensure_form(allowed, len(case.queries), 0)
    index.add([10**9], -probe)
    ensure(index.search(-probe, 1).keys[0, 0] == 10**9, "a key that came back was not found")
    index.remove(case.keys[left])
    ensure(len(index) == 1, "removing all but one left another number")
    ensure_form(index.search(case.queries[:1], 3), 1, 1, width=3)


def check_save(case: IndexCase) -> None:
    """Save, load: the same answers, and changes go on; saving again replaces."""
    with temporary_folder() as folder:
        case.shared.save(folder / "index")
        loaded = VectorIndex.load(folder / "index")
        expected = case.shared.search(case.queries, K)
        ensure_same(expected, loaded.search(case.queries, K), "after loading")
        ensure(loaded.sizes == case.shared.sizes, "loading built the index again")
        loaded.add([10**9], 9 * case.queries[:1])
        loaded.remove(case.keys[:10])
        loaded.save(folder / "index")
        again = VectorIndex.load(str(folder / "index"))
        ensure_same(
            loaded.search(case.queries, K), again.search(case.queries, K), "after loading again"
        )
        ensure(len(list((folder / "index").glob("state-*"))) == 1, "an old state was left behind")


def check_damage(case: IndexCase) -> None:
    """A cut, flipped, emptied, lengthened or missing file is reported, whichever it is."""
    with temporary_folder() as folder:
        case.shared.save(folder / "index")
        for path in sorted(p for p in (folder / "index").rglob("*") if p.is_file()):
            whole = path.read_bytes()
            for how, content in damages(whole):
                path.unlink() if content is None else path.write_bytes(content)
                try:
                    VectorIndex.load(folder / "index")
                except DamagedError:
                    continue
                finally:
                    path.write_bytes(whole)
                raise AssertionError(f"{path.name}, {how}, was loaded")
        VectorIndex.load(folder / "index")


def check_lengths(case: IndexCase) -> None:
    """The cosine ignores how long vectors and queries are, the inner product does not."""
    factors = np.random.default_rng(5).uniform(0.1, 9, (case.rows, 1)).astype(np.float32)
    other = case.new()
    other.add(case.keys, case.vectors * factors)
    longer = case.shared.search(4 * case.queries, K)
    expected = case.shared.search(case.queries, K)
    if case.metric == "cosine":
        ensure(bool(np.allclose(longer.scores, expected.scores, atol=1e-6)), "long queries differ")
        scaled = other.search(case.queries, K)
        recall = recall_of(scaled.keys, case.truth(K))
        ensure(recall >= case.floor, "the cosine depends on the length of vectors")
        close = np.allclose(scaled.scores[:, 0], expected.scores[:, 0], atol=1e-6)
        ensure(bool(close) or case.floor < 1, "the cosine depends on the length of vectors")
    else:
        ensure(bool(np.allclose(longer.scores, 4 * expected.scores, rtol=1e-5)), "not linear")
        scaled = other.search(case.queries, K)
        ensure(recall_of(scaled.keys, case.truth(K)) < 0.9, "the inner product ignores lengths")


def check_seed(case: IndexCase) -> None:
    """The same vectors give the same index."""
    first, second = case.shared, case.filled()
    ensure_same(
        first.search(case.queries, K), second.search(case.queries, K), "from a second build"
    )


def check_threads(case: IndexCase) -> None:
    """Searches at the same time disturb nobody."""
    index = case.shared
    index.build()
    alone = [index.search(query, K) for query in case.queries]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            together = pool.map(lambda query: index.search(query, K), case.queries)
            for expected, got in zip(alone, together, strict=True):
                ensure_same(expected, got, "while other threads search")


INDEX_CHECKS: tuple[Callable[[IndexCase], None], ...] = (
    check_protocol,
    check_recall,
    *FILTER_CHECKS,
    check_k,
    check_empty,
    check_refusals,
    check_inputs,
    check_copies,
    check_duplicates,
    check_zero_vectors,
    check_changes,
    check_save,
    check_damage,
    check_lengths,
    check_seed,
    check_threads,
)
"""Every check of an index."""
