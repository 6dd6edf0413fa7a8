"""The map of an adapter: a vector, moved by what a small network adds to it.

With nothing learned it is the identity, and far from everything that it was learned on it is the
identity again: a gate closes there, so that texts of another kind are found as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.validate import normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Vectors

Parameters = dict[str, "NDArray[np.float32]"]
CENTRES = 512
"""Training vectors that the gate remembers."""
NEAREST = 5
"""Of them, how many say how near a vector is to what was learned on."""
QUANTILE = 10.0
"""Per cent of the training vectors for which the gate is not wide open."""
WIDTH = 0.2
"""How much less similar a vector must be for the gate to be closed."""
BLOCK = 4096
"""Vectors that are moved at a time."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What going forward leaves for going back.

    Attributes
    ----------
    units : float32 array, shape (n, dim)
        The moved vectors, of length 1.
    inputs, hidden, lengths, gates
        What they came from; hidden after the nonlinearity and what was dropped.
    slopes : float32 array, shape (n, width)
        Of hidden by what came before it.
    """

    units: Vectors
    inputs: Vectors
    hidden: Vectors
    slopes: Vectors
    lengths: Vectors
    gates: Vectors


@dataclass(frozen=True, slots=True)
class Gate:
    """Opens where vectors are like those that were learned on.

    The mean cosine with the nearest ``NEAREST`` centres is compared with two levels: from ``low``,
    where the gate is closed, to ``high``, where it is open, it opens evenly.
    """

    centres: Vectors
    low: float
    high: float

    @classmethod
    def around(cls, vectors: Vectors, rng: np.random.Generator) -> Gate:
        """Learn where a set of unit vectors, shape (n, dim), lies."""
        chosen = rng.permutation(len(vectors))[:CENTRES]
        centres = np.ascontiguousarray(vectors[np.sort(chosen)])
        similar = centres @ centres.T
        np.fill_diagonal(similar, -1)  # its own centre says nothing of a vector
        high = float(np.percentile(_nearest(similar), QUANTILE))
        return cls(centres, high - WIDTH, high)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return how far the gate is open for each of n unit vectors, shape (n, 1), 0 to 1."""
        near = _nearest(vectors @ self.centres.T)
        opened: Vectors = np.clip((near - self.low) / (self.high - self.low), 0, 1)
        return opened.astype(np.float32)[:, np.newaxis]


def start(dim: int, width: int, rng: np.random.Generator) -> Parameters:
    """Return parameters of a map that is the identity: nothing is added yet."""
    return {
        "into": rng.standard_normal((dim, width), dtype=np.float32),
        "bias": np.zeros(width, np.float32),
        "out": np.zeros((width, dim), np.float32),
    }


def mean_of(members: Sequence[Parameters]) -> Parameters:
    """Return the parameters of one map that adds what several add on average."""
    # The wider sum is divided by the root of its width already.
    share = np.float32(1 / np.sqrt(len(members)))
    return {
        "into": np.concatenate([one["into"] for one in members], axis=1),
        "bias": np.concatenate([one["bias"] for one in members]),
        "out": np.concatenate([one["out"] for one in members]) * share,
    }


def forward(
    parameters: Mapping[str, Any], vectors: Vectors, gates: Vectors, kept: Any = None
) -> Pass:
    """Move vectors, and remember how.

    ``moved = unit(x + gate(x) * relu(x @ into + bias) @ out / sqrt(width))``

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
        Of length 1.
    gates : float32 array, shape (n, 1)
    kept : float32 array, shape (n, width), optional
        What hidden values are multiplied by: 0 where one is dropped.
    """
    before = vectors @ parameters["into"] + parameters["bias"]
    slopes = (before > 0).astype(np.float32)
    if kept is not None:
        slopes *= kept
    slopes *= np.float32(1 / np.sqrt(len(parameters["bias"])))
    hidden = before * slopes
    moved = vectors + gates * (hidden @ parameters["out"])
    lengths = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), np.float32(1e-12))
    return Pass(moved / lengths, vectors, hidden, slopes, lengths, gates)


def backward(parameters: Mapping[str, Any], done: Pass, slope: Vectors) -> Parameters:
    """Return the gradient of each parameter.

    Parameters
    ----------
    slope : float32 array, shape (n, dim)
        Gradient of the loss by ``done.units``.
    """
    added = through_length(done.units, done.lengths, slope) * done.gates
    before = (added @ parameters["out"].T) * done.slopes
    return {
        "into": done.inputs.T @ before,
        "bias": before.sum(axis=0),
        "out": done.hidden.T @ added,
    }


def through_length(units: Vectors, lengths: Vectors, slope: Vectors) -> Vectors:
    """Return the gradient by vectors from the gradient by those vectors made length 1."""
    along = np.einsum("ij,ij->i", slope, units)[:, np.newaxis]
    passed: Vectors = (slope - units * along) / lengths
    return passed


def move(parameters: Mapping[str, Any], gate: Gate, vectors: Vectors, strength: float) -> Vectors:
    """Return moved vectors, of length 1; with strength 0, the vectors themselves."""
    out = np.empty_like(vectors)
    for first in range(0, len(vectors), BLOCK):
        some = vectors[first : first + BLOCK]
        gates = gate(some) * np.float32(strength)
        out[first : first + BLOCK] = normalize(forward(parameters, some, gates).units)
    return out


def _nearest(similar: Vectors) -> Vectors:
    """Return the mean of the largest few of each row."""
    few = min(NEAREST, similar.shape[1])
    largest: Vectors = np.partition(similar, -few, axis=1)[:, -few:].mean(axis=1)
    return largest
