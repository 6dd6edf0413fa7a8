from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embedkit.errors import InvalidInputError, UnknownBackendError
from embedkit.indexes import auto, contract
from embedkit.indexes.auto import AutoBackend
from embedkit.indexes.measure import Sampler
from embedkit.indexes.promise import check_recall
from embedkit.indexes.rows import RowIndex
from embedkit.testing import clustered_vectors
from embedkit.types import IndexMeasurement
from embedkit.validate import normalize

ROWS, DIM = 3000, 30


@pytest.fixture(scope="module")
def unit():
    return normalize(clustered_vectors(ROWS, DIM))


@pytest.fixture(scope="module")
def uneasy():
    """Vectors without any structure: no index likes them."""
    rng = np.random.default_rng(0)
    return normalize(rng.standard_normal((3000, 96)).astype(np.float32))


def built(vectors, spec, *, metric="cosine", live=None, **options):
    live = np.ones(len(vectors), bool) if live is None else live
    return contract.build(vectors, metric=metric, spec=spec, live=live, **options)


def fresh_recall(vectors, index, *, metric="cosine", live=None, seed=77, n=1000):
    live = np.ones(len(vectors), bool) if live is None else live
    sampler = Sampler(vectors, live, metric, seed=seed)
    return float(sampler.recalls(index, sampler.draw(n)).mean())


@pytest.mark.parametrize(
    ("spec", "metric"),
    [
        ("turbovec", "cosine"),
        ("turbovec", "inner_product"),
        ("usearch", "inner_product"),
        ("annoy", "cosine"),
    ],
)
def test_what_was_promised_is_found_on_other_queries(unit, spec, metric):
    vectors = unit if metric == "cosine" else clustered_vectors(ROWS, DIM)
    found = built(vectors, spec, metric=metric)
    measured = found.measurement
    assert found.resolved == spec
    assert measured.met
    assert measured.target == 0.99 <= measured.low <= measured.recall <= measured.high
    assert measured.queries >= 400
    assert (measured.k, measured.rows, measured.changed) == (10, ROWS, 0)
    assert 0 < measured.p50 <= measured.p95
    assert measured.setting == found.index.backend.setting
    assert fresh_recall(vectors, found.index, metric=metric) >= 0.99


def test_the_quickest_step_that_is_good_enough_is_taken(uneasy):
    index = RowIndex.build(uneasy, metric="cosine", spec="usearch", live=np.ones(3000, bool))
    index = index.tuned({"ef_search": 64})
    assert fresh_recall(uneasy, index) < 0.99
    modest, strict = (built(uneasy, "usearch", recall=recall) for recall in (0.9, 0.995))
    assert modest.measurement.setting["ef_search"] < strict.measurement.setting["ef_search"]
    assert fresh_recall(uneasy, modest.index) >= 0.9
    assert fresh_recall(uneasy, strict.index) >= 0.995


def test_a_contract_that_no_setting_keeps_makes_the_search_exact(uneasy):
    found = built(uneasy, "usearch?m=2&ef_construction=1", recall=0.995)
    assert found.resolved == "flat"
    measured = found.measurement
    assert (measured.met, measured.low, measured.queries) == (True, 1, 0)
    assert "search is exact" in measured.note
    assert measured.tried[0].spec == "usearch?m=2&ef_construction=1"
    assert measured.tried[0].low < 0.995
    assert fresh_recall(uneasy, found.index) == 1


def test_a_denser_index_is_built_before_search_is_exact(uneasy, monkeypatch):
    from embedkit.indexes.usearch import UsearchBackend

    monkeypatch.setattr(UsearchBackend, "steps", (64,))
    found = built(uneasy, "usearch", recall=0.985)
    assert found.resolved == "usearch"
    assert found.index.backend.m == 32
    assert fresh_recall(uneasy, found.index) >= 0.985


def test_what_the_user_sets_stays_and_what_it_misses_is_said(unit):
    found = built(unit, "annoy?search_k=1&n_trees=1")
    measured = found.measurement
    assert found.resolved == "annoy"
    assert not measured.met
    assert measured.low < measured.recall < 0.99
    assert "below 0.99" in measured.note
    assert measured.setting == {"search_k": 1}


