from __future__ import annotations

import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.errors import (
    CredentialsError,
    ProviderError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from embedkit.managed.budget import BudgetReached, Meter
from embedkit.managed.dispatch import Batch, Dispatcher, make_batches


class Server:
    """Answers a batch with its places; refuses and fails as it is told."""

    def __init__(self, error: Callable[..., Exception]) -> None:
        self.error = error
        self.bad: set[int] = set()
        self.poison: set[int] = set()
        self.down_after: int | None = None
        self.broken: dict[int, Exception] = {}
        self.hold = threading.Event()
        self.hold.set()
        self.calls: list[list[int]] = []
        self._lock = threading.Lock()

    def __call__(self, places: Sequence[int]) -> list[int]:
        with self._lock:
            number = len(self.calls)
            self.calls.append(list(places))
        if number in self.broken:
            raise self.broken[number]
        self.hold.wait(10)
        if self.down_after is not None and number >= self.down_after:
            raise self.error(500)
        if self.bad.intersection(places):
            raise self.error(400, {"message": "an input cannot be processed"})
        if self.poison.intersection(places):
            raise self.error(500, {"message": "internal"})
        return list(places)


@pytest.fixture
def server(answer_error: Any) -> Server:
    return Server(answer_error)


@pytest.fixture
def dispatch(make_service: Any, server: Server) -> Callable[..., Dispatcher[list[int]]]:
    def make(meter: Meter | None = None, **limits: Any) -> Dispatcher[list[int]]:
        limits = {"concurrency": 3, "attempts": 2, **limits}
        return Dispatcher(make_service(**limits), server, len, meter)

    return make


def batches(n: int, size: int = 8) -> deque[Batch]:
    return make_batches([1] * n, most=size, most_tokens=10**6)


def gathered(outcomes: Any) -> tuple[list[int], dict[int, BaseException]]:
    good: list[int] = []
    failed: dict[int, BaseException] = {}
    for outcome in outcomes:
        if outcome.error is None:
            assert outcome.answer == list(outcome.batch.places)
            good += outcome.batch.places
        else:
            [place] = outcome.batch.places
            failed[place] = outcome.error
    return sorted(good), failed


def take(outcomes: Any, taken: list[int]) -> None:
    """Gather the places that were answered, also where an error ends it."""
    for outcome in outcomes:
        assert outcome.error is None
        taken += outcome.batch.places


@given(
    tokens=st.lists(st.integers(1, 50), max_size=80),
    most=st.integers(1, 20),
    most_tokens=st.integers(1, 100),
)
def test_batches_hold_every_input_once_in_order(
    tokens: list[int], most: int, most_tokens: int
) -> None:
    made = make_batches(tokens, most=most, most_tokens=most_tokens)
    assert [place for batch in made for place in batch.places] == list(range(len(tokens)))
    assert [count for batch in made for count in batch.tokens] == tokens
    for batch in made:
        assert 1 <= len(batch.places) <= most
        assert batch.total <= most_tokens or len(batch.places) == 1


def test_every_input_is_answered_once(dispatch: Any, server: Server) -> None:
    good, failed = gathered(dispatch().run(batches(100)))
    assert (good, failed) == (list(range(100)), {})
    assert len(server.calls) == 13


@pytest.mark.parametrize("bad", [{0}, {99}, {3, 4, 50}, set(range(40, 60)), set(range(0, 100, 9))])
def test_refused_batches_are_split_until_the_bad_inputs_stand_alone(
    dispatch: Any, server: Server, bad: set[int]
) -> None:
    server.bad = bad
    good, failed = gathered(dispatch().run(batches(100)))
    assert good == sorted(set(range(100)) - bad)
    assert failed.keys() == bad
    assert all(isinstance(error, RejectedError) for error in failed.values())


@pytest.mark.parametrize("bad", [{0}, {7}, {3, 4}])
def test_splitting_takes_few_requests(dispatch: Any, server: Server, bad: set[int]) -> None:
    server.bad = bad
    gathered(dispatch().run(batches(64, 64)))
    assert len(server.calls) <= 1 + 2 * 6 * len(bad)


def test_where_everything_is_refused_it_ends_early(dispatch: Any, server: Server) -> None:
    server.bad = set(range(5000))
    with pytest.raises(ProviderError, match="one text after the other is refused") as raised:
        gathered(dispatch().run(batches(5000, 96)))
    assert not isinstance(raised.value, RejectedError)
    assert len(server.calls) < 60


def test_a_service_that_turns_to_refusing_everything_ends_the_work(
    make_service: Any, server: Server
) -> None:
    service = make_service(concurrency=3, attempts=2)
    gathered(Dispatcher(service, server, len).run(batches(8)))
    server.bad = set(range(5000))
    told: list[Any] = []
    with pytest.raises(ProviderError, match="one text after the other") as raised:
        told.extend(Dispatcher(service, server, len, probe=lambda: server([17])).run(batches(5000)))
    assert told == [], "no text is told to be at fault"
    assert not isinstance(raised.value, RejectedError)
    assert len(server.calls) < 300


def test_a_service_that_never_answers_well_is_not_sent_halves(
    make_service: Any, server: Server
) -> None:
    server.poison = set(range(1000))
    made = Dispatcher(
        make_service(attempts=3, concurrency=1), server, len, probe=lambda: server([7])
    )
    with pytest.raises(UnavailableError):
        gathered(made.run(batches(96, 96)))
    assert [len(call) for call in server.calls] == [96] * 3 + [1] * 2


def test_a_poisonous_input_in_the_very_first_request_is_found(
    make_service: Any, server: Server
) -> None:
    server.poison = {3}
    made = Dispatcher(make_service(attempts=2), server, len, probe=lambda: server([900]))
    good, failed = gathered(made.run(batches(8)))
    assert failed.keys() == {3}
    assert good == [0, 1, 2, 4, 5, 6, 7]


def test_many_bad_inputs_in_a_row_are_told_where_a_plain_one_is_taken(
    make_service: Any, server: Server
) -> None:
    server.bad = set(range(300))
    made = Dispatcher(make_service(), server, len, probe=lambda: server([900]))
    good, failed = gathered(made.run(batches(400, 96)))
    assert failed.keys() == server.bad
    assert good == list(range(300, 400))


def test_a_few_inputs_that_are_all_bad_are_each_told(dispatch: Any, server: Server) -> None:
    server.bad = {0, 1, 2}
    assert gathered(dispatch().run(batches(3)))[1].keys() == {0, 1, 2}


def test_a_poisonous_input_is_found_behind_the_services_own_failure(
    dispatch: Any, server: Server
) -> None:
    server.poison = {37}
    good, failed = gathered(dispatch().run(batches(100)))
    assert good == sorted(set(range(100)) - {37})
    assert isinstance(failed[37], UnavailableError)


def test_an_outage_ends_it_and_keeps_what_came(dispatch: Any, server: Server) -> None:
    server.down_after = 4
    taken: list[int] = []
    with pytest.raises(UnavailableError, match="status 500"):
        take(dispatch().run(batches(1000)), taken)
    assert len(taken) == 32
    assert len(server.calls) < 30


@pytest.mark.parametrize(
    ("status", "kind"), [(401, CredentialsError), (402, QuotaError), (404, ProviderError)]
)
def test_what_is_under_way_is_handed_over_before_an_error(
    dispatch: Any, server: Server, answer_error: Any, status: int, kind: type[Exception]
) -> None:
    server.broken = {2: answer_error(status)}
    server.hold.clear()
    threading.Timer(0.1, server.hold.set).start()
    taken: list[int] = []
    with pytest.raises(kind):
        take(dispatch(concurrency=3).run(batches(100)), taken)
    called = Counter(place for call in server.calls for place in call)
    refused = server.calls[2]
    assert sorted(taken) == sorted(set(called) - set(refused))
    assert len(taken) >= 16


def test_an_error_of_our_own_comes_out(dispatch: Any, server: Server) -> None:
    server.broken = {1: ZeroDivisionError("a bug")}
    with pytest.raises(ZeroDivisionError):
        gathered(dispatch().run(batches(100)))


def test_closing_early_ends_the_threads(dispatch: Any, server: Server) -> None:
    before = threading.active_count()
    outcomes = dispatch().run(batches(1000))
    next(outcomes)
    outcomes.close()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert threading.active_count() == before
    assert len(server.calls) < 20


def test_an_interruption_hands_over_what_arrives(dispatch: Any, server: Server) -> None:
    server.hold.clear()

    def interrupt() -> None:
        while len(server.calls) < 3:
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.05)
        server.hold.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    taken: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        take(dispatch().run(batches(1000)), taken)
    thread.join(10)
    assert sorted(taken) == sorted(place for call in server.calls for place in call)
    assert len(taken) == 24


