"""``adapter:NAME``: the model's own vectors, moved, wherever an embedder is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit import SavedAdapter, fit_adapter
from embedkit.adapters.files import ADAPTER, read_adapter, write_adapter
from embedkit.embedders.adapter import AdapterEmbedder
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import (
    AdapterNotFoundError,
    CollectionLockedError,
    CredentialsError,
    DamagedError,
    FormatVersionError,
    InvalidInputError,
    ModelMismatchError,
)
from embedkit.indexes.files import signed
from embedkit.store.lock import WriterLock
from tests.servers.cohere import CohereServer

TEXTS = [
    "how do I pay my bill", "can I pay by card", "the bill is too high",
    "where is my parcel", "the parcel is late", "when will my order arrive",
]  # fmt: skip
LABELS = ["money"] * 3 + ["post"] * 3


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EMBEDKIT_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def learned(home: Path) -> SavedAdapter:
    return fit_adapter(TEXTS, LABELS, embedder="hashing?dim=64", home=home, name="topics")


def test_vectors_are_those_of_the_model_moved(learned: SavedAdapter, home: Path) -> None:
    embedder = embedkit.embedder(f"adapter:{home / '.adapters' / 'topics'}")
    own = HashingEmbedder(dim=64).embed(TEXTS)
    found = embedder.embed(TEXTS)
    np.testing.assert_allclose(found, learned.adapter.apply(own), atol=1e-6)
    assert np.abs(found - own).max() > 0.01
    assert embedder.model_id == f"hashing-1 dim=64 adapter={learned.digest[:16]}"
    assert embedder.dim == 64


def test_a_collection_takes_the_adapter_of_its_own_home(
    learned: SavedAdapter, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = fit_adapter(
        TEXTS,
        LABELS[::-1],
        embedder="hashing?dim=64",
        home=tmp_path / "other",
        name="topics",
        seed=9,
    )
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "other"))
    assert embedkit.embedder("adapter:topics").model_id.endswith(other.digest[:16])
    collection = embedkit.open("q", home=home, embedder="adapter:topics")
    collection.index([{"id": str(i), "text": text} for i, text in enumerate(TEXTS)])
    assert collection.info().model_id.endswith(learned.digest[:16])
    again = embedkit.open("q", home=home)  # by what the collection says of itself
    hits = again.search("how do I pay my bill", k=2)
    assert hits[0].id == "0"
    assert hits[0].score == pytest.approx(1, abs=1e-4)


def test_a_collection_refuses_another_adapter_and_the_bare_model(
    learned: SavedAdapter, home: Path
) -> None:
    embedkit.open("q", home=home, embedder="adapter:topics").index([{"text": TEXTS[0]}])
    fit_adapter(TEXTS, LABELS, embedder="hashing?dim=64", home=home, name="second", seed=3)
    for spec in ("adapter:second", "hashing?dim=64"):
        with pytest.raises(ModelMismatchError, match=r"adapter="):
            embedkit.open("q", home=home, embedder=spec)
    report = embedkit.open("q", home=home).migrate("adapter:second")
    assert report.switched


def test_a_missing_adapter_is_said_with_the_nearest_name(learned: SavedAdapter, home: Path) -> None:
    collection = embedkit.open("q", home=home, embedder="adapter:topcs")
    with pytest.raises(AdapterNotFoundError, match="did you mean 'topics'"):
        collection.index([{"text": "a"}])
    with pytest.raises(AdapterNotFoundError, match="holds none"):
        embedkit.embedder("adapter:topics").embed(["a"])
    with pytest.raises(InvalidInputError, match="adapter:NAME"):
        embedkit.embedder("adapter: ")


def test_a_name_is_not_a_way_out_of_the_home(learned: SavedAdapter, home: Path) -> None:
    with pytest.raises(InvalidInputError, match="adapter's name"):
        fit_adapter(TEXTS, LABELS, embedder="hashing", home=home, name="../evil")
    with pytest.raises(AdapterNotFoundError):
        AdapterEmbedder("../topics").in_home(home / "x")


def test_an_embedder_of_ones_own_is_given_back_to_it(home: Path) -> None:
    learned = fit_adapter(TEXTS, LABELS, embedder=HashingEmbedder(dim=64), home=home, name="own")
    assert learned.embedder(HashingEmbedder(dim=64)).embed(TEXTS).shape == (6, 64)
    with pytest.raises(InvalidInputError, match="embedder of your own"):
        embedkit.open("q", home=home, embedder="adapter:own").index([{"text": "a"}])
    with pytest.raises(ModelMismatchError, match="dim=64, not of hashing-1 dim=32"):
        learned.embedder(HashingEmbedder(dim=32))


def test_texts_are_cut_as_the_model_counts(learned: SavedAdapter, home: Path) -> None:
    adapter = fit_adapter(TEXTS, LABELS, embedder="minilm", home=home, name="real")
    embedder: Any = adapter.embedder()
    base: Any = embedkit.embedder("minilm")
    assert (embedder.max_tokens, embedder.special_tokens) == (base.max_tokens, base.special_tokens)
    for ours, theirs in zip(embedder.token_offsets(TEXTS), base.token_offsets(TEXTS), strict=True):
        assert np.array_equal(ours, theirs)
    collection = embedkit.open("p", home=home, embedder="adapter:real", chunk="tokens=32,overlap=4")
    assert collection.index([{"text": "word " * 100}]).passages == 4


# -- managed models -----------------------------------------------------------------------------


@pytest.fixture
def cohere(cohere_server: CohereServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CO_API_KEY", "good-key")
    return f"cohere:embed-v4.0?base_url={cohere_server.url}&dimension=256"


def sent(server: CohereServer, kind: str) -> list[str]:
    return [text for entry in server.entries() if entry.input_type == kind for text in entry.texts]


def test_nothing_is_paid_twice_whatever_adapter_is_used(
    cohere: str, cohere_server: CohereServer, home: Path
) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        fit_adapter(TEXTS, LABELS, embedder=cohere, home=home, name=name, seed=seed)
    assert sorted(sent(cohere_server, "classification")) == sorted(TEXTS)
    collection = embedkit.open("q", home=home, embedder="adapter:one")
    rows = [{"id": str(i), "text": text} for i, text in enumerate(TEXTS)]
    plan = collection.index(rows, dry_run=True)
    assert plan.cost is not None, "the price is the model's"
    first = collection.index(rows)
    assert first.billed_tokens
    moved = collection.migrate("adapter:two")
    assert (moved.switched, moved.billed_tokens or 0) == (True, 0)
    assert sorted(sent(cohere_server, "search_document")) == sorted(TEXTS)
    assert collection.search(TEXTS[0], k=1)[0].id == "0"


def test_a_limit_of_money_holds(cohere: str, cohere_server: CohereServer, home: Path) -> None:
    fit_adapter(TEXTS, LABELS, embedder=cohere, home=home, name="one")
    collection = embedkit.open("q", home=home, embedder="adapter:one")
    report = collection.index([{"text": f"another {i}"} for i in range(50)], max_cost=0.0)
    assert report.status == "stopped"
    assert sent(cohere_server, "search_document") == []


def test_a_file_does_not_send_the_key_to_an_address(
    cohere: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = fit_adapter(TEXTS, LABELS, embedder=cohere, home=home, name="one")
    path = home / ".adapters" / "one" / "adapter.json"
    facts = json.loads(path.read_text())
    del facts["sha256"]
    facts["model"]["spec"] = "cohere:embed-v4.0?base_url=https://elsewhere.example&dimension=256"
    path.write_text(json.dumps(signed(facts)))
    monkeypatch.delenv("CO_API_URL", raising=False)
    with pytest.raises(CredentialsError, match=r"adapter 'one' .*elsewhere\.example"):
        read_adapter(path.parent).embedder()
    assert learned.report.rows == 6


# -- damage -------------------------------------------------------------------------------------


def spoil(name: str) -> Callable[[Path], None]:
    """Return what damages a folder."""

    def arrays(folder: Path) -> Path:
        return next(folder.glob("arrays-*.safetensors"))

    def cut(folder: Path) -> None:
        arrays(folder).write_bytes(arrays(folder).read_bytes()[:-100])

    def flip(folder: Path) -> None:
        data = bytearray(arrays(folder).read_bytes())
        data[len(data) // 2] ^= 1
        arrays(folder).write_bytes(bytes(data))

    def gone(folder: Path) -> None:
        arrays(folder).unlink()

    def empty(folder: Path) -> None:
        (folder / "adapter.json").write_bytes(b"")

    def foreign(folder: Path) -> None:
        (folder / "adapter.json").write_text('{"format": 1}')

    def edited(folder: Path) -> None:
        path = folder / "adapter.json"
        path.write_text(path.read_text().replace('"strength": 1.0', '"strength": 0.5'))

    def elsewhere(folder: Path) -> None:
        path = folder / "adapter.json"
        facts = json.loads(path.read_text())
        del facts["sha256"]
        facts["files"]["arrays"]["name"] = "../../passwords.safetensors"
        arrays(folder).rename(folder / "../../passwords.safetensors")  # sound, but not its own
        path.write_text(json.dumps(signed(facts)))

    def incomplete(folder: Path) -> None:
        path = folder / "adapter.json"
        facts = json.loads(path.read_text())
        del facts["sha256"], facts["files"]["arrays"]["digest"]
        path.write_text(json.dumps(signed(facts)))

    def misshapen(folder: Path) -> None:
        path = folder / "adapter.json"
        facts = json.loads(path.read_text())
        del facts["sha256"]
        facts["state"]["dim"] = 63
        path.write_text(json.dumps(signed(facts)))

    return locals()[name]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "how",
    ["cut", "flip", "gone", "empty", "foreign", "edited", "elsewhere", "misshapen", "incomplete"],
)
def test_damage_is_said(how: str, learned: SavedAdapter, home: Path) -> None:
    spoil(how)(home / ".adapters" / "topics")
    with pytest.raises(DamagedError, match=ADAPTER.again.partition(":")[0]):
        embedkit.open("q", home=home, embedder="adapter:topics").index([{"text": "a"}])


def test_a_later_format_is_said(learned: SavedAdapter, home: Path) -> None:
    path = home / ".adapters" / "topics" / "adapter.json"
    facts = json.loads(path.read_text())
    del facts["sha256"]
    path.write_text(json.dumps(signed({**facts, "format": 2})))
    with pytest.raises(FormatVersionError, match="format 2"):
        read_adapter(path.parent)


def test_a_name_is_taken_once(learned: SavedAdapter, home: Path) -> None:
    with pytest.raises(InvalidInputError, match="already"):
        fit_adapter(TEXTS, LABELS, embedder="hashing", home=home, name="topics")
    again = fit_adapter(TEXTS, LABELS, embedder="hashing", home=home, name="topics", force=True)
    found = read_adapter(home / ".adapters" / "topics")
    assert found.digest == again.digest != learned.digest
    assert found.report == again.report
    assert len(list((home / ".adapters" / "topics").glob("*.*"))) == 2


def test_two_that_write_one_name_do_not_mix(learned: SavedAdapter, home: Path) -> None:
    folder = home / ".adapters" / "topics"
    with (
        WriterLock(folder / "lock", "topics"),
        pytest.raises(CollectionLockedError, match="adapter 'topics' is being written"),
    ):
        write_adapter(folder, learned.adapter, learned.model, learned.report)
    assert read_adapter(folder).digest == learned.digest


def test_a_classifier_on_an_adapter_is_told_that_it_may_have_seen_the_labels(
    learned: SavedAdapter, home: Path
) -> None:
    for embedder, told in (
        ("adapter:topics", True),
        (learned.embedder(), True),
        ("hashing", False),
    ):
        made = embedkit.TextClassifier(embedder, head="centroid", home=home, folds=2)
        notes = made.fit(TEXTS, LABELS).report_.notes
        assert any("the adapter 'topics' learned from labels" in note for note in notes) == told
