"""A collection of long texts: cut, embedded by passage, found by record."""

from __future__ import annotations

import hashlib
import itertools

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedkit
from embedkit.errors import (
    DamagedError,
    EmbedkitError,
    InvalidInputError,
    RecordNotFoundError,
    UnsupportedOperationError,
)
from embedkit.retrieval.calibration import fit_corpus
from embedkit.retrieval.confidence import calibration_of
from embedkit.store import database
from embedkit.store.manifest import Manifest

CHUNK = "tokens=20,overlap=5"


def sentence(topic, number=0):
    return f"The {topic} number {number} is what this sentence speaks of, and of nothing else. "


def story(*topics):
    return "\n\n".join(
        sentence(topic, i) + sentence(topic, i + 100) for i, topic in enumerate(topics)
    )


TEXTS = {
    "long": story("harbour", "violin", "glacier", "bakery", "telescope"),
    "other": story("desert", "cinema", "orchid"),
    "short": "A violin.",
}


def rows(texts):
    return [{"id": id, "text": text, "size": len(text)} for id, text in texts.items()]


@pytest.fixture
def filled(opened):
    collection = opened(embedder="hashing", chunk=CHUNK)
    collection.index(rows(TEXTS))
    return collection


def stored(collection):
    """Return what the collection holds: each record's passages with their vectors."""
    view = collection._existing()
    return {
        id: [(p.start, p.stop) for p in collection.passages(id)]
        for (id,) in view.query("SELECT id FROM records ORDER BY id")
    }


def sound(collection):
    """Every passage has the vector of its text, and the collection is whole."""
    assert [finding for finding in collection.check() if not finding.ok] == []
    view = collection._existing()
    texts = set()
    for (id,) in view.query("SELECT id FROM records"):
        passages = collection.passages(id)
        record = collection.get(id)
        assert passages[0].start == 0
        assert passages[-1].stop == len(record.text)
        for passage in passages:
            assert record.text[passage.start : passage.stop] == passage.text
            (hit, *_) = collection.search(passage.text, k=len(view.live))
            assert hit.score == pytest.approx(1, abs=1e-5)
    texts = {
        p.text for (id,) in view.query("SELECT id FROM records") for p in collection.passages(id)
    }
    assert view.live.sum() == len(texts)


def test_a_record_stays_one_record_and_is_found_by_its_best_passage(filled):
    assert len(filled) == 3
    assert filled.get("long").text == TEXTS["long"]
    hits = filled.search("telescope number 4 sentence", k=3)
    assert next(hit.id for hit in hits) == "long"
    assert len({hit.id for hit in hits}) == 3
    passage = hits[0].passage
    assert "telescope" in passage.text
    assert "harbour" not in passage.text
    assert hits[0].text == TEXTS["long"]
    assert TEXTS["long"][passage.start : passage.stop] == passage.text == hits[0].best_text
    assert 1 < passage.part <= passage.parts
    assert hits[0].to_dict()["passage"]["part"] == passage.part
    sound(filled)


def test_what_follows_a_passage_continues_it_without_repeating_it(filled):
    passages = filled.passages("long")
    assert [p.part for p in passages] == list(range(1, len(passages) + 1))
    assert {p.parts for p in passages} == {len(passages)}
    for before, after in itertools.pairwise(passages):
        assert TEXTS["long"][before.stop : after.stop] == before.continuation != ""
        assert after.start < before.stop
    assert passages[-1].continuation == ""


def test_a_text_that_fits_is_not_cut(filled):
    (hit,) = filled.search("violin", k=1, where="id = 'short'")
    assert hit.passage is None
    assert "passage" not in hit.to_dict()
    (whole,) = filled.passages("short")
    assert (whole.text, whole.part, whole.parts) == ("A violin.", 1, 1)
    with pytest.raises(RecordNotFoundError, match="ids look like 'long'"):
        filled.passages("nobody")


def test_there_are_as_many_records_as_asked_for_however_many_passages_are_near(opened):
    collection = opened(embedder="hashing", chunk=CHUNK)
    # All passages of one record are nearer than any of the others.
    texts = {"near": story(*["lighthouse"] * 60)} | {
        str(i): story(f"thing{i}", f"matter{i}") for i in range(30)
    }
    collection.index(rows(texts))
    for k in (1, 2, 10, 31, 100):
        hits = collection.search(sentence("lighthouse"), k=k)
        assert len({hit.id for hit in hits}) == len(hits) == min(k, 31)
        assert hits[0].id == "near"
        assert [hit.score for hit in hits] == sorted((h.score for h in hits), reverse=True)
    assert len(collection.search("lighthouse", k=50, where="size < 1000")) == 30
    assert len(collection.search("lighthouse", k=5, where="id IN ('near', '3')")) == 2
    page = collection.search("lighthouse", k=10, offset=5)
    assert [h.id for h in page] == [h.id for h in collection.search("lighthouse", k=15)[5:]]


