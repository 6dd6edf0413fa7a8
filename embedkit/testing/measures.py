"""What the checks of indexes measure with: data, oracles, and assertions with a reason."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import EmbedkitError, InvalidInputError
from embedkit.indexes import planner
from embedkit.validate import normalize

if TYPE_CHECKING:
    from embedkit.types import Keys, Neighbors, Vectors


def clustered_vectors(n: int, dim: int, *, seed: int = 0) -> Vectors:
    """Return vectors as text embeddings are: groups of like ones, few strong directions, noise.

    Parameters
    ----------
    n, dim : int
        The shape.
    seed : int
        The directions and groups are the same for every seed, the members are not.

    Returns
    -------
    float32 array, shape (n, dim), of lengths between about 0.5 and 2
    """
    world, rng = np.random.default_rng(7), np.random.default_rng(seed + 1000)
    strength = 1 / np.sqrt(1 + np.arange(dim))
    groups = world.standard_normal((64, dim)) * strength
    members = groups[rng.integers(0, len(groups), n)]
    members = members + 0.8 * rng.standard_normal((n, dim)) * strength
    unit = normalize(members.astype(np.float32))
    return np.asarray(unit * rng.uniform(0.5, 2, (n, 1)), np.float32)


def ensure(condition: bool, otherwise: str) -> None:
    """Raise AssertionError unless the condition holds."""
    if not condition:
        raise AssertionError(otherwise)


def ensure_form(found: Neighbors, queries: int, hits: int, *, width: int | None = None) -> None:
    """Exactly ``hits`` in each line, best first, none twice, the empty cells at the end."""
    keys, scores = found.keys, found.scores
    shape = (queries, keys.shape[1] if width is None else width)
    ensure(keys.shape == scores.shape == shape, f"got {keys.shape}, {scores.shape} for {shape}")
    ensure(keys.dtype == np.int64 and scores.dtype == np.float32, "wrong types")
    ensure(keys.shape[1] >= hits, f"expected {hits} hits, got {keys.shape[1]}")
    ensure(bool((keys[:, :hits] >= 0).all()), f"fewer than {hits} hits")
    ensure(bool((keys[:, hits:] == -1).all()), f"more than {hits} hits")
    ensure(bool(np.isfinite(scores[:, :hits]).all()), "a hit without a score")
    ensure(bool((scores[:, hits:] == -np.inf).all()), "an empty cell with a score")
    ensure(all(len(set(line)) == hits for line in keys[:, :hits].tolist()), "a key twice")
    for line, names in zip(scores[:, :hits], keys[:, :hits], strict=True):
        steps, order = np.diff(line), np.diff(names)
        ensure(bool((steps <= 0).all()), "hits are not ordered by score")
        ensure(bool((order[steps == 0] > 0).all()), "equal scores are not ordered by key")


def ensure_same(expected: Neighbors, got: Neighbors, when: str) -> None:
    """Raise AssertionError unless keys and scores are equal, bit for bit."""
    same = np.array_equal(expected.keys, got.keys) and np.array_equal(expected.scores, got.scores)
    ensure(same, f"different answers {when}")


def ensure_positions(found: Keys, queries: int, rows: int) -> None:
    """Raise AssertionError unless these are candidates: positions that exist, none twice."""
    ensure(found.ndim == 2 and len(found) == queries, f"got candidates of shape {found.shape}")
    ensure(found.dtype == np.int64, f"expected int64 positions, got {found.dtype}")
    ensure(bool(((found >= -1) & (found < rows)).all()), "a position that does not exist")
    for line in found.tolist():
        real = [position for position in line if position >= 0]
        ensure(len(real) == len(set(real)), "a candidate twice")


def refuses(
    what: str,
    action: Callable[..., Any],
    *arguments: Any,
    error: type[EmbedkitError] = InvalidInputError,
) -> None:
    """Raise AssertionError unless the call raises the error."""
    try:
        action(*arguments)
    except error:
        return
    raise AssertionError(f"{what}: not refused")


def recall_of(found: Keys, truth: list[list[int]]) -> float:
    """Return the share of the true neighbours that were found, mean over queries."""
    shares = [
        len(set(line) & set(true)) / len(true)
        for line, true in zip(found.tolist(), truth, strict=True)
    ]
    return float(np.mean(shares))


def damages(whole: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Yield what can become of a file, by name; None for a missing one."""
    middle = len(whole) // 2
    yield "missing", None
    yield "emptied", b""
    yield "cut", whole[:middle]
    yield "lengthened", whole + b"\0"
    for at in (0, middle, len(whole) - 1):
        yield f"byte {at} flipped", whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]


@contextmanager
def backends_always() -> Iterator[None]:
    """Within, exact search counts as too dear: small data would never reach a backend otherwise."""
    usual = planner.exact_ms
    planner.exact_ms = lambda task: float("inf")
    try:
        yield
    finally:
        planner.exact_ms = usual


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
