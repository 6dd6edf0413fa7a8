"""One connection: reads requests, writes replies, breaks off where a fault says so."""

from __future__ import annotations

import json
import select
import socket
import socketserver
import struct
import time
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.log import Entry
from tests.servers.messages import Reply, Request

if TYPE_CHECKING:
    from tests.servers.base import ApiServer

_LAST = 64
"""Bytes that a long reply keeps back until all others have been taken."""


class HangupError(Exception):
    """The connection is over."""


def is_gone(connection: socket.socket) -> bool:
    """Return whether the client has closed its side, or reset the connection."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except (OSError, ValueError):
        return True


class Handler(BaseHTTPRequestHandler):
    """One connection of an ``ApiServer``."""

    api: ClassVar[ApiServer]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Keep stderr free."""

    def handle(self) -> None:
        try:
            super().handle()
        except (HangupError, ConnectionError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        started = time.monotonic()
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:
            raise HangupError
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        request = Request(method, unquote(url.path), query, self.headers, raw, started)
        try:
            request.body = json.loads(raw) if raw else None
        except ValueError:
            request.body = None
        if request.path.startswith("/__"):
            self._write(self.api.control(request))
            return
        entry = self.api.arrived(request, self.connection, self.client_address[1])
        try:
            self._deliver(entry, self.api.answer(request, entry))
        finally:
            self.api.left(entry)

    def _deliver(self, entry: Entry, reply: Reply) -> None:
        """Write the reply, or what its faults leave of it."""
        faults = {fault.kind: fault for fault in reply.faults}
        wait = self.api.latency
        if "slow" in faults:
            wait += faults["slow"].number(0.2)
        if wait > 0 and not self._hold(wait):
            raise HangupError
        if "timeout" in faults:
            value = faults["timeout"].value
            self._hold(float(value) if value else None)
            self._abort(entry)
        if "reset" in faults:
            self._abort(entry)
        if is_gone(self.connection):
            raise HangupError
        entry.status = reply.status
        if "reset-body" in faults:
            self.connection.sendall(self._head(reply) + reply.body[: len(reply.body) // 2])
            self._abort(entry)
        self._write(reply, entry, close="close" in faults)

    def _head(self, reply: Reply) -> bytes:
        lines = [
            f"HTTP/1.1 {reply.status} {_reason(reply.status)}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {len(reply.body)}",
            *(f"{name}: {value}" for name, value in reply.headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _write(self, reply: Reply, entry: Entry | None = None, *, close: bool = False) -> None:
        """Write a reply whole; ``close`` the connection with its last byte, where systems can.

        Who reads the last byte may look into the log at once, so what it says is put there before.
        """
        whole = self._head(reply) + reply.body
        split = max(0, len(whole) - _LAST) if len(whole) > 16_384 else 0
        if split:
            self.connection.sendall(memoryview(whole)[:split])
        if entry is not None:
            self.api.delivered(entry, reply, len(whole))
        try:
            more = getattr(socket, "MSG_MORE", 0) if close else 0
            self.connection.sendall(memoryview(whole)[split:], more)
            if close:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            if entry is not None:
                self.api.undelivered(entry)
            raise HangupError from None

    def _hold(self, seconds: float | None) -> bool:
        """Wait; return at once, and False, if the client goes or the server stops."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.api.stopping.is_set():
            left = 0.05 if end is None else min(0.05, end - time.monotonic())
            if left <= 0:
                return True
            if select.select([self.connection], [], [], left)[0]:
                if is_gone(self.connection):
                    return False
                time.sleep(left)
        return False

    def _abort(self, entry: Entry) -> NoReturn:
        """Reset the connection: what the client has not read yet may be lost to it."""
        self.api.left(entry)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.api.forget(self.connection)
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        raise HangupError


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class Listener(ThreadingHTTPServer):
    """Listens and starts a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    api: ApiServer

    def server_bind(self) -> None:
        """Bind without asking for the host's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self.api.remember(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.api.forget(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.api.crashes.append(traceback.format_exc())
