from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from embedkit.managed import service
from embedkit.managed.http import answer_trouble, transport_trouble
from embedkit.managed.limits import Limits
from embedkit.managed.pacing import Pacer
from embedkit.managed.service import Service, Trouble


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait hardly at all before a request is sent again."""
    monkeypatch.setattr(service, "_FIRST_WAIT", 0.001)
    monkeypatch.setattr(service, "_LONGEST_WAIT", 0.004)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Threads that a test starts end with it."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread


class AnswerError(Exception):
    """What a client raises for an answer that is an error."""

    def __init__(self, status: int | None, body: Any = "", headers: Any = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


def classify(error: Exception) -> Trouble | None:
    """Tell as a provider does."""
    if isinstance(error, AnswerError):
        return answer_trouble(error.status, error.body, error.headers)
    return transport_trouble(error)


@pytest.fixture
def answer_error() -> type[AnswerError]:
    """The class of what a client raises for an answer that is an error."""
    return AnswerError


@pytest.fixture
def make_service() -> Callable[..., Service]:
    """Make a service of given limits."""

    def make(**limits: Any) -> Service:
        pacer = Pacer(Limits(**limits))
        return Service("Some", "http://some", pacer, classify, "set SOME_KEY")

    return make


class Script:
    """Sends what a list says: an exception is raised, anything else returned."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.sent = 0

    def __call__(self, *arguments: Any) -> Any:
        step = self.steps[min(self.sent, len(self.steps) - 1)]
        self.sent += 1
        if isinstance(step, BaseException):
            raise step
        return step


@pytest.fixture
def script() -> type[Script]:
    """The class of a request that goes as it is told; its last step stays."""
    return Script


@pytest.fixture
def raw_server() -> Iterator[Callable[..., str]]:
    """Serve one fixed answer to every request on loopback; return the address."""
    running: list[ThreadingHTTPServer] = []

    def serve(status: int, body: bytes, content_type: str = "application/json") -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()
