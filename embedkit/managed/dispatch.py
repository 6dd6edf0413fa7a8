"""Many requests under way at once, whose answers are handed over as they arrive.

What a service refuses is split until the input at fault stands alone. What no input could do better
(a refused key, a used-up quota, a service that is down) ends the work, after everything that is
still under way has been waited for and handed over: it is paid for.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from embedkit.errors import ProviderError, RejectedError, UnavailableError
from embedkit.managed.budget import Meter
from embedkit.managed.pacing import Abandoned
from embedkit.managed.service import Service

T = TypeVar("T")

_OUTAGE = 3
"""Requests in a row that failed in spite of all patience, after which the service is down."""
_ALL_REFUSED = 8
"""Single inputs in a row that are refused before any was taken: then it may not be the inputs."""
_MANY_REFUSED = 64
"""The same once some were taken."""
_PROBES = 2
"""Attempts to learn whether the service takes anything at all."""
_LAST_WORDS = 10.0
"""Seconds to wait, once interrupted, for answers that are under way: they are paid for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs that are sent together: their places in what was given, and their tokens."""

    places: Sequence[int]
    tokens: Sequence[int]

    @property
    def total(self) -> int:
        """Tokens of all."""
        return sum(self.tokens)

    def halves(self) -> tuple[Batch, Batch]:
        """Return the two halves of a batch of at least two."""
        middle = len(self.places) // 2
        return (
            Batch(self.places[:middle], self.tokens[:middle]),
            Batch(self.places[middle:], self.tokens[middle:]),
        )


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What came of a batch: an answer, or an error."""

    batch: Batch
    answer: T | None = None
    error: BaseException | None = None


def make_batches(tokens: Sequence[int], *, most: int, most_tokens: int) -> deque[Batch]:
    """Group inputs in their order.

    Parameters
    ----------
    tokens : sequence of int
        Of each input.
    most, most_tokens : int
        Inputs, and tokens, of one request; an input with more tokens goes alone.
    """
    batches: deque[Batch] = deque()
    begin = total = 0
    for i, count in enumerate(tokens):
        if i > begin and (i - begin >= most or total + count > most_tokens):
            batches.append(Batch(range(begin, i), tokens[begin:i]))
            begin, total = i, 0
        total += count
    if len(tokens) > begin:
        batches.append(Batch(range(begin, len(tokens)), tokens[begin:]))
    return batches