def test_a_filter_reaches_every_passage(filled):
    (hit,) = filled.search("telescope", k=5, where="id = 'long'")
    assert "telescope" in hit.passage.text


def test_neighbours_of_a_record_are_those_of_the_mean_of_its_passages(opened):
    collection = opened(embedder="hashing", chunk=CHUNK)
    texts = {"a": story("harbour", "violin"), "b": story("violin", "harbour"), "c": story("x", "y")}
    collection.index(rows(texts))
    hits = collection.similar("a", k=5)
    assert [hit.id for hit in hits] == ["b", "c"]
    assert hits[0].passage is not None
    vectors = embedkit.embedder("hashing").embed([p.text for p in collection.passages("a")])
    mean = vectors.mean(axis=0)
    expected = collection.search_vectors(mean / np.linalg.norm(mean), k=3)[0]
    assert [(h.id, h.score) for h in hits] == [(h.id, h.score) for h in expected if h.id != "a"]


def test_pairs_are_of_whole_texts_not_of_their_beginnings(opened):
    collection = opened(chunk=CHUNK)
    beginning = story("harbour", "harbour", "harbour")
    texts = {
        "a": beginning + story("violin", "glacier", "orchid", "bakery", "cinema"),
        "b": beginning + story("desert", "telescope", "volcano", "airship", "lemon"),
        "a again": beginning + story("violin", "glacier", "orchid", "bakery", "cinema"),
        "nearly a": beginning + story("violin", "glacier", "orchid", "bakery", "theatre"),
    }
    collection.index(rows(texts))
    scores = {frozenset((p.id1, p.id2)): p.score for p in collection.pairs(threshold=0.1)}
    assert len(scores) == 4
    assert scores[frozenset(("a", "a again"))] == pytest.approx(1, abs=1e-6)
    near, far = scores[frozenset(("a", "nearly a"))], scores[frozenset(("a", "b"))]
    assert 1 > near > far
    assert [p.exact for p in collection.pairs(threshold=0.1)] == [True] + [False] * 3


def test_overlapping_passages_do_not_count_as_related_texts(opened):
    collection = opened(chunk="tokens=40,overlap=30")
    nonsense = {
        str(i): " ".join(f"{hashlib.md5(bytes([i, j])).hexdigest()[:7]}" for j in range(60))
        for i in range(20)
    }
    collection.index(rows(nonsense))
    view = collection._existing()
    everything = fit_corpus(view.vectors.matrix, view.live).measured["related"]
    apart = calibration_of(view)
    assert apart.n == len(collection)
    assert apart.measured["related"] < everything - 0.1


def test_a_reranker_reads_the_passage(filled):
    read = []

    class Reader:
        model_id = "reader"

        def rerank(self, query, texts):
            read.extend(texts)
            return np.array([len(text) for text in texts], np.float32)

    filled.search("telescope", k=1, rerank=Reader())
    assert 0 < max(map(len, read)) < 150


def test_an_explanation_is_of_the_passage(filled):
    (hit,) = filled.search("telescope", k=1, explain=True)
    assert {share.word for share in hit.why.words} >= {"telescope"}
    assert all(share.word in hit.passage.text for share in hit.why.words)


# -- indexing ---------------------------------------------------------------------------------


def test_an_edited_text_embeds_only_the_passages_that_changed(filled):
    before = stored(filled)
    texts = TEXTS | {"long": TEXTS["long"] + sentence("submarine", 9)}
    plan = filled.index(rows(texts), dry_run=True)
    report = filled.index(rows(texts))
    assert (report.changed, report.unchanged) == (1, 2)
    assert 1 <= report.embedded <= 2
    assert plan.embedded == report.embedded
    assert plan.reused == report.reused == len(stored(filled)["long"]) - report.embedded
    assert stored(filled)["long"][: len(before["long"]) - 1] == before["long"][:-1]
    sound(filled)


def test_metadata_alone_embeds_nothing_and_keeps_the_passages(filled):
    before = stored(filled)
    changed = [row | {"size": 1} for row in rows(TEXTS)]
    report = filled.index(changed)
    assert (report.changed, report.embedded) == (3, 0)
    assert stored(filled) == before
    sound(filled)


