"""The account of OpenAI's protocol: its key, its address, what its errors mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from embedkit.errors import CredentialsError, InvalidInputError
from embedkit.managed.limits import Limits
from embedkit.managed.openai import PUBLIC, OpenAIAccount, classify, post
from embedkit.managed.service import BadAnswerError, Trouble
from tests.servers.openai import OpenAIServer


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def refusal(status: int, body: Any = None, **headers: str) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1/v1/embeddings")
    content = {"text": body} if isinstance(body, str) else {"json": body}
    response = httpx.Response(status, headers=headers, request=request, **content)
    return httpx.HTTPStatusError("refused", request=request, response=response)


def told(status: int, body: Any = None, **headers: str) -> Trouble:
    trouble = classify(refusal(status, body, **headers))
    assert trouble is not None
    return trouble


def test_address_of_a_spec_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    assert OpenAIAccount().base_url == PUBLIC
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    assert OpenAIAccount().base_url == "http://127.0.0.1:9/v1"
    assert OpenAIAccount(" http://127.0.0.1:8/v1 ").base_url == "http://127.0.0.1:8/v1"


@pytest.mark.parametrize("url", ["127.0.0.1:8080/v1", "ftp://127.0.0.1", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="address"):
        OpenAIAccount(url)


def test_the_public_service_needs_a_key_and_names_the_variable() -> None:
    with pytest.raises(
        CredentialsError, match=r"OPENAI_API_KEY, it is not set; set OPENAI_API_KEY"
    ):
        OpenAIAccount()


@pytest.mark.parametrize("where", ["option", "variable"])
def test_another_address_needs_none(where: str, monkeypatch: pytest.MonkeyPatch, serve) -> None:
    server = serve("openai", keys=None)
    if where == "variable":
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    account = OpenAIAccount(server.url if where == "option" else None)
    assert account.ask("local-embed") is None
    assert [entry.key for entry in server.log] == [""]


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
def test_what_cannot_be_a_key_is_refused_unsaid(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(CredentialsError, match="OPENAI_API_KEY") as refused:
        OpenAIAccount()
    assert key not in str(refused.value)


def test_a_key_is_checked_without_work(
    monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good-key")
    OpenAIAccount(openai_server.url).check_key("local-embed")
    monkeypatch.setenv("OPENAI_API_KEY", "worn-out")
    with pytest.raises(CredentialsError, match="OPENAI_API_KEY") as refused:
        OpenAIAccount(openai_server.url).check_key("local-embed")
    assert refused.value.status == 401
    assert "worn-out" not in str(refused.value)
    assert {entry.endpoint for entry in openai_server.log} == {"models"}


def test_only_a_refused_key_stops_a_check(openai_server: OpenAIServer) -> None:
    openai_server.keys = None
    OpenAIAccount(f"{openai_server.root}/elsewhere").check_key("local-embed")  # 404
    openai_server.stop()
    OpenAIAccount(openai_server.url).check_key("local-embed")  # nobody there


def test_a_client_keeps_its_connection(
    monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good-key")
    client = OpenAIAccount(openai_server.url).client(5.0)
    for text in "abc":
        post(client, "embeddings", {"model": "local-embed", "input": [text]})
    assert openai_server.stats()["connections"] == 1
    assert {entry.agent.partition("/")[0] for entry in openai_server.log} == {"embedkit"}


@pytest.mark.parametrize("body", [b"[1, 2]", b"<html></html>", b'{"data": [', b"", b"\xff\xfe"])
def test_an_answer_that_is_no_object_is_refused(body: bytes) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    with (
        httpx.Client(transport=transport, base_url="http://127.0.0.1") as client,
        pytest.raises(BadAnswerError, match="cannot be read"),
    ):
        post(client, "embeddings", {})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": {"message": "no such key"}}, "key"),
        (403, None, "key"),
        (400, {"error": {"message": "too long"}}, "input"),
        (422, {"detail": "an input is empty"}, "input"),
        (404, {"error": {"message": "no such model", "code": "model_not_found"}}, "request"),
        (307, "", "request"),
        (402, {"error": "pay first"}, "quota"),
        (429, {"error": {"message": "slower", "code": "rate_limit_exceeded"}}, "busy"),
        (429, {"error": {"message": "over quota of requests per minute"}}, "busy"),
        (429, "over quota", "busy"),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, "quota"),
        (429, {"error": {"message": "pay", "type": "insufficient_quota"}}, "quota"),
        (500, None, "failed"),
        (503, "<html>busy</html>", "failed"),
    ],
)
def test_what_an_answer_means(status: int, body: Any, kind: str) -> None:
    trouble = told(status, body)
    assert trouble.kind == kind
    assert trouble.status == status
    assert "<" not in trouble.message


def test_the_wait_is_what_the_answer_says() -> None:
    assert told(429, {}, **{"Retry-After": "7"}).wait == 7
    assert told(429, {}).wait is None
    assert told(503, "", **{"retry-after": "2.5"}).wait == 2.5


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), "unreachable"),
        (httpx.ReadTimeout("late"), "failed"),
        (httpx.RemoteProtocolError("cut"), "failed"),
        (httpx.ReadError("reset"), "failed"),
    ],
)
def test_what_a_broken_connection_means(error: Exception, kind: str) -> None:
    trouble = classify(error)
    assert trouble is not None
    assert trouble.kind == kind


def test_errors_of_our_own_are_left_alone() -> None:
    assert classify(KeyError("data")) is None


def test_a_key_that_the_service_repeats_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    account = OpenAIAccount("http://127.0.0.1:9/v1")
    classified: Callable[[Exception], Trouble | None] = account.service("embed", Limits())._classify
    trouble = classified(refusal(401, {"error": {"message": "bad key sk-secret given"}}))
    assert trouble is not None
    assert "sk-secret" not in trouble.message
    assert "bad key" in trouble.message
