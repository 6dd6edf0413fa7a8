"""Any file of a collection may be damaged in any way: it is said, and mended, and nothing dies."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import embedkit
from embedkit.indexes.rows import EXACT_ROWS
from embedkit.store.lexical import LEAST_TAIL

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("damage.py")
DIM = 16


def make(home: Path, index: str, n: int) -> list[str]:
    """Make a sound collection of several generations; return its files."""
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((n, DIM)).astype(np.float32)
    with embedkit.open("q", home=home, index=index) as collection:
        collection.upsert(
            [{"id": str(i), "text": f"t{i}", "n": i} for i in range(n)], vectors=vectors
        )
        collection.rebuild()
        collection.upsert([{"id": "late", "text": "late", "n": -1}], vectors=vectors[:1] + 1)
        collection.delete("7")
        assert collection.info().index == index
    np.save(home / "queries.npy", vectors[[3, 50, 99]] + np.float32(0.1))
    np.save(home / "first.npy", vectors[:1])
    folder = home / "q"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


PARTS = [("index", "lock", "vectors.keys"), ("manifest",), ("records", "vectors.f32"), ("work",)]


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: parts[0])
def test_every_file_damaged_in_every_way(start, tmp_path, parts):
    files = make(tmp_path / "good", "flat", 100)
    assert {Path(name).parts[0].split("-")[0] for name in files} == {
        "index", "lock", "manifest", "manifest.json", "records", "vectors.f32", "vectors.keys",
        "work.commits", "work.duckdb",
    }  # fmt: skip
    assert all(name.startswith(sum(PARTS, ())) for name in files)
    judge(start, tmp_path, [name for name in files if name.startswith(parts)])


@pytest.mark.parametrize("index", ["turbovec", "annoy"])
def test_every_file_of_a_native_index(start, tmp_path, index):
    files = make(tmp_path / "good", index, EXACT_ROWS + 60)
    native = [name for name in files if name.startswith("index-") and "backend" in name]
    assert native, "there is a base to be loaded"
    judge(start, tmp_path, native)


def test_files_of_the_index_of_words(start, tmp_path):
    files = make(tmp_path / "good", "flat", LEAST_TAIL + 60)
    some = ("files.json", "tantivy/meta.json")  # of all of them: tests/unit/lexical
    judge(start, tmp_path, [n for n in files if n.startswith("lexical-") and n.endswith(some)])


def judge(start, tmp_path: Path, files: list[str]) -> None:
    """Damage the files in a process of their own and judge what it tells."""
    assert files, "there is something to damage"
    command = [sys.executable, str(SCRIPT), str(tmp_path / "good"), str(tmp_path / "bad"), *files]
    shutil.copytree(tmp_path / "good", tmp_path / "reference")
    right = sound_answers(tmp_path / "reference")
    process = start(command)
    code = process.end()
    assert code == 0, (code, process.lines[-1:], process.errors[-20:])
    told = [json.loads(line) for line in process.lines]
    cases = [case for case in told if "read" in case]
    assert len(cases) == len(told) // 2 == 6 * len(files)
    for case in cases:
        case_is_right(case, right)


def sound_answers(home: Path) -> list[list[list[object]]]:
    queries = np.load(home / "queries.npy")
    with embedkit.open("q", home=home) as opened:
        found = opened.search_vectors(queries, k=5) + opened.search_vectors(
            queries, k=5, where="n < 40"
        )
    return [[[hit.id, round(hit.score, 5)] for hit in hits] for hits in found]


def case_is_right(case: dict[str, object], right: object) -> None:
    errors = {step: told for step, told in case.items() if isinstance(told, dict)}
    for step, error in errors.items():
        assert "foreign" not in error, (step, case)
        assert "doctor" in error["said"] or "rebuild" in error["said"] or step == "repair", case
    if "read" not in errors:
        assert case["read"] == right, case
    assert isinstance(case["check"], list), case
    if not case["check"]:
        assert not errors, ("damage that was met must be named", case)
        return
    if "repair" not in case:
        return
    assert "repair" not in errors, case
    assert case["checked"] == [], case
    if own_vectors_are_lost(case):
        return
    assert case["again"] == right, case
    assert case["written"] == 1, case


def own_vectors_are_lost(case: dict[str, object]) -> bool:
    """Whether the damage is to vectors that only the user can bring again."""
    return "vectors" in str(case["check"]) and "had brought" in str(case["repair"])


@pytest.fixture
def filled(opened, scripted):
    model = scripted()
    collection = opened(embedder=model, index="flat")
    texts = [f"text number {i}" for i in range(40)]
    collection.upsert([(f"r{i}", text) for i, text in enumerate(texts)])
    collection.upsert([("late", "the last text")])
    texts.append("the last text")
    model.sent.clear()
    return collection, model, texts


def flip(path: Path, *places: int) -> None:
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 4
    path.write_bytes(data)


def found(collection, texts):
    return [hits[0].text for hits in collection.search_many(texts, k=1)] == texts


@pytest.mark.parametrize(
    ("name", "size"), [("vectors.f32", 64 * 4), ("vectors.keys", 32)], ids=["vectors", "keys"]
)
def test_only_damaged_vectors_are_embedded_again(filled, name, size):
    collection, model, texts = filled
    flip(collection.path / name, 3 * size + 5, 11 * size, 40 * size + size - 1)
    collection.close()
    with pytest.raises(embedkit.EmbedkitError, match="3 of 41 vectors"):
        collection.search("text")
    damaged = [finding for finding in collection.check() if not finding.ok]
    assert [finding.part for finding in damaged] == ["vectors"]
    assert "--repair" in damaged[0].remedy
    collection.repair()
    assert sorted(model.sent) == sorted([texts[3], texts[11], texts[40]])
    assert all(finding.ok for finding in collection.check())
    assert found(collection, texts)
    assert collection.repair()[0].detail == "nothing was damaged"


def test_a_lost_tail_of_vectors_is_embedded_again(filled):
    collection, model, texts = filled
    path = collection.path / "vectors.f32"
    path.write_bytes(path.read_bytes()[: 30 * 64 * 4 + 17])
    collection.repair()
    assert sorted(model.sent) == sorted(texts[30:])
    assert found(collection, texts)


def test_vectors_that_nobody_uses_cost_nothing(filled):
    collection, model, texts = filled
    collection.delete(["r3", "r4"])
    flip(collection.path / "vectors.f32", 3 * 64 * 4, 4 * 64 * 4)
    collection.repair()
    assert model.sent == []
    assert found(collection, texts[:3] + texts[5:])
    collection.upsert([("r3", texts[3])])
    assert model.sent == [texts[3]], "a vector that was blanked is not taken for sound"
    assert found(collection, texts[:4] + texts[5:])


def test_a_damaged_database_comes_back_from_what_was_published(filled):
    collection, model, texts = filled
    flip(collection.path / "work.duckdb", 100, 5000, 100_000)
    assert found(collection, texts), "readers do not need it"
    with pytest.raises(embedkit.EmbedkitError, match="doctor q --repair"):
        collection.upsert([("x", "new")])
    collection.repair()
    assert found(collection, texts)
    collection.upsert([("x", "new")])
    assert "x" in collection
    assert model.sent == ["new"]


def test_a_damaged_count_of_commits_does_not_cost_what_was_committed(filled, monkeypatch):
    """The count is written beside the database, not durably: a power cut may spoil it."""
    from embedkit.store.writer import Writer

    collection, model, texts = filled

    def cut(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "publish", cut)
        with pytest.raises(KeyboardInterrupt):
            collection.upsert([("x", "committed, not published")])
    assert "x" not in collection
    (collection.path / "work.commits").write_bytes(b"")
    collection.repair()
    assert collection.get("x").text == "committed, not published"
    assert found(collection, texts)
    assert model.sent == ["committed, not published"]


def test_a_lost_write_ahead_log_is_noticed(filled):
    """DuckDB opens such a database with fewer rows and says nothing."""
    import duckdb

    collection, _, _ = filled
    work = collection.path / "work.duckdb"
    with duckdb.connect(work) as connection:
        connection.execute("UPDATE meta SET value = value - 1 WHERE key = 'commits'")
    assert [f.part for f in collection.check() if not f.ok] == ["work"]
    with pytest.raises(embedkit.EmbedkitError, match="lost the last 1 of"):
        collection.upsert([("x", "new")])


def test_a_newer_format_is_said_to_be_newer(filled):
    from dataclasses import replace

    from embedkit.errors import FormatVersionError
    from embedkit.store.manifest import Manifest

    collection, _, _ = filled
    path = collection.path / "manifest.json"
    replace(Manifest.read(path), format=99).write(path)
    for work in (
        lambda: collection.search("x"),
        lambda: collection.upsert([("x", "y")]),
        collection.repair,
    ):
        with pytest.raises(FormatVersionError, match=r"format 99.*upgrade"):
            work()


def test_own_vectors_in_a_model_s_collection_are_not_replaced_by_the_model_s(opened):
    collection = opened(embedder="hashing", index="flat")
    collection.upsert([("m", "made by the model")])
    own = np.eye(2, 384, dtype=np.float32)
    collection.upsert([("a", "first of its own"), ("b", "second of its own")], vectors=own)
    flip(collection.path / "vectors.f32", 0, 1 * 384 * 4 + 2)
    told = collection.repair()
    assert [finding.ok for finding in told if "had brought" in finding.detail] == [False]
    assert all(finding.ok for finding in collection.check())
    assert collection.search_vectors(own[1], k=1)[0][0].id == "b"
    assert collection.search_vectors(own[0], k=3)[0][0].score == pytest.approx(0, abs=0.3)
    assert collection.search("made by the model", k=1)[0].score == pytest.approx(1, abs=1e-5)
    collection.upsert([("a", "first of its own")], vectors=own[:1])
    assert collection.search_vectors(own[0], k=1)[0][0].id == "a"


def test_without_a_sound_copy_of_the_records_the_vectors_are_kept(filled):
    collection, model, texts = filled
    for path in collection.path.glob("*.duckdb"):
        path.write_bytes(b"garbage")
    collection.close()
    told = collection.repair()
    assert any("no sound copy" in finding.detail for finding in told)
    assert len(collection) == 0
    collection.upsert([(f"r{i}", text) for i, text in enumerate(texts)])
    assert model.sent == [], "every vector was found again"
    assert found(collection, texts)
