from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from embedkit.errors import (
    CredentialsError,
    EmbedkitError,
    InvalidInputError,
    ProviderError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from embedkit.managed.budget import BudgetReached
from embedkit.managed.cohere import CohereAccount
from embedkit.managed.decode import decode_floats
from embedkit.managed.limits import Limits
from embedkit.managed.pacing import Abandoned
from embedkit.managed.service import BadAnswerError, Service


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, None, 200])
def test_what_is_sent_again(
    make_service: Any, script: Any, answer_error: Any, status: int | None
) -> None:
    send = script(answer_error(status), answer_error(status), "good")
    assert make_service().call(send) == "good"
    assert send.sent == 3


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("no"),
        httpx.ReadTimeout("no"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut"),
        BadAnswerError("a row is missing"),
    ],
)
def test_broken_connections_and_answers_are_sent_again(
    make_service: Any, script: Any, error: Exception
) -> None:
    send = script(error, "good")
    assert make_service().call(send) == "good"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RejectedError),
        (413, RejectedError),
        (422, RejectedError),
        (401, CredentialsError),
        (403, CredentialsError),
        (404, ProviderError),
        (402, QuotaError),
    ],
)
def test_what_is_not_sent_again(
    make_service: Any, script: Any, answer_error: Any, status: int, kind: type[ProviderError]
) -> None:
    send = script(answer_error(status, {"message": "its own words"}))
    with pytest.raises(kind, match="its own words") as raised:
        make_service().call(send)
    assert type(raised.value) is kind
    assert raised.value.status == status
    assert send.sent == 1


def test_a_used_up_month_is_not_sent_again(
    make_service: Any, script: Any, answer_error: Any
) -> None:
    send = script(answer_error(429, {"message": "limited to 1000 API calls / month"}))
    with pytest.raises(QuotaError, match="allowance of this key is used up"):
        make_service().call(send)
    assert send.sent == 1


@pytest.mark.parametrize("error", [InvalidInputError("ours"), ValueError("a bug")])
def test_our_own_errors_pass_as_they_are(make_service: Any, script: Any, error: Exception) -> None:
    service, send = make_service(concurrency=1), script(error, "good")
    with pytest.raises(type(error)) as raised:
        service.call(send)
    assert raised.value is error
    assert service.call(send) == "good", "its place was given back"


def test_patience_ends_and_says_so(make_service: Any, script: Any, answer_error: Any) -> None:
    send = script(answer_error(500, {"message": "internal"}))
    with pytest.raises(UnavailableError, match="failed 8 times: internal") as raised:
        make_service().call(send)
    assert send.sent == 8
    assert raised.value.reached
    assert "http://some" in str(raised.value)
    with pytest.raises(UnavailableError, match="failed once"):
        make_service().call(script(answer_error(500)), attempts=1)
    send = script(answer_error(429))
    with pytest.raises(UnavailableError, match="3 times"):
        make_service(attempts=3).call(send)


def test_an_address_that_never_answered_is_given_up_early(make_service: Any, script: Any) -> None:
    service = make_service()
    send = script(httpx.ConnectError("refused"))
    with pytest.raises(UnavailableError, match="failed 4 times") as raised:
        service.call(send)
    assert not raised.value.reached
    service.call(script("good"))
    send = script(httpx.ConnectError("refused"))
    with pytest.raises(UnavailableError, match="failed 8 times"):
        service.call(send)


class Waits:
    """Stands in for an event that nobody sets; remembers how long it was waited for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return False


def asked_to_wait(service: Service, send: Any) -> list[float]:
    waits: Any = Waits()
    service.call(send, stop=waits)
    return list(waits.seconds)


def test_an_answer_that_cannot_be_used_is_not_paid_for_again_and_again(
    make_service: Any, script: Any, answer_error: Any
) -> None:
    for error in (BadAnswerError("a row is missing"), answer_error(200)):
        send = script(*[error] * 9)
        with pytest.raises(UnavailableError, match="failed 4 times"):
            make_service(attempts=8).call(send)
        assert send.sent == 4


def test_a_long_wait_is_told(
    make_service: Any, script: Any, answer_error: Any, caplog: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("embedkit.managed.service._LONG", 0.0)
    make_service().call(script(answer_error(503), "good"))
    assert "trying again in" in caplog.text
    assert "503" in caplog.text


def test_retry_after_is_kept(make_service: Any, script: Any, answer_error: Any) -> None:
    error = answer_error(503, "", {"Retry-After": "7"})
    [wait] = asked_to_wait(make_service(), script(error, "good"))
    assert 7 <= wait <= 7.7
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    error = answer_error(503, "", {"retry-after": date})
    [wait] = asked_to_wait(make_service(), script(error, "good"))
    assert 25 < wait <= 33


@pytest.mark.parametrize("asked", ["0", "-3", "Wed, 21 Oct 2015 07:28:00 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_of_nothing_leaves_the_waits_to_us(
    make_service: Any,
    script: Any,
    answer_error: Any,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    asked: str,
) -> None:
    """A clock that is ahead of the service's makes every date one that has passed."""
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.5)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 20.0)
    monkeypatch.setattr("embedkit.managed.pacing.Pacer.pause", lambda self, seconds: None)
    errors = [answer_error(status, "", {"Retry-After": asked})] * 7
    waits = asked_to_wait(make_service(), script(*errors, "good"))
    assert len(waits) == 7
    assert min(waits) >= 0.25
    assert sum(waits) > 25, "most of a minute's window"


