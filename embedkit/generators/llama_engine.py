"""llama.cpp, as far as a generator needs it: load a file, count tokens, draw several texts.

The engine is the server of llama.cpp within this process. It listens on the loopback address,
where nobody is answered but who has a key that was made for this process and never leaves it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import http.client
import json
import os
import queue
import secrets
import tempfile
import threading
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import xllamacpp

from embedkit.errors import EmbeddingError, WeightsError

MAGIC = b"GGUF"
BATCH = 128
"""Tokens of a prompt computed at a time: about a second, after which an interrupt is noticed."""
_ENDED = object()


class Engine:
    """A model that llama.cpp holds in memory.

    Parameters
    ----------
    path : Path
        A GGUF file.
    threads : int
        Threads that compute; no more than cores that have nothing else to do.
    cells : int
        Tokens held at a time, of the prompt and of all texts drawn from it together.
    parallel : int
        Texts drawn at a time.

    Raises
    ------
    WeightsError
        The file is not there, or llama.cpp cannot load it.
    """

    def __init__(self, path: Path, *, threads: int, cells: int, parallel: int) -> None:
        _check_file(path)
        self._parallel = parallel
        self._key = secrets.token_urlsafe(24)
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._stopping = threading.Event()
        try:
            self._server = xllamacpp.Server(_parameters(path, threads, cells, parallel, self._key))
        except RuntimeError as error:
            raise WeightsError(
                f"llama.cpp cannot load {path}", do="check that it is a whole GGUF file"
            ) from error
        address = self._server.listening_address.partition("//")[2]
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        _RUNNING.add(self)

    @property
    def alive(self) -> bool:
        """False in a process that was forked from the one that loaded it: threads stay behind."""
        return os.getpid() == self._process

    def abandon(self) -> None:
        """Keep what a forked process cannot close from being closed: its threads are not there."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._server))

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a text, with those that the model wants to begin with."""
        answer = self._post("/tokenize", {"content": text, "add_special": True})
        return [int(token) for token in answer["tokens"]]

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, markup by its names."""
        return str(self._post("/detokenize", {"tokens": list(tokens)})["content"])

    @functools.cached_property
    def vocabulary(self) -> int:
        """How many tokens the model knows."""
        return int(self._get("/v1/models")["data"][0]["meta"]["n_vocab"])

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return all that comes of a request, at its end; an interrupt stops the computation.

        Raises
        ------
        EmbeddingError
            llama.cpp refuses the request.
        """
        self._clear()
        return self._post("/completion", request)

    def render(self, messages: list[dict[str, str]]) -> str:
        """Return a conversation as the model's chat template writes it."""
        return str(self._post("/apply-template", {"messages": messages})["prompt"])

    def stream(self, request: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Yield what comes of a request, piece by piece; closing it stops the computation.

        Raises
        ------
        EmbeddingError
            llama.cpp refuses the request.
        """
        with self._lock:
            self._finish()
            self._clear()
            self._stopping.clear()
            pieces: queue.SimpleQueue[Any] = queue.SimpleQueue()
            self._worker = threading.Thread(
                target=self._run, args=(request, pieces), name="llama.cpp", daemon=True
            )
            self._worker.start()
            try:
                yield from _until_ended(pieces)
            finally:
                self._stopping.set()

    def _run(self, request: Mapping[str, Any], pieces: queue.SimpleQueue[Any]) -> None:
        def take(piece: Any) -> bool:
            pieces.put(piece)
            return self._stopping.is_set()

        # In a thread of its own: a thread within llama.cpp cannot be interrupted.
        try:
            self._server.handle_completions(dict(request, stream=True), take)
        except Exception as error:
            pieces.put(error)
        finally:
            pieces.put(_ENDED)

    def _finish(self) -> None:
        """Wait for a computation that was stopped; it ends after the batch that it is at."""
        if self._worker is not None:
            self._stopping.set()
            self._worker.join()
            self._worker = None

    def _get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path)

    def _clear(self) -> None:
        """Forget what was computed before.

        Where in memory the rest of it lies decides how the next prompt is computed, and so the
        last digits of a log-probability: with four-bit weights enough to turn a token.
        """
        for slot in range(self._parallel):
            self._post(f"/slots/{slot}?action=erase", {})

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("POST", path, json.dumps(body))

    def _ask(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=600)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            connection.request(method, path, body, headers)
            answer = json.loads(connection.getresponse().read())
        if "error" in answer:
            raise EmbeddingError(f"llama.cpp refuses this: {answer['error'].get('message')}")
        return dict(answer)


_RUNNING: weakref.WeakSet[Engine] = weakref.WeakSet()


@atexit.register
def _finish_all() -> None:
    """Let no thread of llama.cpp call into an interpreter that is gone."""
    for engine in list(_RUNNING):
        if engine.alive:
            engine._finish()


def _until_ended(pieces: queue.SimpleQueue[Any]) -> Iterator[dict[str, Any]]:
    while (piece := pieces.get()) is not _ENDED:
        if isinstance(piece, Exception):
            raise EmbeddingError(f"llama.cpp failed: {piece}") from piece
        if "error" in piece:
            raise EmbeddingError(f"llama.cpp refuses this: {piece['error'].get('message')}")
        yield piece


def _parameters(path: Path, threads: int, cells: int, parallel: int, key: str) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = cells
    parameters.n_parallel = parallel
    parameters.kv_unified = True  # the texts drawn from a prompt share what was computed of it
    parameters.n_batch = parameters.n_ubatch = BATCH
    for cores in (parameters.cpuparams, parameters.cpuparams_batch):
        cores.n_threads = threads
        cores.poll = 0  # waiting threads that spin take the cores from those that compute
    parameters.n_gpu_layers = 0
    parameters.cache_ram_mib = 0
    # Nothing is saved there; without it the engine refuses to forget.
    parameters.slot_save_path = tempfile.gettempdir() + os.sep
    parameters.warmup = False
    parameters.verbosity = -1
    parameters.api_keys = [key]
    parameters.cors_origins = ""
    parameters.ui = parameters.endpoint_slots = False
    parameters.n_threads_http = 1
    return parameters


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise WeightsError(
            f"cannot read {path}: {error.strerror or error}", do="check the path"
        ) from error
    if magic != MAGIC:
        raise WeightsError(
            f"expected a GGUF file, {path} is none",
            do="for a folder of Hugging Face write transformers:PATH",
        )
