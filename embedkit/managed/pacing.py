"""Never more than a service takes within a minute, whichever thread asks.

A sliding window: what was sent within the last 60 seconds and what is about to be sent stay below
the limit together. A window lets a small job run at once, as a bucket that refills would not, and
no window of 60 seconds of the service's own, wherever it begins, holds more than the limit.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from embedkit.managed.limits import Limits

WINDOW = 60.0
_JOURNEY = 2.5
"""Seconds after which a request has surely arrived; the service counts it only then."""
_MARGIN = 0.05
PATIENCE = 0.5
"""How often a waiting thread looks whether it is still wanted."""


class Abandoned(Exception):  # noqa: N818 -- control flow between our own threads, not an error
    """The work that a thread was waiting to do is not wanted any more."""


@dataclass
class Ticket:
    """Leave to send one request."""

    inputs: int
    tokens: int
    sent: float
    ends: float = field(default=math.inf)
    """When it leaves the window; known once the answer is there."""


class Pacer:
    """The window of one endpoint of one account. Shared by all threads of the process.

    Parameters
    ----------
    limits : Limits
    window : float or None
        Seconds that the limits "per minute" speak of: 60, but for tests.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        window: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.window = WINDOW if window is None else window
        self._clock = clock
        self._condition = threading.Condition()
        self._sent: deque[Ticket] = deque()
        self._paused_until = 0.0

    def acquire(self, inputs: int, tokens: int, stop: threading.Event | None = None) -> Ticket:
        """Wait until a request may be sent.

        Raises
        ------
        Abandoned
            ``stop`` was set meanwhile.
        """
        with self._condition:
            while True:
                if stop is not None and stop.is_set():
                    raise Abandoned
                now = self._clock()
                wait = self._wait(inputs, tokens, now)
                if wait <= 0:
                    ticket = Ticket(inputs, tokens, now)
                    if self.limits.paced:
                        self._sent.append(ticket)
                    return ticket
                self._condition.wait(min(wait, PATIENCE))

    def release(self, ticket: Ticket, *, counted: bool = True) -> None:
        """Say that the answer to a request is there, or that there will be none.

        Parameters
        ----------
        counted : bool
            Whether the service may count it; it cannot where no connection came about. What it
            refused may count or not, and is taken to.
        """
        with self._condition:
            arrived = min(self._clock(), ticket.sent + _JOURNEY)
            ticket.ends = arrived + self.window + _MARGIN if counted else 0.0
            self._condition.notify_all()

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long: the service said that it was too much."""
        with self._condition:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _wait(self, inputs: int, tokens: int, now: float) -> float:
        """Return the seconds after which it is worth asking again; 0 where there is room."""
        self._sent = deque(ticket for ticket in self._sent if ticket.ends > now)
        if now < self._paused_until:
            return self._paused_until - now
        if not self._sent or self._fits(inputs, tokens):
            return 0.0
        # Of a request whose answer is not there yet, nobody knows when it leaves the window.
        return max(min(ticket.ends for ticket in self._sent) - now, 0.001)

    def _fits(self, inputs: int, tokens: int) -> bool:
        limits = self.limits
        asked = (
            (inputs + sum(ticket.inputs for ticket in self._sent), limits.inputs_per_minute),
            (1 + len(self._sent), limits.requests_per_minute),
            (tokens + sum(ticket.tokens for ticket in self._sent), limits.tokens_per_minute),
        )
        return all(limit is None or count <= limit for count, limit in asked)


_pacers: dict[tuple[str, ...], Pacer] = {}
_pacers_lock = threading.Lock()


def shared_pacer(account: tuple[str, ...], limits: Limits) -> Pacer:
    """Return the pacer of an account and endpoint: one for all objects that use it.

    The tightest limits per minute that this process was given hold for everybody; the other limits
    are those given last.
    """
    with _pacers_lock:
        pacer = _pacers.setdefault(account, Pacer(limits))
        pacer.limits = limits.within(pacer.limits)
        return pacer