class Dispatcher(Generic[T]):
    """The requests of one piece of work.

    Parameters
    ----------
    service : Service
    send : callable
        Sends the inputs at some places, once, and returns the checked answer.
    billed : callable
        Returns the tokens that an answer was billed, None where the service does not say.
    meter : Meter or None
        What may be spent.
    attempts : int or None
        How often a request is sent; None is what the service's limits say.
    probe : callable or None
        Sends an input that no service has reason to refuse. Where many inputs in a row are refused,
        it tells whether they are at fault; without it they are not.
    """

    def __init__(
        self,
        service: Service,
        send: Callable[[Sequence[int]], T],
        billed: Callable[[T], int | None],
        meter: Meter | None = None,
        attempts: int | None = None,
        probe: Callable[[], object] | None = None,
    ) -> None:
        self._service = service
        self._send = send
        self._billed = billed
        self._meter = meter or Meter()
        self._attempts = attempts
        self._probe = probe
        self._stop = threading.Event()
        self._results: queue.SimpleQueue[Outcome[T] | None] = queue.SimpleQueue()
        self._work: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._waiting: deque[Batch] = deque()
        self._flying = 0
        self._interrupted = False
        self._held: list[Outcome[T]] = []
        self._refused = self._exhausted = 0
        self._fatal: BaseException | None = None

    def run(self, batches: deque[Batch]) -> Iterator[Outcome[T]]:
        """Yield an outcome for each input: answers, and the errors of inputs that stand alone.

        Raises
        ------
        ProviderError
            No input could do better.
        BudgetReached
            The next batch might cost more than is left.
        """
        self._waiting = batches
        try:
            with self._noting_interrupts():
                while self._launch() or self._flying:
                    outcome = self._results.get()
                    if outcome is None:
                        raise KeyboardInterrupt
                    yield from self._settle(outcome)
                if self._fatal is None:
                    yield from self._release()
        except KeyboardInterrupt as error:
            self._fatal = error
            self._stop.set()
            yield from self._drain()
        finally:
            self._stop.set()
            for _ in self._threads:
                self._work.put(None)
        if self._fatal is not None:
            raise self._fatal
        if self._interrupted:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def _noting_interrupts(self) -> Iterator[None]:
        """Note Ctrl-C and raise it between two answers, so that each is taken in whole.

        A second one is raised wherever we are, and so is the first where somebody else handles it.
        """

        def note(number: int, frame: object) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._interrupted = True
            self._results.put(None)

        ours = threading.current_thread() is threading.main_thread()
        if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):  # closed by the garbage collector, elsewhere
                if signal.getsignal(signal.SIGINT) is note:
                    signal.signal(signal.SIGINT, signal.default_int_handler)

    def _drain(self) -> Iterator[Outcome[T]]:
        """Hand over what arrives within a few seconds after an interruption."""
        while self._flying:
            try:
                outcome = self._results.get(timeout=_LAST_WORDS)
            except queue.Empty:
                return
            if outcome is not None:
                yield from self._settle(outcome)

    # -- sending --------------------------------------------------------------------------------

    def _launch(self) -> bool:
        """Send what may be sent now, and tell whether there was any."""
        launched = False
        while (
            self._waiting
            and self._fatal is None
            and self._flying < self._service.limits.concurrency
        ):
            batch = self._waiting[0]
            refusal = self._meter.reserve(batch.total, len(batch.places))
            if refusal is not None:
                if self._flying:
                    break  # what is under way may turn out cheaper
                if len(batch.places) == 1:
                    self._fatal = refusal
                    break
                self._waiting.popleft()
                self._waiting.extendleft(reversed(batch.halves()))
                continue
            self._waiting.popleft()
            self._flying += 1
            launched = True
            self._start(batch)
        return launched

    def _start(self, batch: Batch) -> None:
        if len(self._threads) < self._flying:
            # Daemons: a process that was told twice to end does not wait for an answer.
            thread = threading.Thread(target=self._serve, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put(batch)

    def _serve(self) -> None:
        while (batch := self._work.get()) is not None:
            try:
                answer = self._ask(batch)
                self._results.put(Outcome(batch, answer))
            except BaseException as error:
                self._results.put(Outcome(batch, error=error))

    def _ask(self, batch: Batch) -> T:
        return self._service.call(
            lambda: self._send(batch.places),
            inputs=len(batch.places),
            tokens=batch.total,
            attempts=self._attempts,
            stop=self._stop,
            lost=lambda: self._meter.lose(batch.total, len(batch.places)),
        )

    # -- what came back -------------------------------------------------------------------------

    def _settle(self, outcome: Outcome[T]) -> Iterator[Outcome[T]]:
        batch, error = outcome.batch, outcome.error
        self._flying -= 1
        if error is None:
            assert outcome.answer is not None
            billed = self._billed(outcome.answer)
            self._meter.settle(batch.total, len(batch.places), billed)
            self._refused = self._exhausted = 0
            yield from self._release()
            yield outcome
            return
        self._meter.cancel(batch.total, len(batch.places))
        if isinstance(error, Abandoned):
            return
        if self._ends(error, batch):
            self._end(error)
        elif len(batch.places) == 1:
            # Until an input is taken, it may be the request that is refused.
            self._held.append(outcome)
            if not self._refused:
                yield from self._release()
        elif isinstance(error, RejectedError):
            self._waiting.extendleft(reversed(batch.halves()))
        else:
            # Behind the others: if they fare better, it is this batch; else the service is down.
            self._waiting.extend(batch.halves())

    def _release(self) -> Iterator[Outcome[T]]:
        """Tell of the inputs that were refused, now that it is known to be their fault."""
        held, self._held = self._held, []
        yield from held

    def _ends(self, error: BaseException, batch: Batch) -> bool:
        """Whether no other input could do better."""
        if isinstance(error, RejectedError):
            self._refused += len(batch.places) == 1
            most = _MANY_REFUSED if self._service.answered else _ALL_REFUSED
            if self._refused < most:
                return False
            self._refused = 0
            return not self._probed()
        if isinstance(error, UnavailableError) and error.reached:
            # An input may be what it fails on; where others fail as well, it is not the input.
            self._exhausted += 1
            if not self._service.answered:
                # Nothing ever was well: halves of this would be sent, and perhaps billed, in vain.
                return not self._probed()
            return self._exhausted >= _OUTAGE
        return True

    def _probed(self) -> bool:
        """Whether the service takes an input that nobody has reason to refuse."""
        if self._probe is None:
            return False
        try:
            self._service.call(self._probe, attempts=_PROBES, stop=self._stop)
        except ProviderError:
            return False
        return True

    def _end(self, error: BaseException) -> None:
        if self._fatal is None:
            self._fatal = error
            if isinstance(error, RejectedError):
                self._fatal = ProviderError(
                    f"one text after the other is refused, it is not the texts: {error.message}",
                    do="what was done is kept: run the same command again when this is mended",
                    status=error.status,
                )
            self._stop.set()
