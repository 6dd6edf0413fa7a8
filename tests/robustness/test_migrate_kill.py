"""kill -9 while the model is changed: one model or the other answers, and nothing is paid twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

import embedkit
from embedkit.integrity import FileDigest
from embedkit.store import database, restore, sets
from embedkit.store.manifest import Manifest
from embedkit.store.writer import Writer

pytestmark = pytest.mark.slow

ROWS = 900
MOMENTS = [("ready", 1), *(("embedding", n) for n in range(1, 15, 2)), ("comparing", 1),
           ("building", 1), *(("switch", 1),) * 4, ("publish", 2), ("publish", 3)]  # fmt: skip
"""What its process says before it is killed; much of it around the switch."""


def answering(worker, home: Path, tmp_path: Path) -> str:
    """Return which model answers, after making sure that it is that one in every answer."""
    for name in ("logging", "other"):
        model = worker.LoggingEmbedder(tmp_path / "queries", model_id=name)
        try:
            reader = embedkit.open("q", home=home, embedder=model)
        except embedkit.EmbedkitError:
            continue
        texts = {record.id: record.text for record in reader}
        assert len(texts) == ROWS
        some = random.Random(1).sample(sorted(texts), 20)
        for id, hits in zip(some, reader.search_many([texts[id] for id in some], k=1), strict=True):
            assert hits[0].id == id
            assert hits[0].score == pytest.approx(1, abs=1e-5)
        return name
    raise AssertionError("neither model fits the collection")


def test_a_migration_killed_again_and_again(work, worker, home, tmp_path):
    before = worker.LoggingEmbedder(tmp_path / "before")
    embedkit.open("q", home=home, embedder=before).index(worker.rows(ROWS))
    log, moments = tmp_path / "sent", random.Random(11)
    chosen = [*moments.sample(MOMENTS, 6), ("switch", 1), ("publish", 3)]
    kills = 0
    for word, times in chosen:
        process = work("migrate", log, "other")
        process.wait_for(word, times, or_end=True)
        time.sleep(moments.choice([0, 0, moments.uniform(0, 0.06)]))
        kills += process.popen.poll() is None
        process.kill()
        model = answering(worker, home, tmp_path)
        name = "other" if model == "other" else "logging"
        opened = embedkit.open(
            "q", home=home, embedder=worker.LoggingEmbedder(tmp_path / "queries", model_id=name)
        )
        assert all(finding.ok for finding in opened.check()), (word, opened.check())
        if model == "other":  # it came through: go back, and kill it at that again
            opened.migrate_back(embedder=worker.LoggingEmbedder(tmp_path / "again"))
    assert not (tmp_path / "again").exists(), "going back embeds nothing"
    process = work("migrate", log, "other")
    assert process.end() == 0, process.errors
    assert process.lines[-1].endswith("True")
    assert answering(worker, home, tmp_path) == "other"
    sent = log.read_text().splitlines()
    assert set(sent) == {row["text"] for row in worker.rows(ROWS)}
    assert len(sent) - ROWS <= kills * worker.BATCH, "at most the batch in flight"
    assert kills >= 5, "there was something to be killed"


class PowerCutError(BaseException):
    """What the tests below raise where a process would have died."""


@pytest.fixture
def filled(opened, scripted):
    collection = opened(embedder=scripted(model_id="old"), index="flat")
    collection.upsert([(f"r{i}", f"text number {i}") for i in range(30)])
    return collection


def cut(patch, owner, name, *, nth=1, after=False):
    """Let the nth call of a function from now on be the last thing that happens."""
    whole, calls = getattr(owner, name), []

    def doomed(*arguments, **options):
        calls.append(name)
        if len(calls) < nth:
            return whole(*arguments, **options)
        if after:
            whole(*arguments, **options)
        raise PowerCutError

    patch.setattr(owner, name, doomed)


# A migration publishes the new set, then the old state once more, then the switch.
STEPS = [(Writer, name, 3) for name in ("_index", "_snapshot", "_collect")]
STEPS += [(Writer, "_snapshot", 1), (Writer, "_snapshot", 2), (Writer, "_collect", 1)]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name", "nth"), STEPS)
def test_a_migration_may_end_at_any_step(
    opened, scripted, filled, monkeypatch, owner, name, nth, after
):
    """No handler runs after a kill: neither here."""
    new = scripted(model_id="new")
    from embedkit.migration import Migration

    with monkeypatch.context() as patch:
        patch.setattr(Migration, "_stop", lambda *arguments, **options: None)
        cut(patch, owner, name, nth=nth, after=after)
        with pytest.raises(PowerCutError):
            filled.migrate(new)
    published = name == "_collect" and nth == 3
    model = new if published else scripted(model_id="old")
    fresh = opened(embedder=model)
    assert [hit.id for hit in fresh.search("text number 7", k=1)] == ["r7"]
    assert all(finding.ok for finding in fresh.check()), fresh.check()
    fresh.upsert([("late", "a late text")])
    assert model.sent[-1:] == ["a late text"]
    assert fresh.search("a late text", k=1)[0].id == "late"
    assert len(fresh) == 31
    sent = len(new.sent)
    if not published:
        assert fresh.migrate(new).switched
        assert fresh.search("a late text", k=1)[0].id == "late"
        assert len(new.sent) - sent <= 31 - (sent if nth > 1 else 0)
    assert all(finding.ok for finding in fresh.check()), fresh.check()


@pytest.mark.parametrize("step", ["check", "count", "log", "copy"])
def test_undoing_a_switch_may_end_at_any_step(opened, scripted, filled, monkeypatch, step):
    new, old = scripted(model_id="new"), scripted(model_id="old")
    with monkeypatch.context() as patch:
        cut(patch, Writer, "_snapshot", nth=3)
        with pytest.raises(PowerCutError):
            filled.migrate(new)
    connection = database.connect_writer(filled._layout)
    assert sets.current_set(connection) == 1, "the records use the new set, and no manifest says so"
    connection.close()
    assert Manifest.read(filled.path / "manifest.json").vector_set == 0
    with monkeypatch.context() as patch:
        if step == "check":
            cut(patch, FileDigest, "check")
        elif step == "count":
            cut(patch, sets, "write_commits", after=True)
        elif step == "log":
            cut(patch, Path, "unlink")
        else:
            cut(patch, restore, "copy_durably", after=True)
        with pytest.raises(PowerCutError):
            opened(embedder=old).upsert([("x", "never")])
    fresh = opened(embedder=old)
    assert fresh.search("text number 7", k=1)[0].id == "r7"
    fresh.upsert([("late", "a late text")])
    assert {record.id for record in fresh} == {*(f"r{i}" for i in range(30)), "late"}
    assert all(finding.ok for finding in fresh.check())
    assert fresh.runs()[1].status in ("interrupted", "failed")
    report = fresh.migrate(new)
    assert (report.embedded, report.switched) == (1, True)


def test_an_error_while_switching_leaves_the_old_model(filled, scripted, opened, monkeypatch):
    """A full disk, say: nothing more is published, since that would finish the switch."""
    new = scripted(model_id="new")
    with monkeypatch.context() as patch:
        cut(patch, Writer, "_snapshot", nth=3)
        with pytest.raises(PowerCutError):
            filled.migrate(new)
    assert filled.search("text number 7", k=1)[0].id == "r7"
    assert filled.info().model_id == "old"
    assert filled.upsert([("late", "a late text")]).new == 1
    assert filled.migrate(new).switched
    assert filled.info().model_id == "new"


# -- damage --------------------------------------------------------------------------------------


def flip(path: Path, *places: int) -> None:
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 4
    path.write_bytes(data)


@pytest.fixture
def migrated(filled, scripted):
    new = scripted(model_id="new")
    filled.migrate(new)
    new.sent.clear()
    return filled, new


@pytest.mark.parametrize("name", ["vectors.f32", "vectors.keys"])
@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_damage_of_kept_vectors_is_told_and_costs_only_them(migrated, scripted, name, how):
    collection, new = migrated
    path = collection.path / name
    size = 256 if name == "vectors.f32" else 32
    if how == "flipped":
        flip(path, 3 * size + 1, 11 * size + 1)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: 28 * size + 3])
    else:
        path.unlink()
    assert collection.search("text number 7", k=1)[0].id == "r7"
    collection.upsert([("late", "a late text")])
    damaged = [finding for finding in collection.check() if not finding.ok]
    assert [finding.part for finding in damaged] == ["kept vectors"]
    assert "--repair" in damaged[0].remedy
    old = scripted(model_id="old")
    with pytest.raises(embedkit.EmbedkitError, match="--repair"):
        collection.migrate_back(embedder=old)
    told = collection.repair()
    assert any(finding.part == "kept vectors" for finding in told)
    assert all(finding.ok for finding in collection.check())
    assert new.sent == ["a late text"], "what is not in use is not made again"
    assert collection.migrate_back(embedder=old).switched
    lost = {"flipped": 2, "cut": 2, "missing": 30}[how]
    assert len(old.sent) == lost + 1
    assert collection.search("text number 11", k=1)[0].id == "r11"


def test_damaged_vectors_in_use_are_made_again_by_the_new_model(migrated):
    collection, new = migrated
    flip(collection.path / "vectors-1.f32", 3 * 256 + 1)
    (collection.path / "vectors-1.keys").write_bytes(b"")
    collection.close()
    with pytest.raises(embedkit.EmbedkitError, match="--repair"):
        collection.search("text")
    collection.repair()
    assert len(new.sent) == 30
    assert collection.search("text number 7", k=1)[0].id == "r7"
    assert all(finding.ok for finding in collection.check())


@pytest.mark.parametrize("names", [["manifest.json"], ["work.duckdb"],
                                   ["work.duckdb", "records"]], ids=str)  # fmt: skip
def test_other_damage_right_after_a_switch(migrated, scripted, opened, names):
    """Whichever generation is gone back to, its model and its vectors go with it."""
    collection, new = migrated
    generation = Manifest.read(collection.path / "manifest.json").generation
    for name in names:
        file = f"records-{generation}.duckdb" if name == "records" else name
        (collection.path / file).write_bytes(b"garbage" * 1000)
    collection.close()
    collection.repair()
    manifest = Manifest.read(collection.path / "manifest.json")
    model = new if manifest.model.model_id == "new" else scripted(model_id="old")
    fresh = opened(embedder=model)
    assert all(finding.ok for finding in fresh.check()), fresh.check()
    assert fresh.search("text number 7", k=1)[0].id == "r7"
    fresh.upsert([("late", "a late text")])
    assert model.sent == ["a late text"]
    other = scripted(model_id="old") if model is new else new
    assert fresh.migrate(other).embedded == 1, "the vectors of both models are still there"


def test_without_any_sound_records_the_vectors_of_both_models_are_kept(migrated, scripted):
    collection, new = migrated
    for path in collection.path.glob("*.duckdb"):
        path.write_bytes(b"garbage")
    collection.close()
    collection.repair()
    assert len(collection) == 0
    collection.upsert([(f"r{i}", f"text number {i}") for i in range(30)])
    assert new.sent == []
    old = scripted(model_id="old")
    assert collection.migrate_back(embedder=old).switched
    assert old.sent == []
