"""The calibration that a collection has."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from embedkit import Collection
from embedkit.errors import DamagedError, InvalidInputError
from embedkit.retrieval.calibration import Calibration, fit_corpus
from embedkit.retrieval.confidence import calibration_of, forget, load, save

FILE = "calibration.json"
LABELS = Calibration("labels", 10.5, -0.1 - 0.2, "hashing-384-v1", 42, {"auroc": 0.9})


@pytest.fixture
def words(opened: Callable[..., Collection]) -> Collection:
    collection = opened()
    collection.index([{"id": str(i), "text": f"word{i} of group{i % 5}"} for i in range(50)])
    return collection


def of(collection: Collection) -> Calibration:
    return collection._read(calibration_of)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert not forget(tmp_path)
    save(LABELS, tmp_path)
    assert load(tmp_path) == LABELS
    assert forget(tmp_path)
    assert load(tmp_path) is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"format": 1, "sha256": ""}'])
def test_a_damaged_file_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(DamagedError, match="damaged; calibrate again, or run"):
        load(tmp_path)


def test_every_changed_number_is_noticed(tmp_path: Path) -> None:
    save(LABELS, tmp_path)
    body = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(body | {"slope": 10.6}))
    with pytest.raises(DamagedError):
        load(tmp_path)


def test_without_labels_the_corpus_says_and_is_asked_once_a_generation(words: Collection) -> None:
    found = of(words)
    view = words._existing()
    assert found == fit_corpus(view.vectors.matrix, view.live, model_id=found.model_id)
    assert of(words) is found
    words.upsert([{"id": "new", "text": "something else"}])
    again = of(words)
    assert again is not found
    assert again.n == found.n + 1


def test_labels_come_first_while_the_model_is_theirs(
    words: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    model_id = words.info().model_id
    save(Calibration("labels", 1, 0, model_id, 9, {}), words.path)
    assert of(words).kind == "labels"
    save(Calibration("labels", 1, 0, "another", 9, {}), words.path)
    with caplog.at_level(logging.WARNING):
        assert of(words).kind == "corpus"
    assert "made for another, not for" in caplog.text
    (words.path / FILE).write_text("{}")
    with caplog.at_level(logging.WARNING):
        assert of(words).kind == "corpus"
    assert "damaged" in caplog.text


def test_few_records_say_nothing(opened: Callable[..., Collection]) -> None:
    collection = opened()
    collection.index([{"id": "1", "text": "one"}])
    with pytest.raises(InvalidInputError, match="at least 10 different texts"):
        of(collection)


def test_the_doctor_looks_at_it_and_mends_it(words: Collection) -> None:
    assert "calibration" not in [finding.part for finding in words.check()]
    save(LABELS, words.path)
    found = {finding.part: finding for finding in words.check()}
    assert found["calibration"].ok
    (words.path / FILE).write_text("{}")
    damaged = [finding for finding in words.check() if not finding.ok]
    assert [finding.part for finding in damaged] == ["calibration"]
    assert "embedkit calibrate -c q --forget" in damaged[0].remedy
    assert "calibration" in [finding.part for finding in words.repair()]
    assert all(finding.ok for finding in words.check())
    assert not (words.path / FILE).exists()


def test_it_outlives_new_generations(words: Collection) -> None:
    save(LABELS, words.path)
    words.upsert([{"id": "new", "text": "something else"}])
    words.rebuild()
    assert load(words.path) == LABELS
