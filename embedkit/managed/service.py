"""One request to a service: paced, retried where that helps, refused in clear words where not."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from embedkit.errors import (
    CredentialsError,
    EmbedkitError,
    ProviderError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from embedkit.managed.limits import Limits
from embedkit.managed.pacing import PATIENCE, Abandoned, Pacer, Ticket

T = TypeVar("T")
_log = logging.getLogger("embedkit")

_HEADROOM = 1.2
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 20.0
_LONG = 8.0
"""Seconds of waiting from which on a person is told: silence looks like a hang."""
_LONGEST_ASKED = 300.0
"""Seconds beyond which a service that asks for patience is told to a person instead."""
_UNUSABLE = 4
"""Attempts at an answer that cannot be used: each may be billed."""
_UNREACHED = 4
"""Attempts to reach a service that never answered before: its address may simply be wrong."""

Kind = Literal[
    "unreachable",  # no connection came about
    "failed",  # the service's own failure, a broken connection, an answer that cannot be used
    "busy",  # too much for the moment
    "quota",  # too much for the month
    "key",  # a missing or refused key
    "input",  # this input is refused, another may pass
    "request",  # any input would be refused: no such model, no such field
]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error of a provider's client means.

    Attributes
    ----------
    message : str
        What happened, in the service's own words where it has any.
    status : int or None
        Status of the answer.
    wait : float or None
        Seconds to wait, where the service says so.
    """

    kind: Kind
    message: str
    status: int | None = None
    wait: float | None = None


class BadAnswerError(Exception):
    """An answer that is not what was asked for: a row missing, another width, not finite."""


