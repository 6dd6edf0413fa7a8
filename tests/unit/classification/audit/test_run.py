"""The whole audit, on questions of which we know what is wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import embedkit
from embedkit.errors import ColumnError, InvalidInputError
from tests.conftest import ScriptedEmbedder
from tests.unit.classification.audit.world import flipped, questions, write

QUICK = {"embedder": "hashing", "folds": 4}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_label_errors_are_found(home: Path, tmp_path: Path, seed: int) -> None:
    rows = questions()
    labels, wrong = flipped(rows, 0.05, seed)
    path = write(
        tmp_path / "q.csv",
        [(text, label) for (text, _), label in zip(rows, labels, strict=True)],
        ("text", "label"),
    )
    found = embedkit.audit_labels(path, home=home, **QUICK)
    places = {error.line - 2 for error in found.errors}
    hits = places & wrong
    assert len(hits) >= 0.7 * len(wrong)
    assert len(hits) >= 0.5 * len(places)
    assert found.noise == pytest.approx(0.05, abs=0.03)
    right = [e for e in found.errors if e.suggested == rows[e.line - 2][1]]
    assert len(right) >= 0.9 * len(hits)
    assert [error.score for error in found.errors] == sorted(
        (error.score for error in found.errors), reverse=True
    )


def test_right_labels_are_left_alone(home: Path) -> None:
    found = embedkit.audit_labels(
        [{"text": text, "label": label} for text, label in questions()], home=home, **QUICK
    )
    assert found.errors == ()
    assert found.expected_precision is None
    assert found.noise < 0.01
    assert found.accuracy.mean > 0.95
    assert {facts.label: facts.rows for facts in found.classes} == {
        "travel": 108,
        "cooking": 144,
        "gardening": 144,
    }


def test_running_again_embeds_nothing(home: Path) -> None:
    embedder = ScriptedEmbedder()
    rows = [{"text": text, "label": label} for text, label in questions()[:60]]
    first = embedkit.audit_labels(rows, home=home, embedder=embedder, folds=3)
    sent = len(embedder.sent)
    assert sent == 60
    again = embedkit.audit_labels(rows, home=home, embedder=embedder, folds=3)
    assert len(embedder.sent) == sent
    assert again.errors == first.errors


def test_tables_as_files(home: Path, tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in questions()[:90]]
    rows[0] = {"text": "=how do I boil rice", "label": "travel"}
    rows.append({"text": "How do I boil RICE?", "label": "cooking"})
    found = embedkit.audit_labels(rows, home=home, **QUICK)
    files = found.write(tmp_path / "out")
    assert [path.name for path in files] == [
        f"{name}.csv"
        for name in ("errors", "conflicts", "duplicates", "classes", "confusions", "spellings")
    ]
    with (tmp_path / "out" / "conflicts.csv").open(newline="", encoding="utf-8-sig") as file:
        read = list(csv.DictReader(file))
    assert [row["kind"] for row in read if row["line"] in ("1", "91")] == ["equal"]
    assert "'=how do I boil rice" in {read[0]["text"], read[0]["other_text"]}
    with pytest.raises(InvalidInputError, match=r"errors\.csv.*--force"):
        found.write(tmp_path / "out")
    found.write(tmp_path / "out", force=True)


def test_bad_input(home: Path) -> None:
    rows = [{"text": "a b", "label": "x"}, {"text": "c d", "label": "x"}]
    with pytest.raises(InvalidInputError, match="at least two labels, got one, 'x'"):
        embedkit.audit_labels(rows, home=home, **QUICK)
    with pytest.raises(ColumnError, match="did you mean 'label'"):
        embedkit.audit_labels(rows, label="lable", home=home, **QUICK)
    with pytest.raises(InvalidInputError, match="at least 2 folds"):
        embedkit.audit_labels(rows, home=home, embedder="hashing", folds=1)
    with pytest.raises(InvalidInputError, match="cosine above 0"):
        embedkit.audit_labels(rows, home=home, near=1.5, **QUICK)


def test_many_rows_are_learned_from_by_samples(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedkit.classification.audit.evidence.LARGE", 150)
    monkeypatch.setattr("embedkit.classification.audit.run.LARGE", 150)
    rows = questions()
    labels, wrong = flipped(rows, 0.05, 5)
    given = [{"text": text, "label": label} for (text, _), label in zip(rows, labels, strict=True)]
    new = [{"text": "how do I prune a cactus"}]
    found = embedkit.audit_labels(
        given, home=home, embedder="hashing", head="logreg", unlabelled=new
    )
    assert "heads learned from random 150 rows, in three folds" in found.notes
    assert len({error.line - 1 for error in found.errors} & wrong) >= 0.6 * len(wrong)
    assert found.suggestions[0].likely == "gardening"


def test_as_many_errors_as_are_asked_for(home: Path) -> None:
    given = [{"text": text, "label": label} for text, label in questions()[:80]]
    found = embedkit.audit_labels(given, home=home, errors=7, **QUICK)
    assert len(found.errors) == 7
    assert found.expected_precision is not None
    assert found.expected_precision < 0.2


def test_lists_of_labels_are_refused(home: Path) -> None:
    given = [{"text": "a b", "label": ["x", "y"]}, {"text": "c d", "label": ["x"]}]
    with pytest.raises(InvalidInputError, match="one label a row, got a list"):
        embedkit.audit_labels(given, home=home, **QUICK)


def test_a_table_that_there_is_not(home: Path) -> None:
    given = [{"text": text, "label": label} for text, label in questions()[:30]]
    found = embedkit.audit_labels(given, home=home, **QUICK)
    with pytest.raises(InvalidInputError, match="did you mean 'errors'"):
        found.table("error")
    assert set(found.to_dict()) >= {*found.TABLES, "rows", "accuracy", "noise"}
    for name in found.TABLES:
        assert all(list(row) == found.columns(name) for row in found.table(name))


def test_two_rows_are_enough_to_say_something(home: Path) -> None:
    given = [{"text": "bake bread", "label": "x"}, {"text": "drive a car", "label": "y"}]
    found = embedkit.audit_labels(given, home=home, embedder="hashing")
    assert found.rows == 2
    assert all(facts.rare for facts in found.classes)
    same = [{"text": "bake bread", "label": "x"}, {"text": "Bake bread!", "label": "y"}]
    assert len(embedkit.audit_labels(same, home=home, embedder="hashing").conflicts) == 1
