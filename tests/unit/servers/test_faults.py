"""What can go wrong goes wrong: faults, limits, the quota, a server that goes away."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.servers.base import ApiServer
from tests.servers.cohere import CohereServer
from tests.servers.faults import KINDS, Fault, Faults
from tests.servers.limits import Limits, Meter

TEXTS = ["one", "two", "three", "four", "five"]


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def post(client: httpx.Client, cohere_server: CohereServer) -> Callable[..., httpx.Response]:
    return lambda texts=TEXTS, **options: embed(client, cohere_server, texts, **options)


def embed(
    client: httpx.Client, server: ApiServer, texts: list[str], kind: str = "float", **options: Any
) -> httpx.Response:
    body = {
        "model": "embed-v4.0",
        "input_type": "search_document",
        "texts": texts,
        "embedding_types": [kind],
    }
    key = {"Authorization": "Bearer good-key"}
    return client.post(f"{server.url}/v2/embed", json=body, headers=key, **options)


def test_replies_that_are_errors(post: Any, cohere_server: CohereServer) -> None:
    cohere_server.fail("429:7", "429-bare", "quota", "500", "503-html", "status:408", None)
    replies = [post() for _ in range(7)]
    assert [reply.status_code for reply in replies] == [429, 429, 429, 500, 503, 408, 200]
    waits = [reply.headers.get("Retry-After") for reply in replies]
    assert waits == ["7", *[None] * 6]
    assert "API calls / month" in replies[2].json()["message"]
    assert "API calls / minute" in replies[1].json()["message"]
    assert replies[4].headers["Content-Type"].startswith("text/html")
    assert [entry.good for entry in cohere_server.log] == [False] * 6 + [True]
    assert all(entry.delivered for entry in cohere_server.log)


def test_connections_that_break(post: Any, cohere_server: CohereServer) -> None:
    cohere_server.fail("reset", "reset-body", "timeout", None)
    with pytest.raises(httpx.ReadError):
        post()
    with pytest.raises(httpx.ReadError):
        post()
    with pytest.raises(httpx.ReadTimeout):
        post(timeout=0.3)
    assert post().status_code == 200
    assert [entry.status for entry in cohere_server.log] == [0, 200, 0, 200]
    assert [entry.delivered for entry in cohere_server.log] == [False, False, False, True]
    stats = cohere_server.stats()
    assert (stats["texts_sent"], stats["texts_delivered"]) == (20, 5)
    assert stats["billed_tokens"] == 10
    assert stats["max_concurrency"] == 1


@pytest.mark.parametrize("kind", ["float", "base64"])
def test_replies_that_are_spoiled(post: Any, cohere_server: CohereServer, kind: str) -> None:
    def rows() -> list[Any]:
        return list(post(kind=kind).json()["embeddings"][kind])

    def width(row: Any) -> int:
        return len(base64.b64decode(row)) // 4 if kind == "base64" else len(row)

    whole = rows()
    cohere_server.fail("missing-row:1", "extra-row", "nan:0", "null:4", "wrong-width")
    assert rows() == [whole[0], *whole[2:]]
    assert rows() == [*whole, whole[4]]
    bad = rows()[0]
    first = np.frombuffer(base64.b64decode(bad), "<f4")[0] if kind == "base64" else bad[0]
    assert np.isnan(first)
    bad = rows()[4]
    assert bad is None if kind == "base64" else bad[0] is None
    assert [width(row) for row in rows()] == [1536, 1536, 1535, 1536, 1536]
    assert [entry.good for entry in cohere_server.log] == [True] + [False] * 5


def test_half_of_the_json(post: Any, cohere_server: CohereServer) -> None:
    cohere_server.fail("truncated-json")
    reply = post()
    assert reply.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        reply.json()
    assert not cohere_server.log[0].good


def test_faults_come_together(post: Any, cohere_server: CohereServer) -> None:
    cohere_server.fail(("close", "slow:0.05"), ("slow:0.01", "500"), Fault("slow", "60"))
    assert post().status_code == 200
    assert post().status_code == 500
    with pytest.raises(httpx.ReadTimeout):
        post(timeout=0.3)
    log = cohere_server.log
    assert log[0].faults == ("close", "slow")
    assert log[0].good
    assert log[1].connection != log[0].connection
    assert not log[2].delivered


def test_chances_are_seeded() -> None:
    chances = {"429": 0.2, "reset": 0.2, "missing-row": 0.1, "slow:0.1": 0.3}
    plans = [Faults(chances=chances, seed=seed) for seed in (3, 3, 4)]
    drawn = [[plan.draw("embed") for _ in range(2000)] for plan in plans]
    assert drawn[0] == drawn[1] != drawn[2]
    counts = {
        name: sum(Fault(*name.split(":")) in step for step in drawn[0]) / 2000 for name in chances
    }
    assert counts == pytest.approx(chances, abs=0.04)
    assert plans[0].draw("models") == ()
    with pytest.raises(ValueError, match="at most 1"):
        Faults(chances={"500": 0.7, "reset": 0.7})
    with pytest.raises(ValueError, match="reset-body"):
        Faults(["resets"])


def test_every_fault_strikes_every_endpoint(client: httpx.Client, serve: Any) -> None:
    asked = {
        "cohere": {
            "/v2/embed": {"model": "embed-v4.0", "input_type": "clustering", "texts": TEXTS},
            "/v2/rerank": {"model": "rerank-v3.5", "query": "q", "documents": TEXTS},
            "/v2/chat": {
                "model": "command-a-03-2025",
                "messages": [{"role": "user", "content": "hello"}],
                "logprobs": True,
            },
        },
        "openai": {
            "/embeddings": {"model": "local-embed", "input": TEXTS},
            "/chat/completions": {
                "model": "local-chat",
                "messages": [{"role": "user", "content": "hello"}],
                "logprobs": True,
            },
        },
    }
    for name, bodies in asked.items():
        server = serve(name)
        for path, body in bodies.items():
            for kind in KINDS:
                server.fail(f"{kind}:0.1" if kind == "timeout" else kind)
                try:
                    key = {"Authorization": "Bearer good-key"}
                    client.post(server.url + path, json=body, headers=key).read()
                except httpx.TransportError:
                    assert kind in {"timeout", "reset", "reset-body"}
                entry = server.log[-1]
                assert entry.faults == (kind,)
                assert entry.good == (kind in {"slow", "close"})


def test_limits_slide(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("tests.servers.limits.time.monotonic", lambda: now[0])
    meter = Meter(Limits(inputs=10, requests=3, window=60, retry_after=True))
    assert meter.admit(6, 0) is None
    now[0] = 130.0
    assert meter.admit(4, 0) is None
    refused = meter.admit(1, 0)
    assert refused is not None
    assert (refused.measures, refused.retry_after) == (("inputs",), 30)
    now[0] = 159.9
    assert meter.admit(1, 0) is not None
    now[0] = 160.0
    assert meter.admit(6, 0) is None
    assert meter.admit(0, 0) is None
    assert meter.admit(0, 0) is not None
    assert dict(meter.violations) == {"inputs": 2, "requests": 1}
    assert meter.peaks["inputs"] == 11


def test_limits_and_quota_refuse(client: httpx.Client, serve: Any) -> None:
    server = serve("cohere", limits=Limits(inputs=8, retry_after=True), quota=3)
    replies = [embed(client, server, TEXTS) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 429, 429]
    assert 1 <= int(replies[1].headers["Retry-After"]) <= 60
    assert server.stats()["violations"] == {"inputs": 2}
    assert server.stats()["peaks"] == {"inputs": 10, "requests": 2, "tokens": 10}
    assert "month" in embed(client, server, ["a"]).json()["message"]
    server.quota = None
    server.set_limits({"chat": Limits(requests=1)})
    assert embed(client, server, TEXTS).status_code == 200
    assert [entry.violated for entry in server.log] == [
        (), ("inputs",), ("inputs",), ("quota",), (),
    ]  # fmt: skip


def test_concurrency_is_counted(client: httpx.Client, serve: Any) -> None:
    server = serve("cohere", latency=0.2)
    together = threading.Barrier(4)

    def ask() -> None:
        together.wait(30)
        embed(client, server, TEXTS)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 2 <= server.stats()["max_concurrency"] <= 4
    assert server.stats()["resent"] == {}


def test_it_goes_away_and_comes_back(client: httpx.Client, post: Any, cohere_server: Any) -> None:
    assert post().status_code == 200
    url = cohere_server.url
    cohere_server.stop()
    with pytest.raises(httpx.TransportError):
        post()
    cohere_server.start()
    assert cohere_server.url == url
    assert post().status_code == 200
    assert len(cohere_server.log) == 2


def test_a_client_that_gives_up_has_nothing_delivered(client: httpx.Client, serve: Any) -> None:
    server = serve("cohere", faults={"script": ["slow:60"]})
    with pytest.raises(httpx.ReadTimeout):
        embed(client, server, TEXTS, timeout=0.3)
    assert embed(client, server, TEXTS).status_code == 200
    assert [entry.delivered for entry in server.log] == [False, True]
    assert server.stats()["max_concurrency"] == 1


def test_a_process_of_its_own(client: httpx.Client, serve: Any) -> None:
    server = serve("cohere", process=True, limits={"inputs": 12}, reject="NO")
    assert embed(client, server, TEXTS).status_code == 200
    server.set_faults(script=["429-bare"], chances={"500": 1.0})
    assert [embed(client, server, ["a"]).status_code for _ in range(2)] == [429, 500]
    server.set_faults()
    assert embed(client, server, ["NO"]).status_code == 400
    assert embed(client, server, TEXTS).status_code == 429
    assert server.stats()["violations"] == {"inputs": 1}
    assert server.log()[0]["texts"] == TEXTS
    truth = CohereServer().vector("one")
    server.reset_log()
    reply = embed(client, server, ["one"]).json()
    assert np.array_equal(np.array(reply["embeddings"]["float"][0], np.float32), truth)
