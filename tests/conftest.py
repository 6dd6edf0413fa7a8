"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from embedkit import Collection
from embedkit import open as open_collection
from embedkit.embedders.base import BaseEmbedder
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import InvalidInputError
from embedkit.protocols import Embedder
from embedkit.quantized import decode, encode
from embedkit.types import Embeddings, InputType, Precision
from tests.servers.fixtures import brisk as brisk
from tests.servers.fixtures import cohere_server as cohere_server
from tests.servers.fixtures import on_loopback as on_loopback
from tests.servers.fixtures import openai_server as openai_server
from tests.servers.fixtures import serve as serve

# What was started in the background of a script ignores Ctrl-C, and so would what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

Opener = Callable[..., Collection]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of collections that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture
def opened(home: Path) -> Opener:
    """Open a collection in the test's home, filled by ``hashing`` unless said otherwise."""

    def make(
        name: str = "q",
        *,
        embedder: str | Embedder | None = "hashing",
        index: str | None = None,
        chunk: str | None = None,
    ) -> Collection:
        return open_collection(name, home=home, embedder=embedder, index=index, chunk=chunk)

    return make


class ScriptedEmbedder(BaseEmbedder):
    """Hashes like ``hashing``, remembers every text it was sent, fails where it is told to.

    Attributes
    ----------
    sent : list of str
        The texts of every call, those that failed included.
    done : list of str
        The texts whose vectors were returned.
    """

    def __init__(self, dim: int = 64, model_id: str = "scripted") -> None:
        self._hashing = HashingEmbedder(dim=dim)
        self._model_id = model_id
        self.refuses: frozenset[str] = frozenset()
        """Texts that cannot be embedded."""
        self.stop_after: int | None = None
        """Texts to embed before ``stop_with`` is raised."""
        self.stop_with: BaseException = RuntimeError("the model fell over")
        self.sent: list[str] = []
        self.done: list[str] = []

    @property
    def model_id(self) -> str:
        return self._model_id

    @property
    def dim(self) -> int:
        return self._hashing.dim

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        if input_type == "query":
            return self._hashing.embed_batch(texts, input_type=input_type)
        self.sent += texts
        bad = [text for text in texts if text in self.refuses]
        if bad:
            raise InvalidInputError(f"the model does not take {bad[0]!r}")
        if self.stop_after is not None and len(self.done) + len(texts) > self.stop_after:
            raise self.stop_with
        self.done += texts
        return self._hashing.embed_batch(texts, input_type=input_type)


@pytest.fixture
def scripted() -> type[ScriptedEmbedder]:
    """The class of an embedder that counts, and fails on demand."""
    return ScriptedEmbedder


QUESTIONS = Path(__file__).parents[1] / "examples" / "questions.csv"


@pytest.fixture(scope="session")
def adapter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an adapter of ``hashing``, learned from the questions of the examples."""
    import csv

    from embedkit.adapters.adapter import Adapter
    from embedkit.adapters.files import write_adapter
    from embedkit.store.manifest import Model
    from embedkit.types import AdapterReport

    with QUESTIONS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:120]
    topics = sorted({row["topic"] for row in rows})
    base = HashingEmbedder(dim=96)
    vectors = base.embed([row["question"] for row in rows])
    targets = np.array([topics.index(row["topic"]) for row in rows])
    adapter = Adapter().fit(vectors, targets, rounds=20)
    report = AdapterReport("labels", len(rows), len(topics), 0, adapter.rounds, 0.0)
    folder = tmp_path_factory.mktemp("adapters") / "topics"
    write_adapter(folder, adapter, Model("hashing?dim=96", base.model_id, 96), report)
    return folder


@pytest.fixture(scope="session")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cross-encoder: small, real, its weights random but always the same.

    It knows nothing; its relevance differs from text to text all the same.
    """
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from embedkit.embedders.weights import locate_minilm

    folder = tmp_path_factory.mktemp("cross-encoder") / "tiny"
    tokenizer = AutoTokenizer.from_pretrained(str(locate_minilm()), model_max_length=128)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        num_labels=1,
        initializer_range=0.3,
    )
    config.sentence_transformers = {"activation_fn": "torch.nn.modules.linear.Identity"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class QuantisedEmbedder(ScriptedEmbedder):
    """A :class:`ScriptedEmbedder` that delivers documents quantised, as a service would.

    The counters of hashing, mostly zero, are turned by a random rotation: models leave no component
    empty.
    """

    def __init__(self, precision: Precision, dim: int = 64) -> None:
        super().__init__(dim, f"quantised {precision}")
        self._precision = precision
        self._rotation = np.linalg.qr(np.random.default_rng(dim).standard_normal((dim, dim)))[0]

    @property
    def precision(self) -> Precision:
        return self._precision

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        turned = super()._embed(texts, input_type).vectors.astype(np.float64) @ self._rotation
        whole = turned.astype(np.float32)
        if input_type != "document" or self._precision == "float32":
            return Embeddings(whole)
        codes = encode(whole, self._precision)
        return Embeddings(decode(codes, self._precision, self.dim), codes=codes)


@pytest.fixture
def quantised() -> type[QuantisedEmbedder]:
    """The class of an embedder whose documents are integers or bits."""
    return QuantisedEmbedder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Return every file below a folder with its bytes."""
    return contents


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[..., Path]:
    """Write a CSV from a header and rows, quoted as needed."""
    import csv

    def write(
        name: str, header: Sequence[str], rows: Sequence[Sequence[object]], folder: Path = tmp_path
    ) -> Path:
        path = folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return write


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in each run."""
    return np.random.default_rng(7)


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    """What was skipped, where ``make test`` asks that nothing is."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("EMBEDKIT_NO_SKIPS"):
        return []  # one of several processes that test; the one that started them reports
    found: list[pytest.TestReport] = reporter.stats.get("skipped", [])
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where tests were skipped: a library that is missing hides what it would show."""
    if _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the reason."""
    skipped = _skipped(terminalreporter.config)
    if skipped:
        terminalreporter.section("failed: nothing may be skipped here", red=True)
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr}")
