from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.embedders.managed import ManagedEmbedder
from embedkit.managed.limits import Limits
from embedkit.managed.pacing import Abandoned, Pacer, shared_pacer


class Simulation:
    """A pacer in a time of our own: whoever waits, waits for answers and for the clock.

    It stands in for the pacer's condition, so that one thread plays all of them.
    """

    def __init__(self, limits: Limits) -> None:
        self.now = 1000.0
        self.pacer = Pacer(limits, clock=lambda: self.now)
        self.pacer._condition = self  # type: ignore[assignment]
        self.arrivals: list[tuple[float, int, int]] = []
        self._answers: list[tuple[float, int, Any]] = []
        self._count = itertools.count()
        self._waited = 0

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None

    def notify_all(self) -> None:
        return None

    def wait(self, seconds: float) -> None:
        self._waited += 1
        assert self._waited < 20_000, "it waits for ever"
        until = self.now + seconds
        if self._answers and self._answers[0][0] <= until:
            self.answer()
        else:
            self.now = until

    def answer(self) -> None:
        """Let the next answer come."""
        moment, _, ticket = heapq.heappop(self._answers)
        self.now = max(self.now, moment)
        self.pacer.release(ticket)

    def send(self, inputs: int, tokens: int, journey: float, work: float, width: int = 8) -> None:
        """Send a request that arrives after its journey and is answered after some work."""
        while len(self._answers) >= width:
            self.answer()
        ticket = self.pacer.acquire(inputs, tokens)
        self.arrivals.append((self.now + journey, inputs, tokens))
        answered = self.now + journey + work
        heapq.heappush(self._answers, (answered, next(self._count), ticket))

    def fullest(self) -> tuple[int, int, int]:
        """Return the most inputs, requests and tokens that any 60 seconds took."""
        arrivals = sorted(self.arrivals)
        most = [0, 0, 0]
        for i, (start, *_) in enumerate(arrivals):
            inside = [one for one in arrivals[i:] if one[0] < start + 60]
            sums = (sum(one[1] for one in inside), len(inside), sum(one[2] for one in inside))
            most = [max(pair) for pair in zip(most, sums, strict=True)]
        return most[0], most[1], most[2]


REQUESTS = st.lists(
    st.tuples(
        st.integers(1, 96),
        st.integers(1, 3000),
        st.floats(0, 1.4),
        st.floats(0, 100),
        st.floats(0, 30),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(
    requests=REQUESTS,
    inputs=st.none() | st.integers(96, 300),
    count=st.none() | st.integers(1, 10),
    tokens=st.none() | st.integers(3000, 9000),
)
def test_no_minute_holds_more_than_the_limit(
    requests: Any, inputs: int | None, count: int | None, tokens: int | None
) -> None:
    simulation = Simulation(Limits(inputs, count, tokens))
    for size, weight, journey, work, idle in requests:
        simulation.send(size, weight, journey, work)
        simulation.now += idle
    for most, limit in zip(simulation.fullest(), (inputs, count, tokens), strict=True):
        assert limit is None or most <= limit


@pytest.mark.parametrize("latency", [0.05, 0.5, 1.5, 4.0])
def test_throughput_is_within_5_percent_of_the_limit(latency: float) -> None:
    limit = 2000
    size = ManagedEmbedder._fitting(96, limit)
    simulation = Simulation(Limits(limit))
    began = simulation.now
    while simulation.now < began + 60 * 20:
        simulation.send(size, 100, latency / 2, latency / 2)
    simulation.arrivals = [one for one in simulation.arrivals if one[0] >= began + 60]
    sent = sum(one[1] for one in simulation.arrivals)
    minutes = (simulation.now - began - 60) / 60
    assert 0.95 * limit < sent / minutes < 1.02 * limit
    assert simulation.fullest()[0] <= limit


@pytest.mark.parametrize(
    ("limit", "size"),
    [(None, 96), (2000, 95), (96, 96), (97, 48), (150, 75), (50, 50), (1, 1), (10**6, 96)],
)
def test_whole_requests_fill_the_limit(limit: int | None, size: int) -> None:
    assert ManagedEmbedder._fitting(96, limit) == size


def test_a_request_larger_than_the_limit_goes_alone() -> None:
    simulation = Simulation(Limits(inputs_per_minute=10))
    began = simulation.now
    simulation.send(96, 1, 0, 0)
    simulation.send(96, 1, 0, 0)
    simulation.send(1, 1, 0, 0)
    first, second, third = (arrival[0] - began for arrival in simulation.arrivals)
    assert first == 0
    assert 60 <= second < 61
    assert 120 <= third < 122


def test_a_small_job_runs_at_once() -> None:
    simulation = Simulation(Limits(inputs_per_minute=2000))
    for _ in range(20):
        simulation.send(96, 100, 0.1, 0.1)
    assert simulation.now - 1000 < 2


def test_a_pause_holds_everybody_and_the_longest_wins() -> None:
    simulation = Simulation(Limits())
    simulation.pacer.pause(5)
    simulation.pacer.pause(2)
    simulation.send(1, 1, 0, 0)
    assert simulation.now == pytest.approx(1005)


def test_what_never_left_does_not_count() -> None:
    now = [0.0]
    pacer = Pacer(Limits(requests_per_minute=1), clock=lambda: now[0])
    pacer.release(pacer.acquire(1, 1), counted=False)
    pacer.release(pacer.acquire(1, 1))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Abandoned):
        pacer.acquire(1, 1, stop)


def test_whoever_waits_can_be_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedkit.managed.pacing.PATIENCE", 0.01)
    pacer, stop = Pacer(Limits(requests_per_minute=1)), threading.Event()
    pacer.acquire(1, 1)
    ended: list[str] = []

    def wait() -> None:
        try:
            pacer.acquire(1, 1, stop)
        except Abandoned:
            ended.append("abandoned")

    thread = threading.Thread(target=wait)
    thread.start()
    stop.set()
    thread.join(10)
    assert ended == ["abandoned"]


def test_threads_together_keep_the_limit() -> None:
    window, limit = 0.3, 40
    pacer = Pacer(Limits(inputs_per_minute=limit), window=window)
    sent: list[tuple[float, int]] = []
    lock = threading.Lock()

    def work(size: int) -> None:
        for _ in range(6):
            ticket = pacer.acquire(size, 1)
            with lock:
                sent.append((time.monotonic(), size))
            pacer.release(ticket)

    threads = [threading.Thread(target=work, args=(size,)) for size in (3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    sent.sort()
    assert len(sent) == 18
    for start, _ in sent:
        assert sum(size for moment, size in sent if start <= moment < start + window) <= limit


def test_an_account_has_one_pacer_and_the_limits_given_last() -> None:
    first = shared_pacer(("test", "one"), Limits(5))
    assert shared_pacer(("test", "one"), Limits(6)) is first
    assert first.limits == Limits(5), "nobody loosens what somebody else was given"
    shared_pacer(("test", "one"), Limits(tokens_per_minute=7, timeout=3))
    assert first.limits == Limits(5, tokens_per_minute=7, timeout=3)
    assert shared_pacer(("test", "other"), Limits(5)) is not first