def test_a_retry_after_that_was_too_short_before_is_not_believed_again(
    make_service: Any, script: Any, answer_error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.5)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 20.0)
    errors = [answer_error(503, "", {"Retry-After": "1"})] * 7
    waits = asked_to_wait(make_service(), script(*errors, "good"))
    assert 1 <= waits[0] <= 1.1
    assert sum(waits) > 25
    assert min(waits) >= 1


def test_any_number_of_attempts_can_be_set(
    make_service: Any, script: Any, answer_error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedkit.managed.pacing.Pacer.pause", lambda self, seconds: None)
    for status in (429, 500):
        errors = [answer_error(status)] * 1100
        service = make_service(attempts=2000)
        assert len(asked_to_wait(service, script(*errors, "good"))) == 1100


def test_too_long_a_retry_after_is_told_instead(
    make_service: Any, script: Any, answer_error: Any
) -> None:
    for value in ("3600", "inf"):
        send = script(answer_error(429, {"message": "wait"}, {"Retry-After": value}))
        with pytest.raises(QuotaError, match="asks to wait"):
            make_service().call(send)
        assert send.sent == 1


def test_waits_grow_and_differ(
    make_service: Any, script: Any, answer_error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.5)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 20.0)
    errors = [answer_error(500)] * 7
    runs = [asked_to_wait(make_service(), script(*errors, "good")) for _ in range(2)]
    for waits in runs:
        for attempt, wait in enumerate(waits):
            longest = min(0.5 * 2**attempt, 20)
            assert longest / 2 <= wait <= longest
    assert runs[0] != runs[1]


def test_too_much_holds_all_threads_and_lets_one_go_on_at_last(
    make_service: Any, script: Any, answer_error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service()
    paused: list[float] = []
    monkeypatch.setattr(service.pacer, "pause", paused.append)
    service.call(script(answer_error(429), answer_error(500), answer_error(429), "good"))
    assert len(paused) == 2, "a failure of the service itself holds nobody"


def test_who_waits_lets_others_through(
    make_service: Any, script: Any, answer_error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 60.0)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 60.0)
    service, stop, failed = make_service(concurrency=1), threading.Event(), threading.Event()

    def send() -> None:
        failed.set()
        raise answer_error(500)

    def work() -> None:
        with pytest.raises(Abandoned):
            service.call(send, stop=stop)

    thread = threading.Thread(target=work)
    thread.start()
    assert failed.wait(10)
    assert service.call(script("good")) == "good"
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_no_more_requests_than_allowed_are_under_way(make_service: Any) -> None:
    service = make_service(concurrency=3)
    lock, under_way, most = threading.Lock(), 0, 0

    def send() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.005)
        with lock:
            under_way -= 1

    threads = [threading.Thread(target=service.call, args=(send,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == 3


def test_width_follows_littles_law(make_service: Any) -> None:
    service = make_service(inputs_per_minute=2000)
    assert service._width(96, 0) == 1
    service._seconds = 10.0
    assert service._width(96, 0) == 5
    service._seconds = 1000.0
    assert service._width(96, 0) == 8


def test_lost_answers_are_told_and_may_end_it(
    make_service: Any, script: Any, answer_error: Any
) -> None:
    told: list[int] = []
    send = script(answer_error(500), answer_error(429), httpx.ReadTimeout(""), "good")
    assert make_service().call(send, lost=lambda: told.append(1)) == "good"
    assert told == [1], "what was refused is not billed"
    with pytest.raises(BudgetReached):
        make_service().call(script(BadAnswerError("x")), lost=lambda: BudgetReached("enough"))


# -- through the SDK, against a server ----------------------------------------------------------


@pytest.fixture
def ask(cohere_server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any]]:
    """Embed a few texts once the server was told what goes wrong; return requests and answer."""
    monkeypatch.setenv("CO_API_KEY", "good-key")

    def call(*faults: Any, **limits: Any) -> tuple[int, Any]:
        account = CohereAccount(cohere_server.url)
        service, client = (
            account.service("embed", Limits(timeout=0.3, **limits)),
            account.client(0.3),
        )
        cohere_server.fail(*faults)

        def send() -> Any:
            answer = client.embed(
                model="embed-v4.0",
                texts=["a", "b", "c"],
                input_type="search_document",
                embedding_types=["base64"],
            )
            return decode_floats(answer.embeddings.base64, 3, 1536)

        before = len(cohere_server.entries())
        try:
            vectors = service.call(send)
        except EmbedkitError as error:
            return len(cohere_server.entries()) - before, error
        return len(cohere_server.entries()) - before, vectors

    return call


FAULTS = [
    "429:0.01", "429-bare", "500", "503-html", "status:408", "status:409", "status:502", "timeout",
    "reset", "missing-row", "extra-row", "nan", "null", "wrong-width", "truncated-json",
    "reset-body", "close",
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_a_service_passes(ask: Any, fault: str) -> None:
    requests, vectors = ask(fault)
    assert vectors.shape == (3, 1536)
    assert requests == (1 if fault == "close" else 2)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("quota", QuotaError),
        ("status:400", RejectedError),
        ("status:401", CredentialsError),
        ("status:402", QuotaError),
        ("status:403", CredentialsError),
        ("status:404", ProviderError),
        ("status:422", RejectedError),
        ("429:4000", QuotaError),
    ],
)
def test_what_waiting_does_not_mend_is_sent_once(ask: Any, fault: str, kind: type) -> None:
    requests, error = ask(fault)
    assert type(error) is kind
    assert requests == 1


def test_a_dead_address(monkeypatch: pytest.MonkeyPatch, cohere_server: Any, ask: Any) -> None:
    cohere_server.stop()
    _, error = ask()
    assert isinstance(error, UnavailableError)
    assert not error.reached
    assert cohere_server.url in str(error)
