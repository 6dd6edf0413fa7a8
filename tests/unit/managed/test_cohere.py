from __future__ import annotations

import json
from typing import Any

import pytest

from embedkit.embedders.cohere import CohereEmbedder
from embedkit.errors import CredentialsError, InvalidInputError, UnavailableError
from embedkit.managed.cohere import PUBLIC, CohereAccount
from embedkit.managed.limits import Limits


@pytest.mark.parametrize("key", [None, "", "  ", "\n"])
def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.delenv("CO_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("CO_API_KEY", key)
    with pytest.raises(CredentialsError, match="CO_API_KEY") as raised:
        CohereAccount("http://host")
    assert raised.value.exit_code == 4


@pytest.mark.parametrize("key", ["good\nkey", "schlüssel-x", "good\x07key", "good\u200bkey"])
def test_a_key_that_no_header_takes_is_refused_unprinted(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("CO_API_KEY", key)
    with pytest.raises(CredentialsError, match="CO_API_KEY") as raised:
        CohereAccount("http://host")
    assert key not in str(raised.value)


def test_blanks_around_a_key_do_no_harm(
    monkeypatch: pytest.MonkeyPatch, cohere_server: Any
) -> None:
    monkeypatch.setenv("CO_API_KEY", " good-key\n")
    CohereAccount(cohere_server.url).check_key("embed-v4.0")
    assert cohere_server.log[0].key == "good-key"
    assert cohere_server.log[0].status == 200
    assert cohere_server.log[0].client == "embedkit"


def test_the_address_is_the_specs_then_the_variables_then_the_public_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CO_API_KEY", "some-key")
    monkeypatch.delenv("CO_API_URL", raising=False)
    assert CohereAccount().base_url == PUBLIC
    monkeypatch.setenv("CO_API_URL", "http://variable/")
    assert CohereAccount().base_url == "http://variable"
    assert CohereAccount("http://spec").base_url == "http://spec"
    monkeypatch.setenv("CO_API_URL", "somewhere")
    with pytest.raises(InvalidInputError, match="somewhere"):
        CohereAccount()


def test_the_variable_counts_when_it_is_set_late(
    monkeypatch: pytest.MonkeyPatch, cohere_server: Any
) -> None:
    """The SDK reads it when it is imported, which was long ago."""
    monkeypatch.setenv("CO_API_KEY", "good-key")
    monkeypatch.setenv("CO_API_URL", cohere_server.url)
    assert CohereEmbedder().embed(["x"]).shape == (1, 1536)


def test_a_refused_key_is_told_and_any_other_trouble_is_not(
    monkeypatch: pytest.MonkeyPatch, cohere_server: Any
) -> None:
    monkeypatch.setenv("CO_API_KEY", "bad-key-123")
    with pytest.raises(CredentialsError, match="refuses the key in CO_API_KEY") as raised:
        CohereAccount(cohere_server.url).check_key("embed-v4.0")
    assert raised.value.status == 401
    assert "bad-key-123" not in str(raised.value)
    monkeypatch.setenv("CO_API_KEY", "good-key")
    account = CohereAccount(cohere_server.url)
    account.check_key("no-such-model")
    account.check_key("odd/../name?x=1")
    cohere_server.stop()
    account.check_key("embed-v4.0")


def test_a_service_that_repeats_the_key_does_not_make_us_print_it(
    monkeypatch: pytest.MonkeyPatch, raw_server: Any
) -> None:
    monkeypatch.setenv("CO_API_KEY", "very-secret-key")
    body = json.dumps({"message": "invalid token: very-secret-key"}).encode()
    embedder = CohereEmbedder(base_url=raw_server(401, body))
    for call in (embedder.check_access, lambda: embedder.embed(["x"])):
        with pytest.raises(CredentialsError, match=r"invalid token: \[the key\]") as raised:
            call()
        assert "very-secret-key" not in repr(raised.value)


def test_accounts_share_a_pacer_by_key_address_and_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CO_API_KEY", "one")
    one = CohereAccount("http://host").service("embed", Limits())
    assert CohereAccount("http://host/").service("embed", Limits()).pacer is one.pacer
    assert CohereAccount("http://host").service("rerank", Limits()).pacer is not one.pacer
    assert CohereAccount("http://other").service("embed", Limits()).pacer is not one.pacer
    monkeypatch.setenv("CO_API_KEY", "two")
    assert CohereAccount("http://host").service("embed", Limits()).pacer is not one.pacer


BODIES = [
    b"", b"null", b"[]", b"5", b'"text"', b"{}", b'{"embeddings": null}', b'{"embeddings": []}',
    b'{"embeddings": {"base64": "AAAA"}}', b'{"embeddings": {"base64": [1]}}',
    b'{"embeddings": {"float": [[1]]}}', b"<html>hello</html>", b"\xff\xfe", b"{" * 10_000,
    b'{"embeddings": {"base64": [""]}}',
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_an_answer_of_another_kind_is_an_answer_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, raw_server: Any, body: bytes
) -> None:
    monkeypatch.setenv("CO_API_KEY", "some-key")
    embedder = CohereEmbedder(base_url=raw_server(200, body))
    with pytest.raises(UnavailableError, match="failed 4 times"):
        embedder.embed(["x"], input_type="query")


@pytest.mark.parametrize("units", [b'"many"', b"null", b"[1]", b"-5", b"1e400", b"{}"])
def test_a_bill_that_is_none_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, raw_server: Any, units: bytes
) -> None:
    monkeypatch.setenv("CO_API_KEY", "some-key")
    body = b'{"embeddings": {"float": [[1]], "base64": ["AACAPwAAgD8="]}, "id": "x",'
    body += b'"meta": {"billed_units": {"input_tokens": ' + units + b"}}}"
    embedder = CohereEmbedder("another-model", dimension=2, base_url=raw_server(200, body))
    [delivery] = embedder.embed_stream(["x"])
    assert delivery.embeddings is not None
    assert delivery.billed_tokens is None


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_a_bad_key_is_told_where_models_cannot_be_asked_about(
    cohere_server: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    from tests.servers.faults import Faults

    monkeypatch.setenv("CO_API_URL", cohere_server.url)
    monkeypatch.setenv("CO_API_KEY", "good-key")
    cohere_server.faults = Faults(chances={f"status:{status}": 1.0}, endpoints=["models"])
    assert CohereAccount().ask("embed-v4.0") is None
    trouble = CohereAccount().ask("embed-v9")
    assert trouble is not None
    assert trouble.kind == "request"
    monkeypatch.setenv("CO_API_KEY", "bad-key")
    with pytest.raises(CredentialsError, match="CO_API_KEY"):
        CohereAccount().check_key("embed-v4.0")
    assert cohere_server.stats()["texts_sent"] == 0


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v2", "/v2/"])
def test_an_address_may_end_in_a_version(
    cohere_server: Any, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv("CO_API_URL", cohere_server.url + end)
    monkeypatch.setenv("CO_API_KEY", "good-key")
    assert CohereEmbedder(dimension=256).embed(["a text"]).shape == (1, 256)
