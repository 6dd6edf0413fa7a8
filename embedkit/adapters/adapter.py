"""An adapter: learned from labels or from pairs, applied to any vectors of the same model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.adapters.objectives import BATCH, Labels, Pairs
from embedkit.adapters.residual import Gate, Parameters, mean_of, move, start
from embedkit.adapters.training import Course, Objective, train
from embedkit.classification.state import State
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError
from embedkit.validate import check_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

MEMBERS = 3
"""Networks that are learned, each with other rows held out; what is added is their mean."""
WIDTH = 512
"""Hidden values of each."""
KEEP = 1.0
"""How much vectors are held where they were. Less helps what is learned by a little, and costs
other searches more."""
ROUNDS = 12
LEAST_STEPS, MOST_STEPS = 80, 1000
"""Of each network."""
MOST_ROWS = 50_000
"""Rows that are learned from; of more, as many are drawn."""
HELD_OUT = 0.1
"""Share of the rows by which training is stopped."""
LEAST_HELD_OUT = 30
"""Fewer rows say nothing: then all are learned from, and all rounds are made."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a network is to learn: from how many rows, and watched by how many."""

    objective: Objective
    learned: int
    watched: int


class Adapter:
    """A map of vectors onto vectors of the same width, learned on top of a model that stays.

    Parameters
    ----------
    strength : float, 0 to 1
        How much of what was learned is applied; with 0, vectors stay as they are.
    keep : float, >= 0
        How much training holds vectors where they were.

    Attributes
    ----------
    rounds : int
        Rounds of training that were made, or were best.

    Notes
    -----
    A few networks with one hidden layer each add to a vector, on average; where vectors are far
    from all that were learned from, a gate closes and they stay. Vectors of a class are drawn to
    each other and to a learned prototype, those of other classes are pushed away; see
    :mod:`embedkit.adapters.losses` for the sources.
    """

    def __init__(self, *, strength: float = 1.0, keep: float = KEEP) -> None:
        if not 0 <= strength <= 1:
            raise InvalidInputError(f"expected strength from 0 to 1, got {strength}")
        if not 0 <= keep < np.inf:
            raise InvalidInputError(f"expected keep >= 0, got {keep}")
        self.strength = strength
        self.keep = keep
        self.rounds = 0
        self._parameters: Parameters = {}
        self._gate: Gate | None = None

    @property
    def fitted(self) -> bool:
        """Whether it has learned anything."""
        return self._gate is not None

    @property
    def dim(self) -> int:
        """Width of the vectors that go in, and of those that come out.

        Raises
        ------
        NotFittedError
        """
        if self._gate is None:
            raise NotFittedError("the adapter has learned nothing yet", do="call fit first")
        return int(self._gate.centres.shape[1])

    def fit(
        self,
        vectors: Vectors,
        targets: Keys,
        n_classes: int | None = None,
        *,
        weights: NDArray[np.float64] | None = None,
        rounds: int | None = None,
        seed: int = 0,
    ) -> Adapter:
        """Learn that vectors of a class belong together.

        Parameters
        ----------
        vectors : float32 array, shape (n, dim)
            Of length 1.
        targets : int64 array, shape (n,)
            The class of each, from 0.
        n_classes : int, optional
        weights : float array, shape (n,), optional
            How much each row counts.
        rounds : int, optional
            Learn from all rows, for so many rounds. Default: a tenth is held out and tells when to
            stop, where that is enough to tell.
        seed : int
            Equal seeds learn equal adapters.

        Raises
        ------
        InvalidInputError, DimensionMismatchError
            Fewer than two classes, or what does not belong together.
        """
        unit, goals = _checked(vectors, targets)
        count = int(goals.max()) + 1 if n_classes is None else n_classes
        if len(np.unique(goals)) < 2:
            raise InvalidInputError("expected vectors of at least two classes, got one class")
        weighed = _weights(weights, len(unit))
        used = np.flatnonzero(weighed > 0)
        rng = np.random.default_rng(seed)
        if len(used) > MOST_ROWS:
            used = np.sort(rng.permutation(used)[:MOST_ROWS])

        def lesson(rng: np.random.Generator) -> Lesson:
            chosen, watched = used, used[:0]
            if rounds is None:
                chosen, watched = _held_out(used, goals, rng)
            objective = Labels(unit, goals, count, weighed, chosen, watched, self.keep)
            return Lesson(objective, len(chosen), len(watched))

        self._learn(unit, unit[used], lesson, rounds, seed)
        return self

    def fit_pairs(
        self,
        vectors: Vectors,
        left: Keys,
        right: Keys,
        same: NDArray[np.bool_] | None = None,
        *,
        rounds: int | None = None,
        seed: int = 0,
    ) -> Adapter:
        """Learn which pairs of vectors mean the same.

        Parameters
        ----------
        vectors : float32 array, shape (n, dim)
            Of length 1.
        left, right : int64 arrays, shape (n_pairs,)
            Rows of the two vectors of each pair.
        same : bool array, shape (n_pairs,), optional
            Whether they mean the same. Default: all do.
        rounds, seed : int
            As of :meth:`fit`.

        Raises
        ------
        InvalidInputError, DimensionMismatchError
            No pair means the same, or a row is not there.
        """
        from embedkit.adapters.pairs import families, meanings

        unit = _unit(vectors)
        alike = np.ones(len(left), bool) if same is None else np.asarray(same, bool)
        if not alike.any():
            raise InvalidInputError("expected pairs that mean the same, got none")
        family = families(left, right, len(unit))[left]
        cosines = np.einsum("ij,ij->i", unit[left], unit[right])
        level = float(np.median(cosines))
        groups = meanings(left, right, alike, len(unit))

        def lesson(rng: np.random.Generator) -> Lesson:
            out = np.zeros(len(left), bool)
            if rounds is None and round(HELD_OUT * len(left)) >= LEAST_HELD_OUT:
                order = rng.permutation(int(family.max()) + 1)[family]
                out = order < np.quantile(order, HELD_OUT)
            chosen, watched = np.flatnonzero(~out), np.flatnonzero(out)
            objective = Pairs(left, right, alike, groups, chosen, watched, self.keep, level)
            return Lesson(objective, len(chosen), len(watched))

        seen = np.unique(np.concatenate([left, right]))
        self._learn(unit, unit[seen], lesson, rounds, seed)
        return self

    def apply(self, vectors: Vectors) -> Vectors:
        """Return moved vectors.

        Parameters
        ----------
        vectors : float32 array, shape (n, dim)
            Of length 1.

        Returns
        -------
        float32 array, shape (n, dim)
            Of length 1, in the same order; a vector of length 0 stays so.

        Raises
        ------
        NotFittedError, DimensionMismatchError
        """
        unit = check_vectors(vectors, self.dim)
        assert self._gate is not None
        return move(self._parameters, self._gate, unit, self.strength)

    def state(self) -> State:
        """Return what was learned.

        Raises
        ------
        NotFittedError
        """
        facts = {
            "dim": self.dim,
            "strength": self.strength,
            "keep": self.keep,
            "rounds": self.rounds,
        }
        assert self._gate is not None
        gate = {
            "centres": self._gate.centres,
            "levels": np.array([self._gate.low, self._gate.high]),
        }
        return State(facts, {**self._parameters, **gate})

    def restore(self, state: State) -> None:
        """Become what was kept.

        Raises
        ------
        ValueError
            The arrays do not belong together.
        """
        arrays = {name: np.asarray(values) for name, values in state.arrays.items()}
        dim, width = int(state.facts["dim"]), len(arrays["bias"])
        shapes = {"into": (dim, width), "bias": (width,), "out": (width, dim), "levels": (2,)}
        wrong = [name for name, shape in shapes.items() if arrays[name].shape != shape]
        if wrong or arrays["centres"].ndim != 2 or arrays["centres"].shape[1] != dim:
            raise ValueError(f"arrays of other shapes than expected: {', '.join(wrong)}")
        self.strength, self.keep = float(state.facts["strength"]), float(state.facts["keep"])
        self.rounds = int(state.facts["rounds"])
        self._parameters = {
            name: np.ascontiguousarray(arrays[name], np.float32) for name in ("into", "bias", "out")
        }
        low, high = map(float, arrays["levels"])
        self._gate = Gate(np.ascontiguousarray(arrays["centres"], np.float32), low, high)

    def _learn(
        self,
        unit: Vectors,
        seen: Vectors,
        lesson: Callable[[np.random.Generator], Lesson],
        rounds: int | None,
        seed: int,
    ) -> None:
        gate = Gate.around(seen, np.random.default_rng(seed))
        gates = gate(unit)
        members, best = [], []
        for member in range(MEMBERS):
            rng = np.random.default_rng([seed, member])
            told = lesson(rng)
            parameters = start(unit.shape[1], WIDTH, rng)
            whole = Course(_rounds(told.learned), watched=told.watched > 0)
            course = whole if rounds is None else Course(rounds, watched=False)
            best.append(train(parameters, unit, gates, told.objective, course, rng))
            members.append(parameters)
        self.rounds = round(float(np.median(best)))
        self._parameters, self._gate = mean_of(members), gate


