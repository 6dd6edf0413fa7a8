"""How an adapter learns: steps of Adam over batches, stopped when rows held out gain no more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embedkit.adapters.residual import Parameters, Pass, backward, forward

if TYPE_CHECKING:
    from embedkit.types import Keys, Vectors

DROPPED = 0.5
"""Share of hidden values that a step leaves out."""
LOOKS = 15
"""Times that what is held out is looked at."""
PATIENCE = 4
"""Looks without gain after which training ends."""
DECAY = {"out": 0.01}
"""Towards the identity."""
_MEAN, _SQUARE, _TINY = 0.1, 0.001, 1e-8


class Objective(Protocol):
    """What is learned: which vectors make up a batch, and how good they are once moved."""

    parameters: Parameters
    """What is learned beside the map; changed in place."""

    def batches(self, rng: np.random.Generator) -> Iterator[Any]:
        """Yield the batches of one round."""

    def rows(self, batch: Any) -> Keys:
        """Return which vectors a batch needs, shape (n,)."""

    def loss(self, units: Vectors, originals: Vectors, batch: Any) -> tuple[float, Vectors, Any]:
        """Return the loss, its gradient by the moved vectors, and by the objective's parameters."""

    def held_out(self, moved: Any) -> float:
        """Return the loss on what was held out; smaller is better.

        Parameters
        ----------
        moved : callable
            Returns the moved vectors of some rows, given by their numbers.
        """


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast to learn.

    Attributes
    ----------
    rounds : int
        Times that all rows are seen, at most.
    rate : float
        First length of a step; it falls to nothing over the rounds, by half a cosine.
    watched : bool
        Whether there are rows held out, by which training is stopped.
    """

    rounds: int
    rate: float = 5e-3
    watched: bool = True


class Adam:
    """Steps along a gradient, each parameter at a pace of its own.

    Source
    ------
    Kingma and Ba: Adam, ICLR 2015, algorithm 1; decay apart from the gradient as in Loshchilov and
    Hutter: Decoupled Weight Decay Regularization, ICLR 2019.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._first = {name: np.zeros_like(values) for name, values in parameters.items()}
        self._second = {name: np.zeros_like(values) for name, values in parameters.items()}
        self._steps = 0

    def step(self, parameters: Parameters, slopes: Mapping[str, Any], rate: float) -> None:
        """Change parameters in place."""
        self._steps += 1
        even = np.float32(1 / (1 - (1 - _MEAN) ** self._steps))
        even_square = np.float32(1 / (1 - (1 - _SQUARE) ** self._steps))
        for name, slope in slopes.items():
            first, second = self._first[name], self._second[name]
            first += np.float32(_MEAN) * (slope - first)
            second += np.float32(_SQUARE) * (np.square(slope) - second)
            step = (first * even) / (np.sqrt(second * even_square) + np.float32(_TINY))
            if name in DECAY:
                step += np.float32(DECAY[name]) * parameters[name]
            parameters[name] -= np.float32(rate) * step


def train(
    parameters: Parameters,
    vectors: Vectors,
    gates: Vectors,
    objective: Objective,
    course: Course,
    rng: np.random.Generator,
) -> int:
    """Change the parameters of a map, in place, so that an objective is met.

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
        Of length 1.
    gates : float32 array, shape (n, 1)

    Returns
    -------
    int
        Rounds after which the vectors held out were best; their parameters are kept.
    """
    every = parameters | objective.parameters  # the arrays themselves: both are changed in place
    adam = Adam(every)
    width = len(parameters["bias"])

    def moved(rows: Keys) -> Vectors:
        return forward(parameters, vectors[rows], gates[rows]).units

    best, kept, bad = np.inf, {}, 0
    best_round = course.rounds
    pause = math.ceil(course.rounds / LOOKS)
    for number in range(course.rounds):
        batches = list(objective.batches(rng))
        for place, batch in enumerate(batches):
            rows = objective.rows(batch)
            done = forward(parameters, vectors[rows], gates[rows], _kept(len(rows), width, rng))
            slopes = _slopes(parameters, done, objective, batch)
            passed = (number + place / len(batches)) / course.rounds
            adam.step(every, slopes, course.rate * 0.5 * (1 + np.cos(np.pi * passed)))
        if not course.watched or (number + 1) % pause:
            continue
        loss = objective.held_out(moved)
        if loss < best:
            best, best_round, bad = loss, number + 1, 0
            kept = {name: values.copy() for name, values in every.items()}
        else:
            bad += 1
            if bad == PATIENCE:
                break
    for name, values in kept.items():
        every[name][...] = values
    return best_round


def _slopes(parameters: Parameters, done: Pass, objective: Objective, batch: Any) -> dict[str, Any]:
    _, by_units, own = objective.loss(done.units, done.inputs, batch)
    return {**backward(parameters, done, by_units), **own}


def _kept(rows: int, width: int, rng: np.random.Generator) -> Vectors:
    """Return 0 for hidden values that are left out, and for the others what makes up for them."""
    kept = (rng.random((rows, width), dtype=np.float32) >= DROPPED).astype(np.float32)
    kept *= np.float32(1 / (1 - DROPPED))
    return kept
