"""A server in a process of its own: its command line, and a handle on it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers.base import ApiServer
from tests.servers.limits import Limits

ROOT = Path(__file__).parents[2]


def serve(make: Callable[..., ApiServer]) -> None:
    """Serve until SIGTERM, SIGINT or the end of stdin; the first line on stdout is the URL."""
    parser = argparse.ArgumentParser(description="A managed service on loopback, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--options", type=json.loads, default={}, help="parameters as JSON")
    given = parser.parse_args()
    options = dict(given.options)
    if "limits" in options:
        options["limits"] = _limits(options["limits"])
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with make(port=given.port, **options) as server:
        print(server.url, flush=True)
        threading.Thread(target=_watch, args=(over,), daemon=True).start()
        over.wait()


def _watch(over: threading.Event) -> None:
    """End with the process that started this one."""
    sys.stdin.read()
    over.set()


def _limits(value: Mapping[str, Any]) -> Limits | dict[str, Limits]:
    if any(isinstance(part, dict) for part in value.values()):
        return {endpoint: Limits(**part) for endpoint, part in value.items()}
    return Limits(**value)


class ServerProcess:
    """A server in a process of its own, which ends with this one.

    Parameters
    ----------
    name : str
        ``cohere`` or ``openai``.
    options : object
        The server's parameters, as JSON can say them: ``faults`` and ``limits`` are mappings.
    """

    def __init__(self, name: str, *, port: int = 0, **options: Any) -> None:
        command = [sys.executable, "-m", f"tests.servers.{name}", "--port", str(port)]
        self.popen = subprocess.Popen(
            [*command, "--options", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.popen.stdout is not None
        self.url = self.popen.stdout.readline().strip()
        self.root = self.url.removesuffix("/v1")

    def _call(self, path: str, value: Any = None) -> Any:
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.root + path, data=data)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as reply:
            return json.load(reply)

    def stats(self) -> dict[str, Any]:
        """Return sums over the log, as ``ApiServer.stats``."""
        return dict(self._call("/__stats"))

    def log(self) -> list[dict[str, Any]]:
        """Return every request as a dict, see ``Entry``."""
        return list(self._call("/__log"))

    def set_faults(self, **plan: Any) -> None:
        """Replace the plan of faults; parameters as of ``Faults``."""
        self._call("/__faults", plan)

    def set_limits(self, **limits: Any) -> None:
        """Replace the limits; parameters as of ``Limits``."""
        self._call("/__limits", limits)

    def reset_log(self) -> None:
        """Forget what was asked."""
        self._call("/__reset", {})

    def stop(self) -> None:
        """End the process."""
        self.popen.terminate()
        self.popen.wait(30)
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