def test_an_interruption_does_not_wait_for_ever(
    dispatch: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedkit.managed.dispatch._LAST_WORDS", 0.05)
    server.hold.clear()
    outcomes = dispatch().run(batches(100))
    main = threading.main_thread().ident or 0
    threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        gathered(outcomes)
    server.hold.set()


# -- what may be spent --------------------------------------------------------------------------


def test_a_budget_ends_it_before_the_line(dispatch: Any, server: Server) -> None:
    meter = Meter(max_cost=100.0, price=1_000_000.0)  # dollars a token; an input is billed one
    taken: list[int] = []
    with pytest.raises(BudgetReached):
        take(dispatch(meter).run(batches(1000, 96)), taken)
    sent = [place for call in server.calls for place in call]
    assert sorted(taken) == sorted(sent) == list(range(len(sent)))
    assert meter.billed_tokens == len(taken)
    assert 90 <= len(taken) <= 100
    assert len(server.calls) < 40


def test_no_budget_sends_nothing(dispatch: Any, server: Server) -> None:
    with pytest.raises(BudgetReached):
        gathered(dispatch(Meter(max_cost=0.0, price=1.0)).run(batches(10)))
    assert server.calls == []


def test_what_was_refused_is_given_back(dispatch: Any, server: Server) -> None:
    server.bad = set(range(0, 64, 2))
    meter = Meter(max_cost=1e6, price=1_000_000.0)
    gathered(dispatch(meter).run(batches(65, 13)))
    assert meter.billed_tokens == 33
    assert (meter._reserved, meter._reserved_inputs) == (0, 0)