def test_a_recall_of_one_is_exact_search(unit):
    found = built(unit, "usearch", recall=1)
    assert found.resolved == "flat"
    assert found.index.sizes.base == 0
    assert (found.measurement.recall, found.measurement.note) == (1, "")


@pytest.mark.parametrize("value", [0, -0.1, 1.5, float("nan"), True, "0.99", None])
def test_a_recall_that_cannot_be_promised_is_refused(value):
    with pytest.raises(InvalidInputError, match=r"in \(0, 1\]"):
        check_recall(value)


def test_an_unknown_spec_is_refused_also_for_exact_search(unit):
    with pytest.raises(UnknownBackendError):
        built(unit, "usarch", recall=1)


@pytest.mark.parametrize("rows", [0, 1, 7, 200])
def test_few_rows_are_searched_exactly(unit, rows):
    found = built(unit[:rows], "turbovec")
    assert found.measurement.met
    assert found.measurement.rows == rows
    assert found.measurement.k == min(10, rows)


def test_copies_of_a_vector_are_as_good_as_each_other(unit):
    vectors = np.repeat(unit[:100], 40, axis=0)
    found = built(vectors, "usearch")
    assert found.measurement.met


# -- auto ---------------------------------------------------------------------------------------


def test_auto_takes_the_quickest_that_keeps_the_contract(unit, monkeypatch):
    monkeypatch.setattr(auto, "FLAT_ROWS", 2500)
    found = built(unit, "auto?build_seconds=20")
    tried = {trial.spec: trial for trial in found.measurement.tried}
    assert set(tried) == set(auto.COSTS)
    kept = [t for t in tried.values() if t.outcome in ("chosen", "slower")]
    assert len(kept) == 3
    chosen = min(kept, key=lambda trial: trial.p50)
    assert (chosen.outcome, chosen.spec) == ("chosen", found.resolved)
    assert found.measurement.tried[0] == chosen
    assert "not built" in tried["pynndescent"].outcome


def test_auto_does_not_build_what_takes_out_of_proportion_long():
    considered, left_out = AutoBackend().candidates_for(100_000, 384)
    assert considered == ["turbovec"]
    assert left_out["usearch"].startswith("not built: about 18 s, allowed are 2")
    considered, left_out = AutoBackend(build_seconds=30).candidates_for(100_000, 384)
    assert considered == ["turbovec", "annoy", "usearch"]


def test_auto_names_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(auto, "is_installed", lambda name: name == "usearch")
    considered, left_out = AutoBackend(build_seconds=100).candidates_for(100_000, 384)
    assert considered == ["usearch"]
    assert left_out["annoy"] == "not installed"


def test_auto_goes_on_where_a_library_fails(unit, monkeypatch):
    from embedkit.indexes.turbovec import TurbovecBackend

    def fail(self, vectors):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(auto, "FLAT_ROWS", 2500)
    monkeypatch.setattr(auto, "is_installed", lambda name: name in ("turbovec", "usearch"))
    monkeypatch.setattr(TurbovecBackend, "build", fail)
    found = built(unit, "auto")
    assert found.resolved == "usearch"
    assert any("out of luck" in trial.outcome for trial in found.measurement.tried)


def test_what_auto_chose_is_loaded_again(unit, monkeypatch, tmp_path):
    monkeypatch.setattr(auto, "FLAT_ROWS", 2500)
    monkeypatch.setattr(auto, "is_installed", lambda name: name == "usearch")
    found = built(unit, "auto")
    assert found.resolved == "usearch"
    found.index.save(tmp_path / "index")
    live = np.ones(ROWS, bool)
    loaded = RowIndex.load(tmp_path / "index", unit, metric="cosine", live=live)
    loaded = loaded.tuned(found.measurement.setting)
    assert loaded.resolved == "usearch"
    assert np.array_equal(loaded.search(unit[:9], 10).keys, found.index.search(unit[:9], 10).keys)


# -- drift --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(unit):
    return built(unit, "usearch").measurement


@pytest.mark.parametrize(
    ("recall", "rows", "changed", "expected"),
    [
        (0.99, 10_000, 0, False),
        (0.99, 10_999, 999, False),
        (0.99, 11_001, 1001, True),
        (0.99, 8999, 1001, True),
        # As many came as went.
        (0.99, 10_000, 1001, True),
        (0.95, 10_000, 0, True),
    ],
)
def test_drift_is_noticed(measured, recall, rows, changed, expected):
    before = replace(measured, rows=10_000)
    assert contract.due(before, recall, rows, changed) is expected
    assert contract.due(None, recall, rows, changed)


