from __future__ import annotations

import email.utils
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.errors import InvalidInputError
from embedkit.managed.http import (
    answer_trouble,
    check_url,
    hiding,
    retry_after,
    shown_url,
    transport_trouble,
)
from embedkit.managed.service import Trouble


@pytest.mark.parametrize("url", ["http://host", "https://host:8080/v1", "http://[::1]:80"])
def test_addresses(url: str) -> None:
    assert check_url(url) == url
    assert check_url(url + "/") == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:secret@host:8080/v1", "http://host:8080/v1"),
        ("https://host/v1?key=secret", "https://host/v1"),
        ("http://[::1]:80/v1", "http://[::1]/v1"),
        ("https://host", "https://host"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "url", ["", " ", "host", "ftp://host", "http://", "http:///v1", "http://h:x"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        check_url(url)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "too long"}, "input"),
        (413, "", "input"),
        (422, {"message": "unknown field"}, "input"),
        (401, {"message": "invalid api token"}, "key"),
        (403, "", "key"),
        (498, "", "key"),
        (402, {"message": "pay"}, "quota"),
        (404, {"message": "model 'x' not found"}, "request"),
        (405, "", "request"),
        (429, {"message": "40 API calls / minute"}, "busy"),
        (429, {"message": "limited to 1000 API calls / month"}, "quota"),
        (429, {"error": {"message": "You exceeded your current quota"}}, "quota"),
        (429, None, "busy"),
        (408, "", "failed"),
        (409, "", "failed"),
        (500, {"message": "internal"}, "failed"),
        (503, "<html>no</html>", "failed"),
        (599, "", "failed"),
        (200, "half of it", "failed"),
        (None, None, "failed"),
    ],
)
def test_what_answers_mean(status: int | None, body: Any, kind: str) -> None:
    assert answer_trouble(status, body, {}).kind == kind


def test_messages_are_the_services_own_on_one_line() -> None:
    said = answer_trouble(400, {"message": "a\n  b"}, {}).message
    assert said == "a b (status 400)"
    assert answer_trouble(503, "<html>\n<b>long page", {}).message == "status 503"
    assert answer_trouble(400, {"error": {"message": "x"}}, {}).message == "x (status 400)"
    assert answer_trouble(400, {"detail": "y"}, {}).message == "y (status 400)"
    assert len(answer_trouble(400, "z" * 5000, {}).message) < 400


NAMES = st.sampled_from(["message", "error", "detail"])
BODIES = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=5,
)


@given(body=BODIES, status=st.integers(100, 599))
def test_any_body_means_something_on_one_line(body: Any, status: int) -> None:
    assert "\n" not in answer_trouble(status, body, {}).message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2), (" 0.5 ", 0.5), ("-3", 0), ("soon", None), ("", None), ("nan", 0)],
)
def test_retry_after_as_a_number(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}) == seconds
    assert retry_after({"retry-after": value}) == seconds
    assert retry_after({}) is None


def test_retry_after_as_a_date() -> None:
    ahead = email.utils.formatdate(time.time() + 100, usegmt=True)
    wait = retry_after({"Retry-After": ahead})
    assert wait is not None
    assert 90 < wait <= 100
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


@pytest.mark.parametrize("year", ["99999", "0", "123456789012"])
def test_retry_after_of_no_calendar(year: str) -> None:
    assert not retry_after({"Retry-After": f"Wed, 21 Oct {year} 07:28:00 GMT"})


@given(value=st.text(max_size=40))
def test_any_retry_after_is_a_wait_or_none(value: str) -> None:
    wait = retry_after({"Retry-After": value})
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), "unreachable"),
        (httpx.ConnectTimeout("slow"), "unreachable"),
        (httpx.ProxyError("no"), "unreachable"),
        (httpx.ReadTimeout("slow"), "failed"),
        (httpx.PoolTimeout("full"), "failed"),
        (httpx.ReadError("reset"), "failed"),
        (httpx.WriteError("reset"), "failed"),
        (httpx.RemoteProtocolError("cut"), "failed"),
        (httpx.DecodingError("gzip"), "failed"),
    ],
)
def test_what_the_transport_means(error: Exception, kind: str) -> None:
    trouble = transport_trouble(error)
    assert trouble is not None
    assert trouble.kind == kind
    assert transport_trouble(ValueError("ours")) is None


def test_the_key_is_hidden_wherever_a_service_repeats_it() -> None:
    hidden = hiding("k-123", lambda error: Trouble("key", f"bad key k-123: {error}"))
    assert hidden(ValueError("k-123!")) == Trouble("key", "bad key [the key]: [the key]!")
    assert hiding("k", lambda error: None)(ValueError()) is None


@given(before=st.integers(0, 320))
def test_a_message_that_is_cut_holds_no_part_of_the_key(before: int) -> None:
    key = "sk-" + "K" * 40
    said = f"{'x ' * (before // 2)}{'x' * (before % 2)} key={key} is bad"

    def classify(error: Exception) -> Trouble | None:
        body = {"message": said}
        return transport_trouble(error) or answer_trouble(401, body, {})

    for error in (ValueError(), httpx.ConnectError(said)):
        trouble = hiding(key, classify)(error)
        assert trouble is not None
        assert "KK" not in trouble.message