def test_a_text_that_becomes_short_and_long_again(filled):
    filled.upsert([{"id": "long", "text": "Short now."}])
    assert stored(filled)["long"] == [(0, 10)]
    sound(filled)
    report = filled.upsert([{"id": "long", "text": TEXTS["long"]}])
    assert report.embedded == 0
    sound(filled)


def test_deleted_records_take_their_passages_along(filled):
    filled.delete("other")
    assert filled._existing().query("SELECT count(DISTINCT seq) FROM passages") == [(1,)]
    sound(filled)
    report = filled.index(rows({"short": TEXTS["short"]}), sync=True)
    assert report.removed == 1
    assert filled._existing().query("SELECT count(*) FROM passages") == [(0,)]
    sound(filled)


def test_equal_passages_are_embedded_once(opened, scripted):
    model = scripted()
    collection = opened(embedder=model, chunk=CHUNK)
    both = story("harbour", "violin")
    report = collection.index(rows({"a": both, "b": both, "c": both + sentence("end")}))
    assert len(model.done) == len(set(model.done)) == report.embedded
    assert report.embedded < len(stored(collection)["a"]) + 3
    sound(collection)


def test_a_passage_that_fails_fails_its_record_with_the_reason_and_no_other(opened, scripted):
    class Picky(scripted):
        def _embed(self, texts, input_type):
            if any("violin" in text for text in texts):
                raise InvalidInputError("no violins")
            return super()._embed(texts, input_type)

    collection = opened(embedder=Picky(), chunk=CHUNK)
    report = collection.index(rows(TEXTS))
    assert (report.new, report.failed) == (1, 2)
    failures = {f.id: f for f in collection.run(report.run).failures}
    assert set(failures) == {"long", "short"}
    assert "no violins" in failures["long"].reason
    assert "violin" in failures["long"].excerpt
    assert set(stored(collection)) == {"other"}
    # What was embedded of the failed record is not embedded again.
    changed = TEXTS | {"long": TEXTS["long"].replace("violin", "cello"), "short": "Cello."}
    report = collection.index(rows(changed))
    assert (report.new, report.failed) == (2, 0)
    assert 1 <= report.embedded < len(stored(collection)["long"])
    sound(collection)


def test_a_record_is_there_only_once_all_its_passages_are(opened, scripted):
    model = scripted()
    collection = opened(embedder=model, chunk=CHUNK)
    report = collection.index(rows(TEXTS), max_texts=8)
    assert report.status == "stopped"
    assert len(collection) < 3
    sound(collection)
    model.done.clear()
    report = collection.index(rows(TEXTS))
    assert len(collection) == 3
    total = len(collection._existing().live)
    assert report.embedded == total - 8 == len(model.done)
    sound(collection)


# -- settings ---------------------------------------------------------------------------------


def test_the_chunks_are_a_setting_of_the_collection(filled, opened, home):
    assert Manifest.read(home / "q" / "manifest.json").chunk == CHUNK
    assert filled.info().chunk == CHUNK
    opened().index(rows({"new": TEXTS["long"]}))
    assert len(stored(filled)["new"]) == len(stored(filled)["long"])
    opened(chunk="overlap=5, tokens=20")
    with pytest.raises(InvalidInputError, match=r"'q' has tokens=20,overlap=5.*got tokens=30"):
        opened(chunk="tokens=30")
    opened("plain").upsert(rows(TEXTS))
    with pytest.raises(InvalidInputError, match=r"'plain' has no chunks"):
        opened("plain", chunk=CHUNK)


def test_a_collection_without_chunks_can_be_read_by_who_does_not_know_them(opened, home):
    opened(embedder="hashing").upsert(rows(TEXTS))
    manifest = Manifest.read(home / "q" / "manifest.json")
    assert manifest.chunk is None
    assert b"chunk" not in manifest.to_bytes()
    assert b'"format": 1' in manifest.to_bytes()


def test_chunks_that_the_model_does_not_read_leave_nothing_behind(opened, home):
    with pytest.raises(InvalidInputError, match="at most 256 tokens"):
        opened(embedder="minilm", chunk="tokens=300").upsert(rows(TEXTS))
    assert not (home / "q").exists()


def test_vectors_of_your_own_have_no_passages(filled, opened):
    for collection in (filled, opened("fresh", chunk=CHUNK)):
        with pytest.raises(UnsupportedOperationError, match="cuts texts into passages"):
            collection.upsert([{"id": "x", "text": "x"}], vectors=np.eye(384)[:1])


# -- models and damage ------------------------------------------------------------------------


