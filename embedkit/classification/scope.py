"""Texts that are unlike all that was learned from.

A :class:`Scope` learns from the vectors of the rows alone; no text that is out of scope has to be
shown to it. What it says of a text is a p-value: the share of the learned rows that are at least as
unlike the others as the text is unlike them. So of texts that *are* in scope about 5 % have a
typicality of at most 0.05: the level at which one calls texts out of scope is the rate of false
alarms. (Conformal anomaly detection: Laxhammar and Falkman 2010; Bates, Candès, Lei, Romano and
Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 51, 2023.)

Two things are added up, each in units of its own spread over the learned rows:

- how densely learned rows lie about the text: the logarithm of the mean of exp(t * cosine), where t
  is as sharp as the rows' nearest neighbours differ. It tells texts about something else. (A kernel
  density; with k nearest neighbours: Sun, Ming, Zhu and Li, ICML 2022.)
- of a thousand rows or more, half as much, :class:`~embedkit.classification.scope_shapes.
  ClassShapes`: whether it lies within a class rather than between them. It tells texts about the
  same thing that no class is for.

Measured on MiniLM vectors in ``benchmarks/calibrated.py``, where k nearest neighbours, Mahalanobis
distances and the probabilities of classes had been compared by themselves and in pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.scope_shapes import ClassShapes
from embedkit.classification.state import State
from embedkit.errors import InvalidInputError, NotFittedError
from embedkit.validate import check_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask, Vectors

    Floats = NDArray[np.float64]

REFERENCES = 5_000
"""Rows that a text is compared with."""
PROBES = 5_000
"""Rows whose likeness to the others is the yardstick; it leaves 0.3 % of doubt about a level."""
SHAPED = 1_000
"""Rows from which on shapes of classes say something."""
SHAPED_ROWS = 20_000
"""Rows that the shapes are learned from."""
SHAPES_WEIGHT = 0.5
SHARPNESS = 2.0
"""By the standard deviation of the similarities of nearest neighbours."""
BLOCK = 1_000
"""Texts compared at once: 20 MB."""


class Scope:
    """Tells texts that are unlike all that was learned from.

    Attributes
    ----------
    notes : tuple of str
        What a person should know of how it was learned.
    """

    def __init__(self) -> None:
        self.notes: tuple[str, ...] = ()
        self._references: Vectors | None = None
        self._foreign: Vectors | None = None
        self._shapes: ClassShapes | None = None
        self._sharpness = 0.0
        self._scales = np.ones((3, 2))
        self._yardstick = np.empty(0)

    def fit(
        self,
        vectors: Vectors,
        targets: Keys | Mask | None = None,
        *,
        out_of_scope: Vectors | None = None,
        seed: int = 0,
    ) -> None:
        """Learn from the rows that a classifier learns from.

        Parameters
        ----------
        vectors : float32 array, shape (n, dim)
            Of length 1. Rows that are there twice count once.
        targets : int64 array, shape (n,), or bool array, shape (n, n_labels), optional
            Their classes, which help where each row has one.
        out_of_scope : float32 array, shape (m, dim), optional
            Examples of what is not in scope. A text is the less typical, the more it is like them.
            The rate of false alarms stays what it is.
        seed : int
            Of the rows that are compared with, where there are many.

        Raises
        ------
        InvalidInputError
            Fewer than two different rows, or vectors that are none.
        """
        rows = np.asarray(vectors)
        rows = check_vectors(rows, rows.shape[1] if rows.ndim == 2 else 1)
        classes = None if targets is None or np.ndim(targets) != 1 else np.asarray(targets)
        if classes is not None and len(classes) != len(rows):
            raise InvalidInputError(f"expected the class of each of {len(rows)} rows")
        _, kept = np.unique(rows.astype(np.float16), axis=0, return_index=True)
        if len(kept) < 2 or not rows.shape[1]:
            raise InvalidInputError(
                f"expected vectors of at least two different texts, got {len(kept)}",
                do="add rows, or use a head that reads vectors",
            )
        order = np.random.default_rng(seed).permutation(np.sort(kept))
        rows = rows[order]
        foreign = None if out_of_scope is None else check_vectors(out_of_scope, rows.shape[1])
        self._foreign = foreign[:REFERENCES] if foreign is not None and len(foreign) else None
        self._references = rows[:REFERENCES].astype(np.float16).astype(np.float32)
        self._learn(rows, None if classes is None else classes[order], seed)
        self.notes = _notes(len(rows))

    def typicality(self, vectors: Vectors) -> Floats:
        """Return how typical texts are of those learned from.

        Parameters
        ----------
        vectors : float32 array, shape (n, dim)

        Returns
        -------
        float64 array, shape (n,), above 0 and up to 1
            Of texts in scope the share that has at most t is about t, and no more but for chance;
            small where a text is unlike all that was learned from. The least that there can be is
            1 / (rows + 1).

        Raises
        ------
        NotFittedError
        DimensionMismatchError, InvalidInputError
            Vectors of another width, or that are not numbers.
        """
        if self._references is None:
            raise NotFittedError("the scope has learned nothing yet", do="call fit")
        rows = check_vectors(vectors, self._references.shape[1])
        likeness = np.empty(len(rows))
        for part in _blocks(len(rows)):
            likeness[part] = self._likeness(rows[part])
        below = np.searchsorted(self._yardstick, likeness, side="right")
        return np.asarray((1 + below) / (len(self._yardstick) + 1))

    @property
    def least(self) -> float:
        """The least typicality that there can be: no level below it calls anything foreign."""
        return 1 / (len(self._yardstick) + 1)

    def state(self) -> State:
        """Return what was learned.

        Raises
        ------
        NotFittedError
        """
        if self._references is None:
            raise NotFittedError("the scope has learned nothing yet", do="call fit")
        arrays: dict[str, NDArray[Any]] = {
            "references": self._references.astype(np.float16),
            "scales": self._scales,
            "yardstick": self._yardstick,
        }
        if self._foreign is not None:
            arrays["foreign"] = self._foreign
        facts = {"sharpness": self._sharpness, "notes": list(self.notes)}
        parts = {"own": State(facts, arrays)}
        if self._shapes is not None:
            parts["shapes"] = self._shapes.state()
        return State.join(parts)

    def restore(self, state: State) -> None:
        """Take what ``state`` returned."""
        own = state.part("own")
        self._references = own.arrays["references"].astype(np.float32)
        self._foreign = own.arrays.get("foreign")
        self._scales, self._yardstick = own.arrays["scales"], own.arrays["yardstick"]
        self._sharpness = own.facts["sharpness"]
        self.notes = tuple(own.facts["notes"])
        shaped = "shapes" in state.facts
        self._shapes = ClassShapes.restore(state.part("shapes")) if shaped else None

    def _learn(self, rows: Vectors, classes: Keys | None, seed: int) -> None:
        """Set out the yardstick: how like the other rows each row is."""
        references = self._references
        assert references is not None
        self._sharpness = _sharpness(references)
        # Rows that nothing is compared with are to the scope as new texts are. Where there are
        # none, each row is compared with all others.
        spare = len(rows) - len(references) >= PROBES
        probes = rows[len(references) :][:PROBES] if spare else references
        found = [self._density(probes, references, leave_out=not spare)]
        self._shapes = None
        if classes is not None and len(rows) >= SHAPED:
            some = slice(0, SHAPED_ROWS)
            start = len(references) if spare else 0
            crossed = ClassShapes.crossed(rows[some], classes[some], seed)
            found.append(crossed[start : start + len(probes)])
            self._shapes = ClassShapes.fit(rows[some], classes[some])
        else:
            found.append(np.zeros(len(probes)))
        if self._foreign is None:
            found.append(np.zeros(len(probes)))
        else:
            found.append(self._density(probes, self._foreign))
        self._scales = np.array([[np.median(each), float(each.std()) or 1.0] for each in found])
        self._yardstick = np.sort(self._sum(*found))

    def _likeness(self, rows: Vectors) -> Floats:
        assert self._references is not None
        nothing = np.zeros(len(rows))
        return self._sum(
            self._density(rows, self._references),
            nothing if self._shapes is None else self._shapes.closeness(rows),
            nothing if self._foreign is None else self._density(rows, self._foreign),
        )

    def _sum(self, density: Floats, closeness: Floats, foreign: Floats) -> Floats:
        parts = [
            (each - middle) / scale
            for each, (middle, scale) in zip(
                (density, closeness, foreign), self._scales, strict=True
            )
        ]
        # To be far from the examples of what is foreign does not make a text less so.
        return np.asarray(parts[0] + SHAPES_WEIGHT * parts[1] - np.maximum(parts[2], 0))

    def _density(self, rows: Vectors, others: Vectors, *, leave_out: bool = False) -> Floats:
        """Return the logarithm of the mean of exp(t * cosine), shape (n,), over t."""
        found = np.empty(len(rows))
        for part in _blocks(len(rows)):
            powers = rows[part] @ others.T
            if leave_out:
                powers[np.arange(len(powers)), np.arange(part.start, part.start + len(powers))] = -2
            top = powers.max(axis=1, keepdims=True)
            powers -= top
            powers *= np.float32(self._sharpness)
            means = np.exp(powers, out=powers).sum(axis=1) / (len(others) - leave_out)
            found[part] = top[:, 0] + np.log(means) / self._sharpness
        return found


def _sharpness(rows: Vectors) -> float:
    nearest = np.empty(len(rows))
    for part in _blocks(len(rows)):
        cosines = rows[part] @ rows.T
        cosines[np.arange(len(cosines)), np.arange(part.start, part.start + len(cosines))] = -2
        nearest[part] = cosines.max(axis=1)
    return float(np.clip(SHARPNESS / max(float(nearest.std()), 1e-6), 5.0, 200.0))


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def _notes(n: int) -> tuple[str, ...]:
    if n > REFERENCES:
        return (f"texts are compared with {REFERENCES:,} of {n:,} rows to tell their scope",)
    if n < 19:
        return (f"{n} rows are few: no text can have a typicality below {1 / (n + 1):.2f}",)
    return ()
