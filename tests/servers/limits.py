"""Limits per minute, over a window that slides, and the month's allowance."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

MEASURES = ("inputs", "requests", "tokens")


@dataclass(frozen=True)
class Limits:
    """How much is taken within a window.

    Parameters
    ----------
    inputs, requests, tokens : int, optional
        Texts to embed, calls, and tokens within any window; None for no limit.
    window : float
        Its length in seconds: 60, or less for tests that have no minute.
    slack : float
        Seconds by which the window is shorter than said: what is sent just in time may arrive
        closer together than it was sent.
    retry_after : bool
        Whether a refusal says when to come again.
    """

    inputs: int | None = None
    requests: int | None = None
    tokens: int | None = None
    window: float = 60.0
    slack: float = 0.0
    retry_after: bool = False

    def caps(self) -> dict[str, int]:
        """Return the limits that are set."""
        given = {name: getattr(self, name) for name in MEASURES}
        return {name: cap for name, cap in given.items() if cap is not None}


@dataclass(frozen=True)
class Refusal:
    """Why a request is not taken."""

    measures: tuple[str, ...]
    retry_after: int | None


class Meter:
    """Counts what arrives within the window. Safe for threads.

    Attributes
    ----------
    violations : Counter of str
        Requests refused, by the measure that was exceeded.
    peaks : dict of str to int
        The most that was asked for within a window, refused requests included.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.violations: Counter[str] = Counter()
            self.peaks: dict[str, int] = dict.fromkeys(MEASURES, 0)
            self._taken: deque[tuple[float, dict[str, int]]] = deque()
            self._sums: Counter[str] = Counter()

    def admit(self, inputs: int, tokens: int) -> Refusal | None:
        """Take a request that has arrived now, or say why not."""
        asked = {"inputs": inputs, "requests": 1, "tokens": tokens}
        with self._lock:
            now = time.monotonic()
            self._forget(now - self.limits.window + self.limits.slack)
            for name, amount in asked.items():
                self.peaks[name] = max(self.peaks[name], self._sums[name] + amount)
            over = [n for n, cap in self.limits.caps().items() if self._sums[n] + asked[n] > cap]
            if over:
                self.violations.update(over)
                return Refusal(tuple(over), self._wait(asked, now))
            self._taken.append((now, asked))
            self._sums.update(asked)
            return None

    def _forget(self, before: float) -> None:
        while self._taken and self._taken[0][0] <= before:
            self._sums.subtract(self._taken.popleft()[1])

    def _wait(self, asked: dict[str, int], now: float) -> int | None:
        """Return the whole seconds after which the request would fit."""
        if not self.limits.retry_after:
            return None
        left = Counter(self._sums)
        for arrived, taken in self._taken:
            left.subtract(taken)
            if all(left[name] + asked[name] <= cap for name, cap in self.limits.caps().items()):
                return max(1, math.ceil(arrived + self.limits.window - now))
        return max(1, math.ceil(self.limits.window))
