"""What an adapter can learn from: labels, or pairs of texts that mean the same or do not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.adapters.losses import (
    contrastive_loss,
    difference_loss,
    keeping_loss,
    pair_loss,
    prototype_loss,
    softmax,
)
from embedkit.adapters.residual import Parameters
from embedkit.validate import normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

BATCH = 256
"""Rows, or pairs, of a step."""
SHARP = 20.0
"""Scale of cosines with prototypes and partners."""
WATCHED, NEAR = 1000, 4000
"""Rows held out that tell when to stop, and rows that they are compared with, at most."""
BLUNT = 10.0
"""Scale of cosines within a class: in a batch there are many of each."""


class Labels:
    """Vectors of a class belong together.

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
    targets : int64 array, shape (n,)
    weights : float32 array, shape (n,)
    chosen, watched : int64 arrays
        Rows to learn from, and rows held out.
    keep : float
        How much a vector is held where it was.
    """

    def __init__(
        self,
        vectors: Vectors,
        targets: Keys,
        n_classes: int,
        weights: Vectors,
        chosen: Keys,
        watched: Keys,
        keep: float,
    ) -> None:
        self._targets = targets
        self._weights = weights
        self._chosen = chosen
        self._watched = watched[:: math.ceil(max(1, len(watched)) / WATCHED)]
        self._near = chosen[:: math.ceil(max(1, len(chosen)) / NEAR)]
        self._keep = keep
        means = np.zeros((n_classes, vectors.shape[1]), np.float32)
        np.add.at(means, targets[chosen], vectors[chosen] * weights[chosen, np.newaxis])
        self.parameters: Parameters = {"prototypes": normalize(means)}

    def batches(self, rng: np.random.Generator) -> Iterator[Keys]:
        """Yield rows, each once."""
        order = rng.permutation(self._chosen)
        count = max(1, round(len(order) / BATCH))
        yield from np.array_split(order, count)

    def rows(self, batch: Keys) -> Keys:
        """Return the rows themselves."""
        return batch

    def loss(
        self, units: Vectors, originals: Vectors, batch: Keys
    ) -> tuple[float, Vectors, dict[str, Any]]:
        """Return the loss of a batch and its gradients."""
        targets, weights = self._targets[batch], self._weights[batch]
        prototypes = self.parameters["prototypes"]
        loss, slope, by_prototypes = prototype_loss(units, targets, prototypes, weights, SHARP)
        closer, by_closer = contrastive_loss(units, targets, weights, BLUNT)
        apart, by_apart = keeping_loss(units, originals)
        slope = slope + by_closer + np.float32(self._keep) * by_apart
        return loss + closer + self._keep * apart, slope, {"prototypes": by_prototypes}

    def held_out(self, moved: Any) -> float:
        """Return how little the neighbours of rows held out are of their class, in nats.

        The neighbours are rows learned from. The loss by prototypes would end training too early:
        it grows with what is too sure of itself long before fewer neighbours are right.

        Source
        ------
        Goldberger, Roweis, Hinton and Salakhutdinov: Neighbourhood Components Analysis, NIPS 2004,
        in its form of log-probabilities.
        """
        rows = self._watched
        near, asked = moved(self._near), moved(rows)
        shares = softmax(np.float32(SHARP) * (asked @ near.T))
        own = self._targets[rows][:, np.newaxis] == self._targets[self._near]
        likely = np.maximum((shares * own).sum(axis=1), 1e-9)
        return float(np.average(-np.log(likely), weights=self._weights[rows]))


class Pairs:
    """Two texts that mean the same belong together, and two that do not belong apart.

    Parameters
    ----------
    left, right : int64 arrays, shape (n,)
        Rows of the two vectors of each pair.
    same : bool array, shape (n,)
        Whether the two mean the same.
    meanings : int64 array, shape (rows of vectors,)
        A number for each vector; those that are known to mean the same, directly or through others,
        share one.
    chosen, watched : int64 arrays
        Pairs to learn from, and pairs held out.
    """

    def __init__(
        self,
        left: Keys,
        right: Keys,
        same: NDArray[np.bool_],
        meanings: Keys,
        chosen: Keys,
        watched: Keys,
        keep: float,
        level: float,
    ) -> None:
        self._left, self._right, self._same = left, right, same
        self._meanings = meanings
        self._chosen, self._watched = chosen, watched
        self._keep = keep
        self._negatives = bool((~same).any())
        self.parameters: Parameters = {"level": np.full(1, level, np.float32)}

    def batches(self, rng: np.random.Generator) -> Iterator[Keys]:
        """Yield pairs, each once; those with the same left text come together."""
        places = rng.permutation(int(self._left.max()) + 1)[self._left[self._chosen]]
        order = self._chosen[np.argsort(places, kind="stable")]
        yield from np.array_split(order, max(1, round(len(order) / BATCH)))

    def rows(self, batch: Keys) -> Keys:
        """Return the left rows, then the right ones."""
        return np.concatenate([self._left[batch], self._right[batch]])

    def loss(
        self, units: Vectors, originals: Vectors, batch: Keys
    ) -> tuple[float, Vectors, dict[str, Any]]:
        """Return the loss of a batch and its gradients."""
        loss, slope, by_level = self._told(units, batch)
        apart, by_apart = keeping_loss(units, originals)
        slope += np.float32(self._keep) * by_apart
        return loss + self._keep * apart, slope, {"level": np.full(1, by_level, np.float32)}

    def held_out(self, moved: Any) -> float:
        """Return the loss on the pairs held out, without what holds vectors where they were."""
        batches = np.array_split(self._watched, max(1, round(len(self._watched) / BATCH)))
        losses = [self._told(moved(self.rows(batch)), batch)[0] for batch in batches]
        return float(np.average(losses, weights=[len(batch) for batch in batches]))

    def _told(self, units: Vectors, batch: Keys) -> tuple[float, Vectors, float]:
        n = len(batch)
        left, right, same = units[:n], units[n:], self._same[batch]
        ours, theirs = self._meanings[self._left[batch]], self._meanings[self._right[batch]]
        shut = ours[:, np.newaxis] == theirs[np.newaxis]
        np.fill_diagonal(shut, False)
        loss, by_left, by_right = pair_loss(left, right, same, shut, SHARP)
        by_level = 0.0
        if self._negatives:
            level = float(self.parameters["level"][0])
            more, more_left, more_right, by_level = difference_loss(left, right, same, SHARP, level)
            loss, by_left, by_right = loss + more, by_left + more_left, by_right + more_right
        return loss, np.concatenate([by_left, by_right]), by_level
