from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
Data = Callable[..., Any]

MONEY = [
    "how do I pay my bill", "can I pay by card", "the bill is too high", "pay the bill by card",
    "my card was charged twice", "I want my money back", "refund the money to my card",
]  # fmt: skip
POST = [
    "where is my parcel", "the parcel is late", "when will my parcel arrive", "track the parcel",
    "the parcel never arrived", "change the address of the parcel", "track my parcel please",
]  # fmt: skip
FRESH = [
    ("my bill please", "money", "en"),
    ("pay by card", "money", "en"),
    ("the parcel of the card", "money", "de"),
    ("a parcel that is late", "post", "de"),
    ("track it, the parcel", "post", ""),
]


def write(path: str, rows: list[tuple[str, ...]], header: tuple[str, ...]) -> None:
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def trained(run: Run, work: Path) -> Path:
    """A classifier, and rows that it has not seen."""
    rows = [(text, "money") for text in MONEY] + [(text, "post") for text in POST]
    write("train.csv", rows, ("text", "topic"))
    write("fresh.csv", FRESH, ("text", "topic", "lang"))
    words = ["classify", "train", "train.csv", "--label", "topic", "--head"]
    run(*words, "logreg", "--name", "topics")
    return work


ASKED = ("classify", "evaluate", "fresh.csv", "--name", "topics")


def test_labelled_rows_tell_how_good_it_is(run: Run, data: Data, trained: Path) -> None:
    found = data(*ASKED)
    assert found["subject"] == "topics on fresh.csv"
    assert found["measures"]["accuracy"]["mean"] == 0.8
    assert found["confusion"] == [[2, 1], [0, 2]]
    assert found["mistakes"][0]["text"] == "the parcel of the card"
    assert found["mistakes"][0]["line"] == 4
    assert found["seen"] == 0
    assert 0 < found["training"]["accuracy"]["mean"] <= 1
    told = run(*ASKED, "--format", "table").stdout
    assert "topics on fresh.csv: 5 labelled rows, 2 labels" in told
    assert "accuracy           0.800" in told
    assert "cross-validated" in told
    assert "true, answered:  money  post" in told
    assert "money                2     1" in told
    assert "surest mistakes" in told
    rows = list(csv.DictReader(run(*ASKED, "--format", "csv").stdout.splitlines()))
    assert [row["mean"] for row in rows if row["measure"] == "accuracy"] == ["0.8"]


def test_without_a_source_it_tells_what_training_measured(
    run: Run, data: Data, trained: Path
) -> None:
    found = data("classify", "evaluate")
    assert found["subject"] == "topics, cross-validated in training"
    assert found["rows"] == 14
    assert found["measures"]["accuracy"] == data(*ASKED)["training"]["accuracy"]
    result = run("classify", "evaluate", "--label", "topic", code=2)
    assert "--label needs labelled rows: give a SOURCE" in result.stderr


def test_rows_that_it_learned_from_are_told_apart(run: Run, data: Data, trained: Path) -> None:
    rows = [("The  BILL is too high", "post"), *(row[:2] for row in FRESH)]
    write("mixed.csv", rows, ("text", "topic"))
    result = run("classify", "evaluate", "mixed.csv", "--json")
    found = json.loads(result.stdout)
    assert found["seen"] == 1
    assert found["measures"]["accuracy"]["mean"] == pytest.approx(4 / 6)
    assert found["unseen"]["accuracy"]["mean"] == 0.8
    assert "1 row of 6 have a text that it learned from" in result.stderr
    assert "what it remembers" in run("classify", "evaluate", "train.csv").stderr


def test_each_value_of_a_column_by_itself(run: Run, data: Data, trained: Path) -> None:
    values = data(*ASKED, "--by", "lang")["by"]["values"]
    assert {name: one["rows"] for name, one in values.items()} == {"en": 2, "de": 2, "(none)": 1}
    assert values["de"]["measures"]["accuracy"]["mean"] == 0.5
    assert "(none)" in run(*ASKED, "--by", "LANG", "--format", "table").stdout
    assert "did you mean 'lang'?" in run(*ASKED, "--by", "langs", code=2).stderr


def test_another_classifier_on_the_same_rows(run: Run, data: Data, trained: Path) -> None:
    rows = [(text, "post") for text in MONEY] + [(text, "money") for text in POST]
    write("swapped.csv", rows, ("text", "topic"))
    words = ["classify", "train", "swapped.csv", "--label", "topic", "--head", "logreg"]
    run(*words, "--name", "swapped")
    found = data(*ASKED, "--against", "swapped")["against"]
    assert found["subject"] == "swapped on fresh.csv"
    gap = found["differences"]["accuracy"]
    assert (gap["wins"], gap["losses"]) == (4, 1)
    assert gap["difference"]["mean"] == pytest.approx(0.6)
    told = run(*ASKED, "--against", "swapped", "--format", "table").stdout
    assert "against swapped on fresh.csv" in told
    assert "4/0/1" in told
    result = run("classify", "evaluate", "--name", "topics", "--against", "swapped", code=2)
    assert "measured by the same labels" in result.stderr
    run("classify", "train", "train.csv", "--label", "topic", "--head", "centroid")
    found = data("classify", "evaluate", "--name", "topics", "--against", "train")
    assert found["against"]["subject"] == "train, cross-validated in training"
    write("other.csv", rows[1:], ("text", "topic"))
    run("classify", "train", "other.csv", "--label", "topic", "--head", "logreg")
    result = run("classify", "evaluate", "--name", "topics", "--against", "other", code=2)
    assert "to be trained on the same rows" in result.stderr
    result = run(*ASKED, "--against", "swoped", code=1)
    assert "did you mean 'swapped'?" in result.stderr