def test_a_setting_that_still_holds_is_kept_without_a_build(unit):
    found = built(unit, "usearch")
    live = np.arange(ROWS) % 5 > 0
    index = found.index.refreshed(unit, live)
    sampler = Sampler(unit, live, "cosine", seed=3)
    again = contract.kept(index, sampler, "usearch", found.measurement, 0.99)
    assert again is not None
    assert again.index.backend._index is index.backend._index
    assert again.measurement.setting == found.measurement.setting
    assert (again.measurement.rows, again.measurement.changed) == (2400, 600)


def test_a_setting_that_no_longer_holds_is_tuned_anew(uneasy):
    found = built(uneasy, "usearch", recall=0.9)
    sampler = Sampler(uneasy, np.ones(3000, bool), "cosine", seed=3)
    again = contract.kept(found.index, sampler, "usearch", found.measurement, 0.995)
    assert again is not None
    assert again.measurement.met
    assert again.measurement.setting["ef_search"] > found.measurement.setting["ef_search"]


def test_what_no_setting_saves_is_to_be_built_anew(uneasy):
    spec = "usearch?m=2&ef_construction=1"
    index = RowIndex.build(uneasy, metric="cosine", spec=spec, live=np.ones(3000, bool))
    sampler = Sampler(uneasy, np.ones(3000, bool), "cosine", seed=3)
    assert contract.kept(index, sampler, spec, None, 0.995) is None


def test_a_measurement_survives_json(measured):
    assert IndexMeasurement.from_dict(measured.to_dict()) == replace(
        measured, measured=measured.measured.replace(microsecond=0)
    )


def test_where_all_vectors_are_one_and_the_same_nothing_is_tuned(unit):
    same = np.repeat(unit[:1], 5000, axis=0)
    found = built(same, "turbovec")
    assert found.resolved == "flat"
    assert "all vectors are alike" in found.measurement.note
    same[17] = unit[1]
    found = found.index.search(unit[1:2], 1)
    assert found.keys[0, 0] == 17


def test_an_index_that_is_tuned_anew_stays_as_it_is_for_those_who_search_with_it(uneasy):
    found = built(uneasy, "usearch", recall=0.8)
    index, before = found.index, found.measurement
    backend = index.backend
    answers = index.search(uneasy[:200], 10, measured=True).keys
    seen = []

    class Watching(Sampler):
        def recalls(self, tried, questions):
            seen.append((backend.setting, tried.backend.setting))
            return super().recalls(tried, questions)

    sampler = Watching(uneasy, np.ones(len(uneasy), bool), "cosine", seed=5)
    again = contract.kept(index, sampler, "usearch", before, 0.995)
    assert again.measurement.setting != before.setting
    assert again.index.backend.setting == again.measurement.setting
    assert {tuple(own.items()) for own, _ in seen} == {tuple(before.setting.items())}
    assert len({tuple(tried.items()) for _, tried in seen}) > 1
    assert index.backend is backend
    assert np.array_equal(index.search(uneasy[:200], 10, measured=True).keys, answers)
    assert again.index.backend._index is backend._index, "the graph was copied"


def test_each_of_two_that_auto_chose_has_its_own_setting(unit):
    chosen = AutoBackend.of("usearch")
    index = RowIndex.build(
        unit, metric="cosine", spec="auto", live=np.ones(ROWS, bool), backend=chosen
    ).tuned({"ef_search": 64})
    wider = index.tuned({"ef_search": 512})
    assert index.tuned({"ef_search": 64}) is index
    assert [i.backend.setting["ef_search"] for i in (index, wider)] == [64, 512]


def test_an_index_that_is_yet_to_be_read_is_tuned_apart_too(unit, tmp_path):
    live = np.ones(ROWS, bool)
    RowIndex.build(unit, metric="cosine", spec="usearch", live=live).save(tmp_path / "index")

    def failed(error):
        raise error

    index = RowIndex.load(tmp_path / "index", unit, metric="cosine", live=live, failed=failed)
    first = index.tuned({"ef_search": 64})
    second = first.tuned({"ef_search": 512})
    assert [i.backend.setting["ef_search"] for i in (index, first, second)] == [128, 64, 512]
