"""Any sequence of writes leaves what a dict would hold, and every text finds itself first."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from embedkit import open as open_collection
from embedkit_connectors.memory import MemorySource

IDS = st.sampled_from([f"id {i}" for i in range(6)])
TEXTS = st.sampled_from([f"a text of number {i}" for i in range(7)])
TAGS = st.sampled_from([None, "x", "y"])
ROWS = st.dictionaries(IDS, st.tuples(TEXTS, TAGS), min_size=1, max_size=5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), ROWS),
        st.tuples(st.sampled_from(["index", "sync"]), st.sampled_from("AB"), ROWS),
        st.tuples(st.just("delete"), st.lists(IDS, max_size=3)),
    ),
    min_size=1,
    max_size=6,
)


def as_rows(given):
    return [{"id": id, "text": text, "tag": tag} for id, (text, tag) in given.items()]


class Model:
    """What a collection should hold: id to (text, tag, source)."""

    def __init__(self):
        self.rows = {}
        self.embedded = set()

    def put(self, source, given, sync):
        new = given.keys() - self.rows.keys()
        changed = {id for id in given.keys() - new if self.rows[id][:2] != given[id]}
        gone = {id for id, row in self.rows.items() if row[2] == source and id not in given}
        if source == "upsert":
            gone = set()  # what is brought singly says nothing of the rest
        texts = {text for text, _ in given.values()} - self.embedded
        self.embedded |= texts
        kept = given.keys() - new - changed if source == "upsert" else set()
        self.rows |= {id: (*row, source) for id, row in given.items() if id not in kept}
        if sync:
            for id in gone:
                del self.rows[id]
        unchanged = len(given) - len(new) - len(changed)
        return len(new), len(changed), unchanged, len(gone), len(gone) * sync, len(texts)


# A step takes a tenth of a second: too long to try hundreds of shorter sequences after a failure.
@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(steps=STEPS)
def test_a_collection_holds_what_a_dict_would(scripted, steps):
    embedder, model = scripted(), Model()
    with tempfile.TemporaryDirectory() as home:
        collection = open_collection("q", home=home, embedder=embedder, index="flat")
        collection.upsert([{"id": "first", "text": "the first of all", "tag": "x"}])
        model.put("upsert", {"first": ("the first of all", "x")}, False)
        for what, *arguments in steps:
            if what == "delete":
                there = {id for id in arguments[0] if id in model.rows}
                assert collection.delete(arguments[0]) == len(there)
                for id in there:
                    del model.rows[id]
                continue
            source, given_rows = arguments if len(arguments) == 2 else ("upsert", arguments[0])
            rows = as_rows(given_rows)
            if what == "upsert":
                report = collection.upsert(rows)
            else:
                report = collection.index(MemorySource(rows, name=source), sync=what == "sync")
            wanted = model.put(source, given_rows, what == "sync")
            got = (report.new, report.changed, report.unchanged, report.gone, report.removed)
            assert (*got, report.embedded) == wanted
        holds_what_the_model_does(collection, model)
        assert sorted(embedder.sent) == sorted(model.embedded), "no text was sent twice"


def holds_what_the_model_does(collection, model):
    held = {r.id: (r.text, r.metadata["tag"]) for r in collection}
    assert held == {id: row[:2] for id, row in model.rows.items()}
    assert len(collection) == len(held)
    texts = sorted({text for text, _ in held.values()})
    for text, hits in zip(texts, collection.search_many(texts, k=20), strict=True):
        equal = {id for id, row in held.items() if row[0] == text}
        assert {hit.id for hit in hits[: len(equal)]} == equal
        assert hits[0].score == pytest.approx(1, abs=1e-5)
        assert len(hits) == len(held)
    matching = {id for id, row in held.items() if row[1] == "x"}
    if texts:
        assert {hit.id for hit in collection.search("text", k=20, where="tag = 'x'")} == matching
