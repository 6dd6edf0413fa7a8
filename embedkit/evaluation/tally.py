"""What rows add up to, over and over: every figure of a resample is made of sums over its rows.

A resample of rows is a vector of how often each was drawn, so all sums of all resamples are one
product of matrices. A figure is then a formula over sums, whether of the rows or of a resample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.evaluation.bootstrap import RESAMPLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys

Sums = Mapping[str, "NDArray[np.float64]"]
"""Of each part its sums, shape (resamples, width)."""
SWAPS = 4_999
WORK = 4e8
"""Rows drawn in all, about 5 seconds: of more than 200,000 rows fewer resamples are taken."""
FEWEST = 200
HELD = 2**20
"""Draws counted at once: 8 MiB."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Values of rows that are to be added up, equal texts taken together.

    Attributes
    ----------
    groups : csr array, shape (n_groups, width)
        Sums over the rows of each group: groups are drawn, not rows.
    places : mapping of part to slice
        Where each part has its columns.
    rows : int
    """

    groups: Any
    places: Mapping[str, slice]
    rows: int

    @classmethod
    def of(cls, parts: Mapping[str, Any], groups: Keys | None = None) -> Tally:
        """Put parts side by side.

        Parameters
        ----------
        parts : mapping of name to array or sparse array, shape (n,) or (n, width)
        groups : int64 array, shape (n,), optional
            Rows of one number come and go together, since they tell the same: equal texts.
        """
        from scipy import sparse

        columns = {
            name: part if sparse.issparse(part) else sparse.csr_array(_upright(part))
            for name, part in parts.items()
        }
        stacked = sparse.hstack(list(columns.values()), format="csr", dtype=np.float64)
        rows = int(stacked.shape[0])
        if groups is not None:
            if len(groups) != rows:
                raise InvalidInputError(f"expected a group for each of {rows} rows")
            _, number = np.unique(groups, return_inverse=True)
            member = sparse.csr_array(
                (np.ones(rows), (number, np.arange(rows))), (int(number.max()) + 1, rows)
            )
            stacked = (member @ stacked).tocsr()
        ends = np.cumsum([part.shape[1] for part in columns.values()]).tolist()
        places = {
            name: slice(stop - part.shape[1], stop)
            for (name, part), stop in zip(columns.items(), ends, strict=True)
        }
        return cls(stacked, places, rows)

    def once(self) -> dict[str, NDArray[np.float64]]:
        """Return the sums over all rows, each of shape (1, width)."""
        return self._named(np.asarray(self.groups.sum(axis=0), np.float64)[np.newaxis])

    def resampled(self, *, seed: int = 0) -> dict[str, NDArray[np.float64]]:
        """Return the sums of bootstrap resamples, 2,000 where there are at most 200,000 rows.

        Source
        ------
        Efron and Tibshirani: An Introduction to the Bootstrap, 1993; of groups: Field and Welsh,
        "Bootstrapping clustered data", JRSS B 2007, the cluster bootstrap.
        """
        count = int(self.groups.shape[0])
        wanted = int(np.clip(WORK // max(count, 1), FEWEST, RESAMPLES))
        block = max(1, HELD // max(count, 1))
        rng = np.random.default_rng(seed)
        turned = self.groups.T.tocsr()
        sums = np.empty((wanted, int(self.groups.shape[1])))
        for start in range(0, wanted, block):
            size = min(block, wanted - start)
            drawn = rng.integers(0, count, (size, count)) + np.arange(size)[:, np.newaxis] * count
            times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
            sums[start : start + size] = (turned @ times.T.astype(np.float64)).T
        return self._named(sums)

    def exchanged(
        self, other: Tally, *, seed: int = 0
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
        """Return the sums of both after groups, each by the toss of a coin, changed sides.

        That is done anew 4,999 times where there are at most 80,000 groups.

        Parameters
        ----------
        other : Tally
            Of the same parts and groups, in other words of the same rows.
        """
        count = int(self.groups.shape[0])
        times = int(np.clip(WORK // max(count, 1), FEWEST, SWAPS))
        gap = (other.groups - self.groups).T.tocsr()
        block = max(1, HELD // max(count, 1))
        rng = np.random.default_rng(seed)
        moved = np.empty((times, int(self.groups.shape[1])))
        for start in range(0, times, block):
            size = min(block, times - start)
            tossed = rng.integers(0, 2, (count, size), np.int8).astype(np.float64)
            moved[start : start + size] = (gap @ tossed).T
        mine, theirs = (np.asarray(x.groups.sum(axis=0), np.float64) for x in (self, other))
        return self._named(mine + moved), self._named(theirs - moved)

    def _named(self, sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {name: sums[:, place] for name, place in self.places.items()}


def _upright(part: Any) -> NDArray[np.float64]:
    array = np.asarray(part, np.float64)
    return array[:, np.newaxis] if array.ndim == 1 else array
