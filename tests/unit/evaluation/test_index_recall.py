from __future__ import annotations

import builtins

import numpy as np
import pytest

import embedkit
from embedkit.errors import InvalidInputError, MissingDependencyError, UnknownBackendError
from embedkit.evaluation.index_plot import check_plot, plot
from embedkit.evaluation.index_recall import IndexPoint, with_frontier
from embedkit.testing import clustered_vectors

ROWS, DIM = 4500, 24


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    made = embedkit.open("q", home=tmp_path_factory.mktemp("home"), index="usearch")
    records = [{"id": str(i), "text": f"text {i}"} for i in range(ROWS)]
    made.upsert(records, vectors=clustered_vectors(ROWS, DIM))
    return made


@pytest.fixture(scope="module")
def evaluation(collection):
    told = []
    specs = ["flat", "usearch", "usearch?ef_search=100", "usearch?m=3&ef_construction=8"]
    found = embedkit.evaluate_index(
        collection, specs, n=100, progress=lambda *step: told.append(step)
    )
    assert ("building usearch", 0, 0) in told
    return found


def points(evaluation, index):
    return [p for p in evaluation.points if p.index == index and not p.in_use]


def test_the_index_in_use_comes_first_as_it_is(collection, evaluation):
    first = evaluation.points[0]
    assert first.in_use
    assert evaluation.in_use == first
    assert first.index == "usearch"
    assert first.setting == collection.info().measurement.setting
    assert first.build_seconds is None
    assert first.bytes > ROWS * DIM * 2
    assert not any(point.in_use for point in evaluation.points[1:])


def test_exact_search_finds_all(evaluation):
    (flat,) = points(evaluation, "flat")
    assert (flat.recall, flat.high, flat.setting, flat.tuned) == (1, 1, {}, "")
    assert flat.low > 0.9


def test_an_index_is_measured_at_several_settings_until_it_finds_all(evaluation):
    poor = points(evaluation, "usearch?m=3&ef_construction=8")
    assert len(poor) > 2
    recalls = [point.recall for point in poor]
    assert recalls[0] < recalls[-1]
    assert recalls == sorted(recalls)
    assert all(p.low <= p.recall <= p.high for p in poor)
    assert poor[0].tuned == "ef_search=64"
    assert {p.bytes for p in poor} == {poor[0].bytes}


def test_a_setting_of_the_user_stays(evaluation):
    (pinned,) = points(evaluation, "usearch?ef_search=100")
    assert pinned.setting == {"ef_search": 100}


def test_recall_is_what_numpy_says(collection, evaluation):
    from embedkit.indexes.measure import Sampler

    unit = clustered_vectors(ROWS, DIM)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    queries = Sampler(unit, np.ones(ROWS, bool), "cosine", seed=1).draw(100).queries
    truth = np.argsort(-(queries.astype(np.float64) @ unit.T.astype(np.float64)), axis=1)[:, :10]
    found = collection._read(lambda view: view.index.search(queries, 10, measured=True)).keys
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)])
    assert evaluation.in_use.recall == pytest.approx(recall, abs=0.002)


def test_it_becomes_plain_values(evaluation):
    value = evaluation.to_dict()
    assert value["queries"] == 100
    assert value["points"][0]["setting"] == dict(evaluation.points[0].setting)
    assert "made of its own vectors" in value["how"]


def test_queries_of_the_users_own_are_asked(tmp_path):
    collection = embedkit.open("q", home=tmp_path, embedder="hashing?dim=64")
    collection.upsert([(str(i), f"record number {i} of many") for i in range(300)])
    found = embedkit.evaluate_index(collection, ["flat"], queries=["number 7", "many"], k=5)
    assert (found.queries, found.k, found.rows) == (2, 5, 300)
    assert "given by you" in found.how
    with pytest.raises(InvalidInputError, match="at least one query"):
        embedkit.evaluate_index(collection, ["flat"], queries=[])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"indexes": ["usarch"]}, UnknownBackendError),
        ({"indexes": ["auto"]}, InvalidInputError),
        ({"n": 3}, InvalidInputError),
        ({"k": 0}, InvalidInputError),
    ],
)
def test_what_cannot_be_meant_is_refused(collection, arguments, error):
    with pytest.raises(error):
        embedkit.evaluate_index(collection, **arguments)


def point(recall, speed):
    return IndexPoint("x", {}, recall, recall, recall, 1.0, 1.0, speed, None, 0)


def test_the_frontier_is_what_no_other_beats():
    given = [point(0.9, 100), point(0.95, 100), point(0.99, 50), point(0.98, 40), point(1, 1)]
    assert [p.frontier for p in with_frontier(given)] == [False, True, True, False, True]
    twins = [point(0.9, 100), point(0.9, 100)]
    assert all(p.frontier for p in with_frontier(twins))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_drawn(evaluation, tmp_path, ending):
    path = tmp_path / f"picture.{ending}"
    plot(evaluation, path)
    data = path.read_bytes()
    if ending == "png":
        assert data.startswith(b"\x89PNG")
    else:
        # Curves, and every word a person needs; matplotlib draws text as shapes, named beside.
        text = data.decode()
        for word in ("recall@10", "queries per second", "contract 0.99", "in use", "usearch"):
            assert f"<!-- {word}" in text, word


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_measured(
    tmp_path, monkeypatch
):
    with pytest.raises(InvalidInputError, match=r"ends in \.png, \.svg, \.pdf"):
        check_plot(tmp_path / "picture.bmp")
    with pytest.raises(InvalidInputError, match="folder that is there"):
        check_plot(tmp_path / "none" / "picture.png")
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingDependencyError, match="matplotlib") as failure:
        check_plot(tmp_path / "picture.png")
    assert "embedkit[evaluate]" in str(failure.value)
