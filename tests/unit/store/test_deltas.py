"""Small publications: what they write, and that readers see what a dict would hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embedkit
from embedkit import Record
from embedkit.errors import DamagedError
from embedkit.store import publisher, snapshot
from embedkit.store.deltas import KEYS, Delta, DeltaFile, Frame, read_frames
from embedkit.store.layout import Layout
from embedkit.store.manifest import Manifest
from embedkit.store.restore import connect_to_plan, restore

DIM = 8


@pytest.fixture(autouse=True)
def always_frames(monkeypatch):
    """Let small collections publish frames too."""
    monkeypatch.setattr(publisher, "LEAST_SNAPSHOT", 0)


def manifest_of(collection) -> Manifest:
    return Manifest.read(collection.path / "manifest.json")


def vector(text: str) -> np.ndarray:
    generator = np.random.default_rng(sum(map(ord, text)) * 31 + len(text))
    return generator.standard_normal(DIM).astype(np.float32)


def put(collection, texts: dict[str, str], **metadata) -> None:
    vectors = np.stack([vector(text) for text in texts.values()])
    records = [Record(id, text, dict(metadata)) for id, text in texts.items()]
    collection.upsert(records, vectors=vectors)


@pytest.fixture
def collection(tmp_path):
    with embedkit.open("c", home=tmp_path) as collection:
        put(collection, {f"r{i}": f"text {i}" for i in range(20)}, kind="old")
        yield collection


def test_a_small_change_is_published_as_a_frame(collection):
    first = manifest_of(collection)
    put(collection, {"new": "another text"}, kind="new")
    second = manifest_of(collection)
    assert first.delta is None
    assert first.format < 3, "an earlier embedkit reads a collection without frames"
    assert second.delta is not None
    assert second.format == 3
    assert second.snapshot == first.generation
    assert second.database == first.database
    assert not (collection.path / f"records-{second.generation}.duckdb").exists()
    assert (collection.path / f"records-{first.generation}.delta").stat().st_size == (
        second.delta.size
    )
    assert collection.get("new").metadata == {"kind": "new"}
    assert collection.search_vectors(vector("another text"), k=1)[0][0].id == "new"


def test_what_a_frame_replaces_is_gone(collection):
    put(collection, {"r3": "replaced"}, kind="new")
    collection.delete(["r4", "r5"])
    put(collection, {"r5": "back again"}, kind="new")
    assert manifest_of(collection).delta is not None
    assert len(collection) == 19
    assert collection.get("r3").text == "replaced"
    assert "r4" not in collection
    assert [record.id for record in collection][-1] == "r5"
    for text, id in (("replaced", "r3"), ("back again", "r5")):
        hits = collection.search_vectors(vector(text), k=19, where="kind = 'new'")[0]
        assert hits[0].id == id
        assert {hit.id for hit in hits} == {"r3", "r5"}
    everything = collection.search_vectors(vector("text 4"), k=30)[0]
    assert len(everything) == 19
    assert "r4" not in {hit.id for hit in everything}


def test_the_ledger_knows_runs_published_as_frames(collection):
    with pytest.raises(embedkit.EmbedkitError):
        collection.run(2)
    collection.upsert(
        [{"id": "x", "text": "fine"}, {"id": "x", "text": "twice"}], vectors=np.eye(2, DIM)
    )
    assert manifest_of(collection).delta is not None
    assert [run.run for run in collection.runs()] == [2, 1]
    run = collection.run(2)
    assert run.status == "done"
    assert [failure.id for failure in run.failures] == ["x"]


def test_another_column_takes_a_snapshot(collection):
    put(collection, {"a": "one"}, kind="new")
    assert manifest_of(collection).delta is not None
    put(collection, {"b": "two"}, colour="red")
    assert manifest_of(collection).delta is None
    assert collection.get("b").metadata == {"kind": None, "colour": "red"}


def test_many_frames_take_a_snapshot(collection, monkeypatch):
    monkeypatch.setattr(publisher, "MOST_FRAMES", 3)
    monkeypatch.setattr(publisher, "LARGEST_SHARE", 1000)
    seen = []
    for i in range(8):
        put(collection, {f"n{i}": f"more {i}"}, kind="new")
        delta = manifest_of(collection).delta
        seen.append(delta.frames if delta else 0)
    assert seen == [1, 2, 3, 0, 1, 2, 3, 0]
    assert len(list(collection.path.glob("records-*"))) <= 4
    assert len(collection) == 28


def test_many_changes_take_a_snapshot(collection, monkeypatch):
    monkeypatch.setattr(publisher, "MOST_KEYS", 5)
    put(collection, {f"n{i}": f"more {i}" for i in range(10)}, kind="new")
    assert manifest_of(collection).delta is None


def test_other_readers_see_a_frame(collection, tmp_path):
    with embedkit.open("c", home=tmp_path) as other:
        assert len(other) == 20
        for i in range(3):
            put(collection, {f"n{i}": f"more {i}"}, kind="new")
            assert other.get(f"n{i}").text == f"more {i}"
            assert other.search_vectors(vector(f"more {i}"), k=1)[0][0].id == f"n{i}"
    with embedkit.open("c", home=tmp_path) as fresh:
        assert len(list(fresh)) == 23


def test_a_view_stays_as_it_was(collection):
    put(collection, {"a": "one"}, kind="new")
    before = collection._existing()
    put(collection, {"a": "two"}, kind="new")
    collection.delete("r1")
    assert collection._existing() is not before
    assert before.get("a")[1].text == "one"
    assert before.get("r1") is not None
    assert len(list(before)) == 21
    assert len(list(collection)) == 20


def broken_once(monkeypatch, method, kinds):
    """Let some work on the tables beside the snapshot be interrupted, when it is done for once."""
    work, left = getattr(snapshot.Overlay, method), [1]

    def interrupted(self, *arguments):
        if self._kinds == kinds and left and method != "define":
            left.pop()
            raise KeyboardInterrupt
        work(self, *arguments)
        if self._kinds == kinds and left:
            left.pop()
            raise KeyboardInterrupt

    monkeypatch.setattr(snapshot.Overlay, method, interrupted)
    return left


@pytest.mark.parametrize("method", ["load", "_insert", "define"])
def test_what_an_interrupted_reader_took_in_by_half_is_read_anew(
    collection, tmp_path, monkeypatch, method
):
    with embedkit.open("c", home=tmp_path) as other:
        assert len(list(other)) == 20
        put(collection, {"r3": "replaced", "new": "another"}, kind="new")
        left = broken_once(monkeypatch, method, snapshot.RECORDS)
        with pytest.raises(KeyboardInterrupt):
            other.get("new")
        assert not left
        assert other.get("new").text == "another"
        assert other.get("r3").text == "replaced"
        put(collection, {"newer": "one more"}, kind="new")
        assert len(list(other)) == 22


@pytest.mark.parametrize("method", ["load", "_insert", "define"])
def test_an_interrupted_look_at_the_ledger_does_no_harm(collection, tmp_path, monkeypatch, method):
    with embedkit.open("c", home=tmp_path) as other:
        put(collection, {"new": "another"}, kind="new")
        assert other.get("new").text == "another"
        left = broken_once(monkeypatch, method, snapshot.LEDGER)
        with pytest.raises(KeyboardInterrupt):
            other.runs()
        assert not left
        assert [run.run for run in other.runs()] == [2, 1], "none is missing and none there twice"
        put(collection, {"newer": "one more"}, kind="new")
        assert [run.run for run in other.runs()] == [3, 2, 1]


def test_a_view_and_its_records_share_connections(collection):
    assert collection.get("r1").text == "text 1"
    put(collection, {"new": "another"}, kind="new")
    view = collection._existing()
    assert "_records" in view.__dict__, "taken over"
    assert view._records._cursor is view._cursors
    assert view._records._cursor() is view.cursor


def test_a_plan_sees_frames(collection):
    put(collection, {"a": "one"}, kind="new")
    collection.delete("r1")
    connection = connect_to_plan(collection._layout, manifest_of(collection))
    ids = {id for (id,) in connection.execute("SELECT id FROM records").fetchall()}
    assert ids == {"a"} | {f"r{i}" for i in range(20) if i != 1}
    assert connection.execute("SELECT max(run) FROM runs").fetchall() == [(2,)]


def test_a_commit_that_was_not_published_takes_a_snapshot(collection):
    with collection._writer() as session:
        session.delete(["r0"])
    assert "r0" in collection, "not published yet"
    put(collection, {"a": "one"}, kind="new")
    assert manifest_of(collection).delta is None
    assert "r0" not in collection


def test_restoring_replays_frames(collection):
    put(collection, {"r2": "changed", "z": "last"}, kind="new")
    collection.delete("r3")
    manifest = manifest_of(collection)
    expected = list(collection)
    layout = Layout(collection.path)
    layout.work.unlink()
    layout.work.with_name("work.duckdb.wal").unlink(missing_ok=True)
    restore(layout, manifest)
    assert all(finding.ok for finding in collection.check()), collection.check()
    put(collection, {"more": "more"}, kind="new")
    assert list(collection) == [*expected, Record("more", "more", {"kind": "new"})]


# -- the file -------------------------------------------------------------------------------------


def frame(generation: int, *seqs: int) -> Frame:
    return Frame(generation, {kind: list(seqs) if kind == "seq" else [] for kind in KEYS}, {})


def test_a_file_is_read_as_far_as_it_is_named(tmp_path):
    path = tmp_path / "records-1.delta"
    file = DeltaFile(path)
    deltas = [file.append(frame(n, n), 1) for n in (2, 3, 4)]
    reader = DeltaFile(path)
    assert reader.advance(deltas[0]) == [frame(2, 2)]
    assert reader.advance(deltas[2]) == [frame(3, 3), frame(4, 4)]
    assert DeltaFile(path).advance(deltas[1]) == [frame(2, 2), frame(3, 3)]


def test_what_a_crash_left_behind_is_overwritten(tmp_path):
    path = tmp_path / "records-1.delta"
    file = DeltaFile(path)
    first = file.append(frame(2, 2), 1)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100] * 50)
    other = DeltaFile(path)
    other.advance(first)
    second = other.append(frame(3, 3), 1)
    assert path.stat().st_size == second.size
    assert DeltaFile(path).advance(second) == [frame(2, 2), frame(3, 3)]


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_is_noticed(tmp_path, harm):
    path = tmp_path / "c" / "records-1.delta"
    path.parent.mkdir()
    delta = DeltaFile(path).append(frame(2, 2), 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(data if harm == "flip" else data[:-1])
    with pytest.raises(DamagedError, match=r"records-1\.delta .*doctor c --repair"):
        DeltaFile(path).advance(delta)
    assert isinstance(delta, Delta)


def test_a_frame_survives_its_bytes():
    import pyarrow as pa

    table = pa.table({"seq": [1, 2], "text": ["a", None], "row": [4, 5]})
    given = Frame(7, {"seq": [1, 2, 3], "run": [1], "source": []}, {"records": table})
    assert read_frames(given.to_bytes() * 1) == [given]


# -- like a dict ----------------------------------------------------------------------------------

IDS = st.sampled_from([f"id{i}" for i in range(8)])
TEXTS = st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.dictionaries(IDS, TEXTS, min_size=1, max_size=4)),
        st.tuples(st.just("delete"), st.lists(IDS, min_size=1, max_size=3)),
        st.tuples(st.just("snapshot"), st.none()),
        st.tuples(st.just("forget"), st.none()),
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_any_sequence_gives_what_a_dict_would_hold(tmp_path_factory, steps):
    home = tmp_path_factory.mktemp("home")
    expected: dict[str, str] = {"first": "the first"}
    with (
        embedkit.open("c", home=home) as collection,
        embedkit.open("c", home=home) as other,
    ):
        put(collection, expected)
        for action, value in steps:
            if action == "put":
                put(collection, value)
                expected |= value
            elif action == "delete":
                collection.delete(value)
                for id in value:
                    expected.pop(id, None)
            elif action == "snapshot":
                collection.rebuild()
            else:
                collection.close()
            for reader in (collection, other):
                agrees(reader, expected)
        with embedkit.open("c", home=home) as fresh:
            agrees(fresh, expected)
        assert all(finding.ok for finding in collection.check()), collection.check()


def agrees(reader, expected: dict[str, str]) -> None:
    assert {record.id: record.text for record in reader} == expected
    assert len(reader) == len(expected)
    for text in set(expected.values()):
        hits = reader.search_vectors(vector(text), k=len(expected) + 3)[0]
        assert {hit.id: hit.text for hit in hits} == expected
        best = {hit.id for hit in hits if hit.score > 0.999}
        assert best == {id for id, held in expected.items() if held == text}


def test_passages_come_and_go_with_frames(tmp_path):
    long = " ".join(f"word{i} of a tale" for i in range(30))
    with embedkit.open(
        "p", home=tmp_path, embedder="hashing", chunk="tokens=20,overlap=0"
    ) as collection:
        collection.upsert([("a", long), ("b", "short and sweet")])
        collection.upsert([("c", long.replace("tale", "song"))])
        collection.upsert([("a", "now it is short")])
        assert manifest_of(collection).delta is not None
        with embedkit.open("p", home=tmp_path, embedder="hashing") as fresh:
            for reader in (collection, fresh):
                assert reader.search("word29 of a song", k=1)[0].id == "c"
                assert len(reader.search("word29", k=10)) == 3
                assert len(reader.passages("c")) > 3
                assert len(reader.passages("a")) == len(reader.passages("b")) == 1
        collection.delete("c")
        assert {hit.id for hit in collection.search("word29", k=10)} == {"a", "b"}
        live = collection._existing().live
        assert int(live.sum()) == 2, "no passage of a deleted or shortened record is left"
        assert all(finding.ok for finding in collection.check()), collection.check()