class Service:
    """An endpoint of a provider, with the patience that it needs. Safe from several threads.

    Parameters
    ----------
    name : str
        What messages call it: ``Cohere``.
    address : str
        Where it is, for messages.
    pacer : Pacer
    classify : callable
        Returns what an exception of the provider's client means, None for one that is none of its.
    key_advice : str
        What to do about a missing or refused key; names the variable.
    """

    def __init__(
        self,
        name: str,
        address: str,
        pacer: Pacer,
        classify: Callable[[Exception], Trouble | None],
        key_advice: str,
    ) -> None:
        self.name = name
        self.address = address
        self.pacer = pacer
        self.key_advice = key_advice
        self.answered = False
        """Whether it ever gave a good answer."""
        self._seconds = 0.0  # that an answer takes, as a moving average
        self._classify = classify
        self._slots = threading.Condition()
        self._sending = 0
        self._busy = 0  # refusals for being too much, in a row

    @property
    def limits(self) -> Limits:
        """What it takes."""
        return self.pacer.limits

    def call(
        self,
        send: Callable[[], T],
        *,
        inputs: int = 1,
        tokens: int = 0,
        attempts: int | None = None,
        stop: threading.Event | None = None,
        lost: Callable[[], Exception | None] | None = None,
    ) -> T:
        """Send a request until it is answered well.

        Parameters
        ----------
        send : callable
            Sends it once and checks the answer; raises what ``classify`` knows, or BadAnswerError.
        inputs, tokens : int
            What it counts for against the limits.
        stop : threading.Event
            Set where the answer is not wanted any more.
        lost : callable
            Told of each attempt that may be billed though no good answer came; returns what to
            raise where it is not to be sent again.

        Raises
        ------
        CredentialsError, QuotaError, RejectedError, ProviderError
            Sending it again would not help.
        UnavailableError
            It was sent again and again.
        Abandoned
            ``stop`` was set.
        """
        patience = attempts or self.limits.attempts
        attempt = 0
        while True:
            attempt += 1
            trouble, answer = self._send(send, inputs, tokens, stop)
            if trouble is None:
                return answer[0]
            enough = lost() if lost is not None and _may_be_billed(trouble) else None
            error = self._final(trouble)
            if error is None and attempt >= self._patience(trouble, patience):
                error = self._exhausted(trouble, attempt)
            if error is not None:
                raise error
            if enough is not None:
                raise enough
            self._back_off(trouble, attempt, stop)

    def _send(
        self, send: Callable[[], T], inputs: int, tokens: int, stop: threading.Event | None
    ) -> tuple[Trouble | None, list[T]]:
        with self._slot(inputs, tokens, stop):
            return self._send_once(send, self.pacer.acquire(inputs, tokens, stop))

    @contextlib.contextmanager
    def _slot(self, inputs: int, tokens: int, stop: threading.Event | None) -> Iterator[None]:
        """Wait until one more request may be under way."""
        with self._slots:
            while self._sending >= self._width(inputs, tokens):
                if stop is not None and stop.is_set():
                    raise Abandoned
                self._slots.wait(PATIENCE)
            self._sending += 1
        try:
            yield
        finally:
            with self._slots:
                self._sending -= 1
                self._slots.notify()

    def _width(self, inputs: int, tokens: int) -> int:
        """Return how many requests under way at once reach the rate limit, and no more.

        Little's law: requests a second times seconds a request. A crash costs what is under way,
        so that there is none more than needed.
        """
        limits = self.limits
        minutes = limits.minutes(inputs=inputs, requests=1, tokens=tokens)
        if not minutes:
            return limits.concurrency
        needed = math.ceil(_HEADROOM * self._seconds / (60 * minutes))
        return max(1, min(needed, limits.concurrency))

    def _send_once(self, send: Callable[[], T], ticket: Ticket) -> tuple[Trouble | None, list[T]]:
        began = time.monotonic()
        trouble: Trouble | None = None
        answer: list[T] = []
        try:
            answer.append(send())
        except BadAnswerError as error:
            trouble = Trouble("failed", str(error), 200)
        except Exception as error:
            trouble = None if isinstance(error, EmbedkitError) else self._classify(error)
            if trouble is None:
                raise
        finally:
            self.pacer.release(ticket, counted=trouble is None or trouble.kind != "unreachable")
        if trouble is None:
            took = time.monotonic() - began
            self._seconds = took if not self.answered else 0.7 * self._seconds + 0.3 * took
            self.answered = True
            self._busy = 0
        elif trouble.kind == "busy":
            self._busy += 1
        return trouble, answer

    def _final(self, trouble: Trouble) -> ProviderError | None:
        """Return the error of what another attempt would not mend."""
        if trouble.kind == "key":
            return CredentialsError(
                f"{self.name} refuses the key: {trouble.message}",
                do=self.key_advice,
                status=trouble.status,
            )
        if trouble.kind == "quota":
            return QuotaError(
                f"{self.name}: the allowance of this key is used up: {trouble.message}",
                do="what was done is kept: run the same command again when there is more",
                status=trouble.status,
            )
        if trouble.kind == "input":
            return RejectedError(
                f"{self.name} refuses it: {trouble.message}", status=trouble.status
            )
        if trouble.kind == "request":
            return ProviderError(
                f"{self.name} refuses the request: {trouble.message}", status=trouble.status
            )
        if trouble.wait is not None and trouble.wait > _LONGEST_ASKED:
            return QuotaError(
                f"{self.name} asks to wait {trouble.wait:,.0f} seconds: {trouble.message}",
                do="what was done is kept: run the same command again then",
                status=trouble.status,
            )
        return None

    def _exhausted(self, trouble: Trouble, attempts: int) -> ProviderError:
        times = "once" if attempts == 1 else f"{attempts} times"
        return UnavailableError(
            f"{self.name} at {self.address} failed {times}: {trouble.message}",
            do="what was done is kept: run the same command again later",
            status=trouble.status,
            reached=trouble.kind != "unreachable",
        )

    def _patience(self, trouble: Trouble, attempts: int) -> int:
        if trouble.kind == "unreachable" and not self.answered:
            return min(attempts, _UNREACHED)
        if trouble.status is not None and trouble.status < 300:
            return min(attempts, _UNUSABLE)
        return attempts

    def _back_off(self, trouble: Trouble, attempt: int, stop: threading.Event | None) -> None:
        """Wait longer each time, by chance more or less so that clients do not come in step."""
        busy = trouble.kind == "busy"
        # All threads together are too much, so their refusals count together; and the window of a
        # minute must pass before patience ends.
        wait = _grown(max(self._busy, 1), 2) if busy else _grown(attempt)
        if trouble.wait is not None:
            asked = trouble.wait * random.uniform(1.0, 1.1)  # noqa: S311
            # Once it is taken at its word. Who says 0, or the same again and again, or a date by
            # another clock than ours, would have all patience used up within moments.
            wait = asked if attempt == 1 and asked else max(asked, _grown(attempt))
        if busy:
            self.pacer.pause(wait)
        if wait >= _LONG:
            _log.warning("%s: %s; trying again in %.0f s", self.name, trouble.message, wait)
        if stop is None:
            time.sleep(wait)
        elif stop.wait(wait):
            raise Abandoned


def _grown(times: int, factor: int = 1) -> float:
    """Return a wait that doubles each time up to a bound, by chance less, but never next to none.

    Full jitter would at times not wait at all; half of it keeps the waits growing.
    """
    doublings = min(times - 1, 30)  # enough for any bound; a float has no room for thousands
    longest = factor * min(math.ldexp(_FIRST_WAIT, doublings), _LONGEST_WAIT)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311


def _may_be_billed(trouble: Trouble) -> bool:
    """Whether the work may have been done: no answer came, or one that cannot be used."""
    return trouble.kind == "failed" and (trouble.status is None or trouble.status < 300)