def test_a_change_of_models_takes_the_passages_along_and_back(filled):
    before = stored(filled)
    report = filled.migrate("hashing?dim=64")
    assert report.switched
    assert report.texts == report.embedded == filled._existing().live.sum()
    assert stored(filled) == before
    sound(filled)
    late = filled.upsert([{"id": "late", "text": story("airship", "volcano")}])
    back = filled.migrate_back()
    assert back.embedded == late.embedded > 1
    assert filled.search("volcano", k=1)[0].id == "late"
    sound(filled)


def test_a_model_that_reads_less_than_a_chunk_is_refused(opened):
    collection = opened(embedder="hashing", chunk="tokens=300")
    collection.upsert(rows(TEXTS))
    with pytest.raises(InvalidInputError, match=r"at most 256 tokens.*tokens=300"):
        collection.migrate("minilm")
    assert collection.info().embedder == "hashing"


def test_damaged_vectors_of_passages_are_embedded_again(filled, home):
    path = home / "q" / "vectors.f32"
    data = bytearray(path.read_bytes())
    for row in (1, len(filled._existing().live) - 1):
        data[row * 384 * 4 + 5] ^= 0xFF
    filled.close()
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedError):
        filled.search("violin")
    done = filled.repair()
    assert any("2 embedded again" in finding.detail for finding in done)
    sound(filled)


def test_a_lost_database_is_mended_with_its_passages(filled, home):
    before = stored(filled)
    filled.close()
    (home / "q" / "work.duckdb").write_bytes(b"garbage")
    filled.repair()
    assert stored(filled) == before
    assert filled.info().chunk == CHUNK
    sound(filled)


def test_a_collection_of_before_passages_is_read_as_it_is_and_migrated_by_a_write(
    opened, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", database.MIGRATIONS[:3])
        with opened() as before:
            before.upsert(rows(TEXTS))
    with opened() as collection:
        with pytest.raises(duckdb.CatalogException):
            collection._existing().cursor.execute("FROM passages")
        assert [hit.passage for hit in collection.search("violin", k=3)] == [None] * 3
        assert collection.similar("short", k=1)[0].id == "long"
        assert (collection.info().chunk, collection.info().passages) == (None, None)
        assert collection.index(rows(TEXTS), dry_run=True).unchanged == 3
        collection.delete("other")
        assert collection._existing().query("FROM passages") == []
        sound(collection)


# -- anything at all --------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["harbour", "violin", "a", "the", "is.", "So.", "\n\n", "漢字。", "😀", "x" * 90]
)
ANY_TEXT = st.lists(WORDS, min_size=1, max_size=80).map(" ".join).filter(str.strip)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), ANY_TEXT, min_size=1), min_size=1, max_size=3)
)
@settings(max_examples=15, deadline=None)
def test_whatever_is_indexed_in_turn_ends_as_if_it_were_indexed_at_once(tmp_path_factory, steps):
    home = tmp_path_factory.mktemp("home")
    collection = embedkit.open("q", home=home, embedder="hashing", chunk=CHUNK)
    wanted: dict[str, str] = {}
    for step in steps:
        collection.upsert(rows(step))
        wanted |= step
    again = embedkit.open("again", home=home, embedder="hashing", chunk=CHUNK)
    again.upsert(rows(wanted))
    assert stored(collection) == stored(again)
    sound(collection)
    assert collection.upsert(rows(wanted)).embedded == 0


def test_errors_of_chunks_are_errors_of_ours(opened):
    with pytest.raises(EmbedkitError, match="did you mean 'tokens'"):
        opened(chunk="token=3")


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_words_find_the_passage_that_has_them(filled, mode):
    hits = filled.search("telescope", k=3, mode=mode)
    assert hits[0].id == "long"
    assert "telescope" in hits[0].passage.text
    assert len({hit.id for hit in hits}) == len(hits)
    filled.upsert([{"id": "late", "text": TEXTS["other"] + sentence("zeppelin")}])
    (hit, *_) = filled.search("zeppelin", k=3, mode=mode)
    assert hit.id == "late"
    assert "zeppelin" in hit.passage.text


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_words_that_all_passages_of_one_record_have_bring_other_records_too(opened, mode):
    collection = opened(chunk=CHUNK)
    texts = {"near": story(*["lighthouse"] * 60)} | {
        str(i): story(f"thing{i}", "lighthouse") for i in range(15)
    }
    collection.index(rows(texts))
    assert len({hit.id for hit in collection.search("lighthouse", k=16, mode=mode)}) == 16
