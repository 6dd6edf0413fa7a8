"""Faults on demand: the next requests by a script, then all others by chance.

A fault is written ``kind`` or ``kind:value``, for example ``"429:2"`` or ``"slow:0.5"``.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INSTEAD = {
    "429": "429 with Retry-After, value: what the header says (1)",
    "429-bare": "429 without Retry-After",
    "quota": "429 of a month's allowance that is used up",
    "500": "500 with the service's error body",
    "503-html": "503 with an HTML page",
    "status": "any status with the service's error body, value: the status (502)",
    "timeout": "no answer until the client gives up, value: seconds to hold (for ever)",
    "reset": "the connection is reset before the answer",
}
"""Faults that come instead of the work."""

SPOILED = {
    "missing-row": "a row is left out, value: which (the middle one)",
    "extra-row": "the last row comes twice",
    "nan": "a number is NaN, value: in which row (the middle one)",
    "null": "a number is null, value: in which row (the middle one)",
    "wrong-width": "a row is one number short, value: which (the middle one)",
    "truncated-json": "status 200, half of the JSON, a length that is true of the half",
    "reset-body": "the connection is reset after half of the body",
}
"""Faults of a reply that had been a good one."""

BESIDES = {
    "slow": "the reply is late, value: seconds (0.2)",
    "close": "the reply comes whole, then the connection is closed unannounced",
}
"""Faults that leave the reply good; they come together with any other."""

KINDS = {**INSTEAD, **SPOILED, **BESIDES}

WORK = ("embed", "rerank", "chat")
"""The endpoints that have faults and limits; keys and models are told without."""


@dataclass(frozen=True)
class Fault:
    """One fault of one request.

    Parameters
    ----------
    kind : str
        A name of ``KINDS``.
    value : str
        What that kind says of it; empty for its default.
    """

    kind: str
    value: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"expected a fault of {', '.join(KINDS)}, got {self.kind!r}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}" if self.value else self.kind

    def number(self, default: float) -> float:
        """Return the value as a number."""
        return float(self.value) if self.value else default

    def row(self, rows: int) -> int:
        """Return the row it strikes, of so many."""
        return min(int(self.value), rows - 1) if self.value else rows // 2


def fault(text: str | Fault) -> Fault:
    """Read ``kind`` or ``kind:value``."""
    if isinstance(text, Fault):
        return text
    kind, _, value = text.partition(":")
    return Fault(kind, value)


Step = str | Fault | None | Sequence[str | Fault]
"""The faults of one request: none, one or several."""


def _step(step: Step) -> tuple[Fault, ...]:
    if step is None:
        return ()
    if isinstance(step, str | Fault):
        return (fault(step),)
    return tuple(fault(part) for part in step)


class Faults:
    """What goes wrong, request by request.

    Parameters
    ----------
    script : iterable of str, Fault, None or several of them
        The faults of the next requests, in the order in which they arrive; None for a good reply.
    chances : mapping of str to float
        When the script is over: how probable each fault is. At most one that spoils or replaces
        the reply strikes a request, so their chances add up to at most 1; ``slow`` and ``close``
        are drawn for themselves.
    seed : int
        Of the draws.
    endpoints : iterable of str
        Where faults strike: ``embed``, ``rerank``, ``chat``, ``models``, ``check``.
    """

    def __init__(
        self,
        script: Iterable[Step] = (),
        chances: Mapping[str, float] | None = None,
        seed: int = 0,
        endpoints: Iterable[str] = WORK,
    ) -> None:
        drawn = {fault(name): chance for name, chance in (chances or {}).items()}
        self._one = {kind: c for kind, c in drawn.items() if kind.kind not in BESIDES}
        self._besides = {kind: c for kind, c in drawn.items() if kind.kind in BESIDES}
        if sum(self._one.values()) > 1 + 1e-9:
            raise ValueError(f"expected chances of at most 1 together, got {chances}")
        self._script = deque(_step(step) for step in script)
        self._dice = random.Random(seed)
        self._endpoints = frozenset(endpoints)
        self._lock = threading.Lock()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Faults:
        """Read what ``POST /__faults`` takes: the parameters by their names."""
        return cls(**value)

    def add(self, *steps: Step) -> None:
        """Append to the script."""
        with self._lock:
            self._script.extend(_step(step) for step in steps)

    @property
    def pending(self) -> int:
        """How many steps of the script have not happened yet."""
        with self._lock:
            return len(self._script)

    def draw(self, endpoint: str) -> tuple[Fault, ...]:
        """Return the faults of the request that has just arrived."""
        if endpoint not in self._endpoints:
            return ()
        with self._lock:
            if self._script:
                return self._script.popleft()
            besides = [kind for kind, c in self._besides.items() if self._dice.random() < c]
            point = self._dice.random()
            for kind, chance in self._one.items():
                if point < chance:
                    return (*besides, kind)
                point -= chance
            return tuple(besides)
