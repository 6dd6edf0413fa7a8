"""How anything learned is kept: values of JSON and arrays, so that loading it runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class State:
    """What was learned.

    Attributes
    ----------
    facts : dict
        Values of JSON: numbers, texts, lists, dicts.
    arrays : dict of str to array
        Numeric arrays; a name may not hold ``/``, which joins the names of parts.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def join(cls, parts: Mapping[str, State]) -> State:
        """Put the states of several parts into one."""
        return cls(
            {name: part.facts for name, part in parts.items()},
            {
                f"{name}/{array}": values
                for name, part in parts.items()
                for array, values in part.arrays.items()
            },
        )

    def part(self, name: str) -> State:
        """Return the state of one part, empty where there is none of that name."""
        start = f"{name}/"
        return State(
            self.facts.get(name, {}),
            {
                array.removeprefix(start): values
                for array, values in self.arrays.items()
                if array.startswith(start)
            },
        )