def _rounds(rows: int) -> int:
    """Return how often so many rows are seen: few rows more often, or next to no step is made."""
    a_round = max(1, round(rows / BATCH))
    steps = min(max(ROUNDS * a_round, LEAST_STEPS), MOST_STEPS)
    return max(1, round(steps / a_round))


def _held_out(used: Keys, targets: Keys, rng: np.random.Generator) -> tuple[Keys, Keys]:
    """Part rows into those learned from and those held out, a tenth of each class."""
    if round(HELD_OUT * len(used)) < LEAST_HELD_OUT:
        return used, used[:0]
    mixed = rng.permutation(used)
    order = mixed[np.argsort(targets[mixed], kind="stable")]
    # Every tenth of the rows in the order of their classes: of each class about a tenth.
    every = round(1 / HELD_OUT)
    out = np.zeros(len(order), bool)
    out[every // 2 :: every] = True
    return np.sort(order[~out]), np.sort(order[out])


def _unit(vectors: Vectors) -> Vectors:
    shape = np.shape(vectors)
    return check_vectors(vectors, shape[-1] if shape else 1)


def _checked(vectors: Vectors, targets: Keys) -> tuple[Vectors, Keys]:
    unit = _unit(vectors)
    goals = np.asarray(targets, np.int64)
    if goals.shape != (len(unit),):
        raise DimensionMismatchError(
            f"expected a class for each of {len(unit)} vectors, got shape {goals.shape}"
        )
    if not len(goals):
        raise InvalidInputError("expected vectors to learn from, got none")
    return unit, goals


def _weights(weights: NDArray[np.float64] | None, n: int) -> Vectors:
    if weights is None:
        return np.ones(n, np.float32)
    given = np.asarray(weights, np.float64)
    if given.shape != (n,) or not np.isfinite(given).all() or (given < 0).any() or not given.any():
        raise InvalidInputError(
            f"expected a weight >= 0 for each of {n} vectors, not all of them 0"
        )
    even: Vectors = (given / given[given > 0].mean()).astype(np.float32)
    return even