def test_floors_and_ceilings_decide_the_exit_code(run: Run, trained: Path) -> None:
    run(*ASKED, "--min", "accuracy=0.8", "--max", "brier=1")
    assert (
        "accuracy is 0.8000, below the floor of 0.9"
        in run(*ASKED, "--min", "Accuracy=0.9", code=1).stderr
    )
    assert "above the ceiling of 0.0001" in run(*ASKED, "--max", "ece=0.0001", code=1).stderr
    assert "did you mean 'macro-F1'?" in run(*ASKED, "--min", "macro-f=0.9", code=2).stderr


def test_what_was_promised_is_measured(run: Run, data: Data, trained: Path) -> None:
    measures = data(*ASKED, "--coverage", "0.8", "--scope", "0.05")["measures"]
    assert {"set-coverage", "set-size", "answered"} <= set(measures)
    result = run("classify", "evaluate", "--coverage", "0.8", code=2)
    assert "--coverage needs labelled rows" in result.stderr


def test_abstaining_is_measured(data: Data, trained: Path) -> None:
    measures = data(*ASKED, "--abstain-below", "0.999999")["measures"]
    assert measures["answered"]["mean"] == 0
    assert measures["accuracy-answered"]["mean"] is None


def test_several_labels_a_row(run: Run, data: Data, work: Path) -> None:
    rows = [
        (text, "money; late" if "late" in text or "high" in text else "money") for text in MONEY
    ]
    rows += [(text, "post; late" if "late" in text or "never" in text else "post") for text in POST]
    write("train.csv", rows * 2, ("text", "topic"))
    words = ("classify", "train", "train.csv", "--label", "topic", "--multi-label")
    run(*words, "--head", "logreg", "--name", "topics")
    found = data("classify", "evaluate", "train.csv")
    assert (found["task"], found["confusion"]) == ("multi", None)
    assert found["measures"]["micro-F1"]["mean"] > 0.9
    told = run("classify", "evaluate", "--format", "table").stdout
    assert "subset-accuracy" in told
    assert "has it" in told
    result = run("classify", "evaluate", "--plot", "a.png", code=2)
    assert "--plot needs one label a row" in result.stderr
    assert not result.stdout


@pytest.mark.slow
def test_pictures_and_a_report(run: Run, trained: Path) -> None:
    pictures = ("--plot", "confusion.svg", "--calibration-plot", "curve.png")
    result = run(*ASKED, *pictures, "--report", "told", "--by", "lang")
    assert "<!-- answered -->" in Path("confusion.svg").read_text()
    assert Path("curve.png").read_bytes().startswith(b"\x89PNG")
    assert "report.json" in result.stderr
    folder = Path("told")
    assert {path.name for path in folder.iterdir()} == {
        "report.json", "measures.csv", "labels.csv", "confusion.csv", "calibration.csv",
        "rows.csv", "confusion.png", "calibration.png",
    }  # fmt: skip
    with (folder / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [row[0] for row in FRESH]
    assert [row["right"] for row in rows] == ["true", "true", "false", "true", "true"]
    with (folder / "confusion.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["true", "money", "post"], ["money", "2", "1"], ["post", "0", "2"],
        ]  # fmt: skip
    assert json.loads((folder / "report.json").read_text())["rows"] == 5


@pytest.mark.parametrize(
    ("rows", "more", "code", "said"),
    [
        ([], [], 1, "has no rows"),
        ([("a bill", "")], [], 2, "1 row without a label set aside"),
        ([("a bill", "cash")], [], 2, "labels that the classifier knows, got 'cash'"),
        ([("a bill", "money")], ["--label", "topics"], 2, "did you mean 'topic'?"),
        ([("a bill", "money")], ["--plot", "a.bmp"], 2, "ends in .png"),
        ([("a bill", "money")], ["--name", "topic"], 1, "did you mean 'topics'?"),
        ([("a bill", "money")], ["--min", "accuracy"], 2, "--min NAME=VALUE"),
    ],
)
def test_what_cannot_be_evaluated(
    run: Run, trained: Path, rows: list[tuple[str, str]], more: list[str], code: int, said: str
) -> None:
    write("rows.csv", rows, ("text", "topic"))
    result = run("classify", "evaluate", "rows.csv", *more, code=code)
    assert said in result.stderr


def test_what_is_left_out_is_said(run: Run, trained: Path) -> None:
    rows = [("a bill", "money"), ("x", "cash"), ("", "money"), ("y", "")]
    write("rows.csv", rows, ("text", "topic"))
    result = run("classify", "evaluate", "rows.csv", "--json")
    assert json.loads(result.stdout)["unknown"] == {"cash": 1}
    assert json.loads(result.stdout)["measures"]["macro-F1"]["mean"] == 1, "one label is enough"
    assert "1 row without a label set aside" in result.stderr
    assert "1 row of labels that it never learned left out: 'cash'" in result.stderr
