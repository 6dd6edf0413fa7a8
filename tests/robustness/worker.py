"""What a test starts as a process of its own, to be killed, interrupted or starved.

``python worker.py HOME LOG ACTION [ARGUMENT…]``; prints a line for everything it has done.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import embedkit
from embedkit.embedders.base import BaseEmbedder
from embedkit.errors import EmbedkitError
from embedkit.ingest import deliver, run
from embedkit.quantized import check_precision, decode, encode
from embedkit.store import publisher
from embedkit.store.writer import Writer
from embedkit.types import Embeddings, InputType, Precision

DIM = 32
BATCH = 64
CHUNK = os.environ.get("WORKER_CHUNK")
"""How the worker's collection cuts its texts."""


class LoggingEmbedder(BaseEmbedder):
    """Vectors of random numbers seeded by the text; each text embedded is a line in a file."""

    def __init__(self, log: Path, pause: float = 0.0, model_id: str = "logging") -> None:
        self._model_id = model_id
        self.log = log
        self.pause = pause
        self._precision = check_precision(os.environ.get("WORKER_PRECISION", "float32"))

    @property
    def precision(self) -> Precision:
        return self._precision

    @property
    def model_id(self) -> str:
        return self._model_id

    @property
    def dim(self) -> int:
        return DIM

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        if input_type == "document":
            time.sleep(self.pause)
            with self.log.open("a", encoding="utf-8") as file:
                file.write("".join(f"{text}\n" for text in texts))
        vectors = np.stack([self._vector(text) for text in texts])
        if self._model_id != "logging":
            vectors = vectors[:, ::-1]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if self.precision == "float32":
            return Embeddings(vectors)
        codes = encode(vectors, self.precision)
        return Embeddings(decode(codes, self.precision, DIM), codes=codes)

    def _vector(self, text: str) -> np.ndarray:
        seed = int.from_bytes(text.encode()[-8:], "little")
        return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)


def rows(n: int, first: int = 0) -> list[dict[str, object]]:
    """Return rows of a source, all different; of several sentences where texts are to be cut."""
    if CHUNK is not None:
        # The numbers are at the end of each sentence, since the end is what makes the vector.
        return [
            {
                "id": f"r{i:05}",
                "text": " ".join(f"Sentence {j} of {j:02}{i:05}." for j in range(6)),
                "n": i,
            }
            for i in range(first, first + n)
        ]
    return [{"id": f"r{i:05}", "text": f"text {i:05}", "n": i} for i in range(first, first + n)]


def small_batches(publish: float = 0.15) -> None:
    """Commit and publish often, so that there is much to be interrupted."""
    deliver._FIRST = deliver._LEAST = deliver._MOST = BATCH
    run.PUBLISH_SECONDS = publish


def say(*words: object) -> None:
    """Tell the test."""
    print(*words, flush=True)


def main() -> None:
    """Do what the arguments say."""
    home, log, action, *arguments = sys.argv[1:]
    small_batches()
    model = LoggingEmbedder(Path(log), 0.01)
    embedder = None if action == "migrate" else model
    collection = embedkit.open("q", home=home, embedder=embedder, chunk=CHUNK)
    say("ready")
    try:
        globals()[f"do_{action}"](collection, *arguments)
    except EmbedkitError as error:
        say(type(error).__name__, str(error))
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)


def do_index(collection: embedkit.Collection, n: str) -> None:
    """Index the first n rows."""
    report = collection.index(rows(int(n)), progress=say)
    say("report", report.new, report.unchanged, report.embedded, report.status)


def do_migrate(collection: embedkit.Collection, log: str, model_id: str) -> None:
    """Change to another model, and say when the records are about to use it."""
    for name in ("switch", "publish"):
        whole = getattr(Writer, name)

        def told(self, *arguments, whole=whole, name=name, **options):
            say(name)
            return whole(self, *arguments, **options)

        setattr(Writer, name, told)
    report = collection.migrate(LoggingEmbedder(Path(log), 0.01, model_id), progress=say)
    say("report", report.embedded, report.reused, report.switched)


def do_churn(collection: embedkit.Collection) -> None:
    """Delete, insert and rebuild without end, and say what was acknowledged."""
    for i in itertools.count():
        id = f"r{i % 50:05}"
        collection.delete(id)
        say("deleted", id)
        collection.upsert(rows(1, i % 50))
        say("inserted", id)
        collection.rebuild(("flat", "turbovec")[i % 2])
        say("rebuilt")


def always_frames(most: int = 5) -> None:
    """Publish frames of a small collection too, and a snapshot after a few of them."""
    publisher.LEAST_SNAPSHOT = 0
    publisher.LARGEST_SHARE = 1000
    publisher.MOST_FRAMES = most


def do_trickle(collection: embedkit.Collection, first: str = "0", times: str = "-1") -> None:
    """Insert three records and delete one of them, and say what was acknowledged."""
    always_frames()
    for i in itertools.count(int(first)):
        if i == int(first) + int(times):
            return
        collection.upsert(rows(3, 1000 + 3 * i))
        say("inserted", i)
        collection.delete(f"r{1000 + 3 * i:05}")
        say("deleted", i)


def do_hold(collection: embedkit.Collection) -> None:
    """Write for as long as the test reads nothing from us, in one endless run."""

    def endless():
        for i in itertools.count():
            say("row", i)
            yield {"id": str(i), "text": str(i)}
            time.sleep(0.05)

    collection.index(endless())


def do_small_files(collection: embedkit.Collection, limit: str, n: str) -> None:
    """Index with a limit on the size of files."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    do_index(collection, n)


def do_as_nobody(collection: embedkit.Collection, what: str) -> None:
    """Write or read without any rights of root's."""
    # Python itself may lie where only root comes; so everything is imported before.
    with tempfile.TemporaryDirectory() as elsewhere:
        rehearsal = embedkit.open("q", home=elsewhere, embedder=collection.embedder)
        rehearsal.upsert(rows(2))
        rehearsal.search("text", k=1)
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    if what == "read":
        fresh = embedkit.open("q", home=collection.home, embedder=collection.embedder)
        say("unsound", *(finding.part for finding in fresh.check() if not finding.ok))
        say("hits", *(hit.id for hit in fresh.search("text 00001", k=1)))
    else:
        collection.upsert(rows(1, 9000))
        say("written")


if __name__ == "__main__":
    main()
