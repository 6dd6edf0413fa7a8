"""What every server of a managed service shares: keys, limits, faults, log, start and stop."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from tests.servers.faults import INSTEAD, SPOILED, WORK, Fault, Faults, Step
from tests.servers.fields import ApiError
from tests.servers.handler import Handler, Listener, is_gone
from tests.servers.limits import Limits, Meter
from tests.servers.log import Entry, summarize
from tests.servers.messages import Asked, Reply, Request, Route

HTML = b"<html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>\n"


class ApiServer(ABC):
    """A managed service on loopback.

    Parameters
    ----------
    keys : collection of str, optional
        The keys that are let in; None lets everyone in, without a key too. ``server.keys`` is a
        set that can be changed while it runs.
    faults : Faults or mapping, optional
        What goes wrong, see ``Faults``; a mapping holds its parameters.
    limits : Limits or mapping of str to Limits, optional
        For all work together, or by endpoint (``embed``, ``rerank``, ``chat``).
    quota : int, optional
        Requests of work that the month allows; ``server.quota`` can be changed while it runs.
    reject : str or callable, optional
        A text that contains it, or for which it is true, makes the whole batch fail with 400.
    latency : float
        Seconds that every reply takes.
    keep_texts : bool
        Whether the log holds the texts; without, only their number.
    port : int
        0 for any that is free. A server that is started again takes the port it had.
    """

    def __init__(
        self,
        *,
        keys: Collection[str] | None = ("good-key",),
        faults: Faults | Mapping[str, Any] | None = None,
        limits: Limits | Mapping[str, Limits] | None = None,
        quota: int | None = None,
        reject: str | Callable[[str], bool] | None = "REJECT-ME",
        latency: float = 0.0,
        keep_texts: bool = True,
        port: int = 0,
    ) -> None:
        self.keys = None if keys is None else set(keys)
        self.faults = faults if isinstance(faults, Faults) else Faults(**(faults or {}))
        self.quota = quota
        self.latency = latency
        self.port = port
        self.stopping = threading.Event()
        self.crashes: list[str] = []
        self._reject = reject
        self._keep_texts = keep_texts
        self._lock = threading.RLock()
        self._entries: list[Entry] = []
        self._active: dict[int, socket.socket] = {}
        self._sockets: set[socket.socket] = set()
        self._listener: Listener | None = None
        self._worked = 0
        self.set_limits(limits)

    # what a service defines

    @abstractmethod
    def route(self, request: Request) -> tuple[str, Route] | None:
        """Return the endpoint's name and what answers it; None for an unknown path."""

    @abstractmethod
    def asked(self, endpoint: str, body: Mapping[str, Any]) -> Asked:
        """Return what is asked for, whatever the body looks like."""

    @abstractmethod
    def error_body(self, error: ApiError) -> Any:
        """Return the JSON of an error."""

    @abstractmethod
    def refusal(self, what: str) -> ApiError:
        """Return the 429 of ``rate`` or of ``quota``."""

    # start and stop

    @property
    def root(self) -> str:
        """The server's address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The address that a client takes as its base URL."""
        return self.root

    def start(self) -> Self:
        """Listen, on the port that it had if it was stopped before."""
        self.stopping.clear()
        handler = type("BoundHandler", (Handler,), {"api": self})
        self._listener = Listener(("127.0.0.1", self.port), handler)
        self._listener.api = self
        self.port = self._listener.server_address[1]
        name = f"{type(self).__name__}:{self.port}"
        run = self._listener.serve_forever
        threading.Thread(target=run, args=(0.02,), name=name, daemon=True).start()
        return self

    def stop(self) -> None:
        """Close every connection and listen no more; the log stays."""
        if self._listener is None:
            return
        self.stopping.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._listener = None
        with self._lock:
            connections = list(self._sockets)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if error is None and self.crashes:
            raise AssertionError("the server itself failed:\n" + "\n".join(self.crashes))

    # what goes wrong

    def fail(self, *steps: Step) -> None:
        """Append to the script: the faults of the next requests."""
        self.faults.add(*steps)

    def set_limits(self, limits: Limits | Mapping[str, Limits] | None) -> None:
        """Set the limits and begin to count anew."""
        if isinstance(limits, Mapping):
            self._meters = {endpoint: Meter(part) for endpoint, part in limits.items()}
        else:
            self._meters = dict.fromkeys(WORK, Meter(limits or Limits()))

    # what was asked

    @property
    def log(self) -> list[Entry]:
        """Every request so far, in order of arrival; those in work too."""
        with self._lock:
            return list(self._entries)

    def entries(self, endpoint: str = "embed") -> list[Entry]:
        """Return the requests of one endpoint."""
        return [entry for entry in self.log if entry.endpoint == endpoint]

    def stats(self) -> dict[str, Any]:
        """Return sums over the log.

        Returns
        -------
        dict
            ``requests``, ``statuses`` (by status, ``"0"`` without a reply), ``endpoints``,
            ``faults``; of embeddings ``sent`` and ``delivered`` (how often, by text; delivered in
            a good reply), ``resent`` (how often a text came after it had been delivered),
            ``texts_sent``, ``texts_delivered``, ``largest_batch``; ``max_concurrency``,
            ``connections``, ``billed_tokens`` (also of replies that were lost),
            ``delivered_tokens``, ``bytes_received``, ``bytes_sent``; ``violations`` (refused by
            a limit) and ``peaks`` (the most within a window), both by endpoint and measure where
            limits differ by endpoint, else by measure; ``crashes`` of the server itself.
        """
        with self._lock:
            sums = summarize(self._entries)
        meters = set(self._meters.values())
        if len(meters) == 1:
            meter = meters.pop()
            told: dict[str, Any] = {
                "violations": dict(meter.violations),
                "peaks": dict(meter.peaks),
            }
        else:
            told = {
                "violations": {name: dict(m.violations) for name, m in self._meters.items()},
                "peaks": {name: dict(m.peaks) for name, m in self._meters.items()},
            }
        return {**sums, **told, "crashes": list(self.crashes)}

    def reset_log(self) -> None:
        """Forget what was asked, and begin to count the limits anew."""
        with self._lock:
            self._entries = []
            self._worked = 0
            for meter in set(self._meters.values()):
                meter.reset()

    # one request, called by the handler

    def remember(self, connection: socket.socket) -> None:
        """Note a connection that is open."""
        with self._lock:
            self._sockets.add(connection)

    def forget(self, connection: socket.socket) -> None:
        """Note that a connection is closed."""
        with self._lock:
            self._sockets.discard(connection)

    def arrived(self, request: Request, connection: socket.socket, port: int) -> Entry:
        """Log a request that has been read."""
        found = self.route(request)
        endpoint = found[0] if found else ""
        body = request.body if isinstance(request.body, dict) else {}
        asked = self.asked(endpoint, body) if endpoint in WORK else Asked()
        model = body.get("model")
        with self._lock:
            number = len(self._entries)
            self._active[number] = connection
            entry = Entry(
                number,
                request.started,
                request.method,
                request.path,
                endpoint,
                key=request.key,
                client=request.headers.get("X-Client-Name") or "",
                agent=request.headers.get("User-Agent") or "",
                connection=port,
                concurrent=sum(not is_gone(one) for one in self._active.values()),
                model=model if isinstance(model, str) else "",
                input_type=asked.input_type,
                dimension=asked.dimension,
                texts=asked.texts if self._keep_texts else (),
                query=asked.query,
                n_texts=len(asked.texts),
                n_tokens=asked.tokens,
                received=len(request.raw),
            )
            self._entries.append(entry)
        return entry

    def left(self, entry: Entry) -> None:
        """Note that a request is no longer in work."""
        with self._lock:
            self._active.pop(entry.number, None)

    def delivered(self, entry: Entry, reply: Reply, sent: int) -> None:
        """Note that a reply is written whole, just before its last bytes are."""
        with self._lock:
            self._active.pop(entry.number, None)
            entry.finished = time.monotonic()
            entry.sent = sent
            entry.delivered = True
            entry.good = reply.good

    def undelivered(self, entry: Entry) -> None:
        """Take that back."""
        with self._lock:
            entry.delivered = entry.good = False

    def answer(self, request: Request, entry: Entry) -> Reply:
        """Return the reply: the key first, then limits, faults, checks, and at last the work."""
        found = self.route(request)
        faults: tuple[Fault, ...] = ()
        try:
            self._authorize(request)
            if found is None:
                raise ApiError(404, f"no endpoint {request.method} {request.path}")
            if found[0] in WORK:
                self._meter(found[0], entry)
            faults = self.faults.draw(found[0])
            entry.faults = tuple(fault.kind for fault in faults)
            return self._reply(found[1], request, entry, faults)
        except ApiError as error:
            body = json.dumps(self.error_body(error)).encode()
            besides = [fault for fault in faults if fault.kind not in SPOILED]
            return Reply(error.status, body, headers=error.headers, faults=besides)

    def _reply(
        self, route: Route, request: Request, entry: Entry, faults: tuple[Fault, ...]
    ) -> Reply:
        instead = next((fault for fault in faults if fault.kind in INSTEAD), None)
        if instead is not None and instead.kind in {"timeout", "reset"}:
            return Reply(0, faults=faults)
        if instead is not None and instead.kind == "503-html":
            return Reply(503, HTML, "text/html; charset=utf-8", faults=faults)
        if instead is not None:
            raise self._error(instead)
        answer = route(request)
        entry.tokens = answer.tokens
        spoiled = next((fault for fault in faults if fault.kind in SPOILED), None)
        if spoiled is not None:
            answer.spoil(answer.payload, spoiled)
        body = json.dumps(answer.payload).encode()
        if spoiled is not None and spoiled.kind == "truncated-json":
            body = body[: len(body) // 2]
        return Reply(200, body, good=spoiled is None, faults=faults)

    def _error(self, fault: Fault) -> ApiError:
        if fault.kind == "quota":
            return self.refusal("quota")
        if fault.kind in {"429", "429-bare"}:
            error = self.refusal("rate")
            if fault.kind == "429":
                error.headers["Retry-After"] = fault.value or "1"
            return error
        status = 500 if fault.kind == "500" else int(fault.number(502))
        return ApiError(status, "internal server error, this has been reported to our developers")

    def _authorize(self, request: Request) -> None:
        if self.keys is None:
            return
        if not request.key:
            raise ApiError(401, "no api key supplied", "invalid_api_key")
        if request.key not in self.keys:
            raise ApiError(401, "invalid api token", "invalid_api_key")

    def _meter(self, endpoint: str, entry: Entry) -> None:
        """Count a request that has arrived; refuse what is over a limit or the month's quota."""
        with self._lock:
            used = self._worked
            if self.quota is None or used < self.quota:
                self._worked += 1
        if self.quota is not None and used >= self.quota:
            entry.violated = ("quota",)
            raise self.refusal("quota")
        meter = self._meters.get(endpoint)
        if meter is None:
            return
        inputs = entry.n_texts if endpoint == "embed" else 0
        refused = meter.admit(inputs, entry.n_tokens)
        if refused is not None:
            entry.violated = refused.measures
            error = self.refusal("rate")
            if refused.retry_after is not None:
                error.headers["Retry-After"] = str(refused.retry_after)
            raise error

    def refuse_bad(self, texts: Iterable[str]) -> None:
        """Refuse the whole batch for a text that is not taken."""
        bad = self._reject
        if bad is None:
            return
        is_bad = bad if callable(bad) else lambda text: bad in text
        if any(is_bad(text) for text in texts):
            raise ApiError(400, "invalid request: an input cannot be processed")

    # a server in its own process

    def control(self, request: Request) -> Reply:
        """Answer ``/__stats``, ``/__log``, ``/__faults``, ``/__limits`` and ``/__reset``."""
        if request.path == "/__stats":
            value: Any = self.stats()
        elif request.path == "/__log":
            value = [{**vars(entry)} for entry in self.log]
        elif request.path == "/__faults":
            self.faults, value = Faults(**request.body), {}
        elif request.path == "/__limits":
            self.set_limits(Limits(**request.body))
            value = {}
        elif request.path == "/__reset":
            self.reset_log()
            value = {}
        else:
            return Reply(404, b"{}")
        return Reply(200, json.dumps(value).encode())


def new_id() -> str:
    """Return an identifier for an answer."""
    return str(uuid.uuid4())
